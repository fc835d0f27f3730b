# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Where the published training began: a language model and two encoders, joined by projectors that have learned nothing."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, CLIPVisionConfig, GenerationConfig
from transformers.utils import CONFIG_NAME, cached_file

from ..modeling.configuration_mvgpt import PUBLISHED_ENCODERS, MobileVideoGPTConfig
from ..modeling.missing_encoders import is_read
from ..modeling.modeling_mvgpt import MobileVideoGPTForConditionalGeneration
from .encoder_sources import ENCODER_MODULES, read_encoder
from .model_sources import (
    LoadedModel,
    around_language_model,
    by_native_name,
    check_exists,
    check_loaded,
    load_generation_config,
    load_processor,
    open_checkpoint,
)
from .native_folder import OWN_FILES, OnProgress, check_written, write_native_folder
from .target_folder import check_target, replacing
from .weight_files import read_json


IMAGE_ENCODER = PUBLISHED_ENCODERS["image_mm_vision_tower"]
VIDEO_ENCODER = PUBLISHED_ENCODERS["mm_vision_tower"]
_PROJECTORS = ("model.image_projector", "model.video_projector")
# The rest of a config is the language model's and its tokenizer's.
_CONFIG_FIELDS = (
    *(
        "vision_config",
        "video_config",
        "num_frames",
        "frames_per_chunk",
        "num_selected_frames",
        "select_most_attended",
    ),
    *("vision_feature_layer", "image_grid_size", "video_grid_size"),
)


def assemble(
    target: str | os.PathLike,
    *,
    language_model: str | os.PathLike,
    image_encoder: str | os.PathLike = IMAGE_ENCODER,
    video_encoder: str | os.PathLike = VIDEO_ENCODER,
    config: Mapping[str, Any] | str | os.PathLike | None = None,
    seed: int = 0,
    dtype: torch.dtype | str = torch.float32,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> None:
    r"""
    Writes a complete native folder for the first stage of training: the language model and both encoders as they are, and
    projectors with fresh weights. Nothing else may be fresh. It is loaded again and compared with the model, tensor by
    tensor, before it gets its name.

    Args:
        target (`str`):
            The folder to write; it must not exist or be empty.
        language_model (`str`):
            Folder or Hub id of a Qwen2 language model. Tokenizer and generation config are its own, but for sampling: answers
            are greedy, as the published models'.
        image_encoder (`str`, defaults to `"openai/clip-vit-base-patch16"`):
            Folder or Hub id of a CLIP model, whose config is used, or a file of its weights.
        video_encoder (`str`, defaults to `"OpenGVLab/VideoMamba"`):
            Hub id, `<Hub id>/<file name>`, folder or file of VideoMamba.
        config (`dict` or `str`, *optional*):
            Fields of [`MobileVideoGPTConfig`] in which the model differs from the published ones, or a JSON file of them:
            `{"num_frames": 64, "num_selected_frames": 1}`. `video_config` says the sizes of a VideoMamba of another size.
        seed (`int`, defaults to 0):
            Of the projectors. The same parts and seed give the same weights.
        dtype (`str` or `torch.dtype`, defaults to `torch.float32`):
            Of the weights written; those of parts in half precision are exact in float32.
        overwrite (`bool`, defaults to `False`):
            Replace `target` if it is a folder that was written before.
        on_progress (`Callable[[str, int, int], None]`, *optional*):
            As for [`convert`].

    Raises:
        OSError: if a part is to be found nowhere, or `target` cannot be written.
        ValueError: if a part lacks weights, parts do not fit each other, or a file holds anything but tensors.
        RuntimeError: if what was written is not what was read.
    """
    target, base = Path(target), os.fspath(language_model)
    encoders = {"image": os.fspath(image_encoder), "video": os.fspath(video_encoder)}
    report = on_progress or (lambda step, completed, total: None)
    check_target(target, base, overwrite, OWN_FILES)
    fields = dict(config) if isinstance(config, Mapping) else {} if config is None else read_json(os.fspath(config))

    report(f"Loading {base}", 0, 1)
    loaded = _load_parts(base, encoders, fields, seed, dtype)
    report(f"Loading {base}", 1, 1)
    with replacing(target) as folder:
        report(f"Writing {target}", 0, 1)
        written = write_native_folder(folder, loaded)
        report(f"Writing {target}", 1, 1)
        check_written(folder, loaded, written, report)


def _load_parts(
    base: str, encoders: dict[str, str], fields: dict[str, Any], seed: int, dtype: torch.dtype | str
) -> LoadedModel:
    check_exists(base)
    checkpoint = open_checkpoint(base)
    language_model = AutoConfig.from_pretrained(base)
    if language_model.model_type != "qwen2":
        raise ValueError(f"{base} is a {language_model.model_type} model, not a language model of the type qwen2.")
    if unknown := sorted(fields.keys() - set(_CONFIG_FIELDS)):
        raise ValueError(f"`config` has {', '.join(unknown)}, but only {', '.join(_CONFIG_FIELDS)} may be given.")
    vision_config = {**_read_vision_config(encoders["image"]), **fields.get("vision_config", {})}
    config = around_language_model(language_model, {**fields, "vision_config": vision_config})
    weights = by_native_name(checkpoint.read())
    weights = {
        name: tensor for name, tensor in weights.items() if name.startswith(("model.language_model.", "lm_head."))
    }
    for encoder, source in encoders.items():
        prefix = f"model.{ENCODER_MODULES[encoder]}."
        weights |= {prefix + name: tensor for name, tensor in read_encoder(encoder, source, config).items()}
    processor = load_processor(base, config, is_language_model=True)
    model, info = MobileVideoGPTForConditionalGeneration.from_pretrained(
        None,
        config=config,
        generation_config=_greedy(load_generation_config(base)),
        state_dict=weights | _fresh_projectors(config, seed),
        dtype=dtype,
        ignore_mismatched_sizes=True,  # they are an error here, with a better text
        output_loading_info=True,
    )
    check_loaded(info["mismatched_keys"], info["missing_keys"], config, base)
    unknown_weights = {name for name in model.state_dict() if name not in weights and not is_read(name, config)}
    return LoadedModel(model, processor, unknown_weights)


def _greedy(config: GenerationConfig | None) -> GenerationConfig | None:
    """Without the language model's sampling: the published models decode greedily."""
    if config is not None:
        for name in ("do_sample", "temperature", "top_k", "top_p", "repetition_penalty"):
            setattr(config, name, None)
    return config


def _fresh_projectors(config: MobileVideoGPTConfig, seed: int) -> dict[str, torch.Tensor]:
    """As in a model that is made anew, whatever random numbers were drawn before."""
    with torch.device("meta"):
        model = MobileVideoGPTForConditionalGeneration(config)
    weights: dict[str, torch.Tensor] = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for prefix in _PROJECTORS:
            projector = model.get_submodule(prefix).to_empty(device="cpu")
            projector.apply(model._init_weights)
            weights |= {f"{prefix}.{name}": tensor for name, tensor in projector.state_dict().items()}
    return weights


def _read_vision_config(source: str) -> dict[str, Any]:
    """The fields of CLIP's own config; a file of weights has none."""
    if os.path.isfile(source):
        return {}
    check_exists(source)
    try:
        file = cached_file(source, CONFIG_NAME, _raise_exceptions_for_missing_entries=False)
    except OSError:
        return {}  # reading its weights meets the same obstacle
    if file is None:
        return {}
    return CLIPVisionConfig.from_pretrained(source).to_diff_dict()
