# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A whole model and its processor from the places that its parts may be in."""

import os
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer, GenerationConfig, PreTrainedConfig
from transformers.utils import CONFIG_NAME, PROCESSOR_NAME, cached_file

from ..modeling.configuration_mvgpt import RELEASE_MODEL_TYPE, MobileVideoGPTConfig
from ..modeling.missing_encoders import is_read
from ..modeling.modeling_mvgpt import MobileVideoGPTForConditionalGeneration
from ..processing.processing_mvgpt import MobileVideoGPTProcessor
from .completion import read_completed
from .training_outputs import TrainingOutput, merge_lora, read_training_output
from .weight_files import Checkpoint
from .weight_names import native_names


@dataclass
class LoadedModel:
    """
    Args:
        model ([`MobileVideoGPTForConditionalGeneration`]): the model, on the CPU.
        processor ([`MobileVideoGPTProcessor`]): its processor.
        unknown_weights (`set[str]`): weights that no source has, and that the model never reads.
    """

    model: MobileVideoGPTForConditionalGeneration
    processor: MobileVideoGPTProcessor
    unknown_weights: set[str]


def load_model(
    source: str, given: dict[str, str], base_model: str | None = None, dtype: str | torch.dtype = "auto"
) -> LoadedModel:
    """
    Loads a checkpoint, or an output of the release's training on a base model.

    Args:
        source (`str`): folder or Hub id.
        given (`dict[str, str]`): where the `"image"` and `"video"` encoder come from, if not from where the config says.
        base_model (`str`, *optional*): folder or Hub id, for outputs of training.
        dtype (`str` or `torch.dtype`, defaults to `"auto"`): of the model; `"auto"` is the checkpoint's.

    Raises:
        OSError: if a part is to be found nowhere.
        ValueError: if parts do not fit each other.
        ImportError: if merging a LoRA adapter needs a package that is not installed.
    """
    check_exists(source)
    output = read_training_output(source)
    if output.is_empty and base_model is not None:
        raise ValueError(
            f"A base model ({base_model}) was given, but {source} is not an output of training: it has neither "
            "mm_projector.bin nor non_lora_trainables.bin nor adapter_config.json."
        )
    if base_model is None and not output.lora_weights and Checkpoint(source).names:
        output = TrainingOutput(source)  # a whole checkpoint, beside what it may have been made of
    base = source if output.is_empty else base_model or output.base_model
    if base is None:
        raise ValueError(
            f"{source} is an output of training: say which base model it belongs to (`base_model=`, `--base-model`)."
        )
    check_exists(base, f"{source} was trained on it: say where it is now (`base_model=`, `--base-model`).")
    checkpoint = open_checkpoint(base)
    config, processor = _load_config_and_processor(base, source)

    weights = by_native_name(read_completed(checkpoint, config, given)) | output.weights
    load = partial(
        MobileVideoGPTForConditionalGeneration.from_pretrained,
        None,
        config=config,
        generation_config=load_generation_config(base),
        ignore_mismatched_sizes=True,  # they are an error here, with a better text
        output_loading_info=True,
    )
    model, info = load(state_dict=weights, dtype=torch.float32 if output.lora_weights else dtype)
    output.check_names(info["unexpected_keys"])
    places = base if output.is_empty else f"{source} and {base}"
    check_loaded(info["mismatched_keys"], info["missing_keys"], config, places)
    unknown_weights = {name for name in model.state_dict() if name not in weights and not is_read(name, config)}
    if output.lora_weights:
        merge_lora(model, output)
        model, _ = load(state_dict=model.state_dict(), dtype=dtype)
    return LoadedModel(model, processor, unknown_weights)


def open_checkpoint(path: str) -> Checkpoint:
    """
    Raises:
        OSError: if there are no weights.
    """
    checkpoint = Checkpoint(path)
    if not checkpoint.names:
        raise OSError(
            f"{path} has neither model.safetensors nor pytorch_model.bin, whole or in shards, or cannot be reached."
        )
    return checkpoint


def check_exists(path: str, hint: str = "") -> None:
    if (os.path.isabs(path) or path.startswith(".")) and not os.path.isdir(path):
        raise FileNotFoundError(f"There is no folder {path}. {hint}".rstrip())


def _load_config_and_processor(base: str, source: str) -> tuple[MobileVideoGPTConfig, MobileVideoGPTProcessor]:
    config = AutoConfig.from_pretrained(base)
    is_language_model = base != source and config.model_type == "qwen2"
    if is_language_model:
        is_saved = cached_file(source, CONFIG_NAME, _raise_exceptions_for_missing_entries=False) is not None
        around = MobileVideoGPTConfig.from_pretrained(source) if is_saved else MobileVideoGPTConfig()
        config = around_language_model(config, around.to_dict())
    elif not isinstance(config, MobileVideoGPTConfig):
        raise ValueError(
            f"{base} is a {config.model_type} model, not {MobileVideoGPTConfig.model_type} or {RELEASE_MODEL_TYPE}, nor "
            "is it the language model (qwen2) of an output of training."
        )
    return config, load_processor(base, config, is_language_model)


def load_processor(base: str, config: MobileVideoGPTConfig, is_language_model: bool) -> MobileVideoGPTProcessor:
    """
    Args:
        base (`str`): folder or Hub id of a checkpoint or of a language model.
        config ([`MobileVideoGPTConfig`]):
            Of the model. It gets the tokenizer's placeholders where that is a language model's, and forgets where it came
            from.
        is_language_model (`bool`): which of both it is.

    Raises:
        ValueError: if tokenizer and config do not name the same placeholders.
    """
    if cached_file(base, PROCESSOR_NAME, _raise_exceptions_for_missing_entries=False):
        processor = MobileVideoGPTProcessor.from_pretrained(base)
    else:
        tokenizer = AutoTokenizer.from_pretrained(base, padding_side="left")
        processor = MobileVideoGPTProcessor.from_config(config, tokenizer)
    if is_language_model:
        config.image_token_id, config.video_token_id = processor.image_token_id, processor.video_token_id
    for name in ("image_token_id", "video_token_id"):
        if getattr(processor, name) != getattr(config, name):
            raise ValueError(
                f"`{name}` is {getattr(config, name)} in the config of {base}, but {getattr(processor, name)} in its "
                "tokenizer."
            )
    _forget_origin(config, processor)
    return processor


def _forget_origin(config: MobileVideoGPTConfig, processor: MobileVideoGPTProcessor) -> None:
    """Lets them be saved without the remote code that they came with, and without how they were loaded."""
    for part in (config, processor, processor.video_processor):
        if hasattr(part, "auto_map"):
            del part.auto_map
    for name in ("auto_map", "dtype", "is_local", "local_files_only"):
        processor.tokenizer.init_kwargs.pop(name, None)


def around_language_model(language_model: PreTrainedConfig, fields: dict[str, Any]) -> MobileVideoGPTConfig:
    """The config with these fields around this language model."""
    return MobileVideoGPTConfig.from_dict(
        {
            **fields,
            "text_config": language_model.to_dict(),
            "tie_word_embeddings": language_model.tie_word_embeddings,
            "dtype": language_model.dtype,
        }
    )


def by_native_name(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    natives = {}
    for name, native in native_names(weights).items():
        # the model without its head was saved without the prefix
        natives[native if native.startswith(("model.", "lm_head.")) else f"model.{native}"] = weights[name]
    return natives


def load_generation_config(path: str) -> GenerationConfig | None:
    try:
        return GenerationConfig.from_pretrained(path)
    except OSError:
        return None  # the model makes one of its config


def check_loaded(
    mismatched: set[tuple[str, torch.Size, torch.Size]], missing: set[str], config: MobileVideoGPTConfig, places: str
) -> None:
    if mismatched:
        name, shape, expected = min(mismatched)
        raise ValueError(
            f"{name} in {places} has the shape {tuple(shape)}, but the config makes it {tuple(expected)}; "
            f"{len(mismatched)} weights differ."
        )
    if missing := {name for name in missing if is_read(name, config)}:
        parts = sorted({name.removeprefix("model.").split(".")[0] for name in missing})
        raise ValueError(
            f"{len(missing)} weights of {' and '.join(parts)} are missing in {places}, such as {min(missing)}: take "
            "a base model that has them."
        )
