# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
A whole model and its processor from the places that its parts may be in, in five steps: find the files, read what they say,
complete the weights with those of missing encoders, build the model, and check that nothing is missing or lost.
"""

import logging
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import torch
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel, ProcessorMixin
from transformers.utils import CONFIG_NAME, cached_file

from ..families import FAMILIES, Family, family_of
from ..modeling.checked_config import ERRORS_OF_VALUES, check_fields, config_errors
from ..modeling.config_limits import TEXT_LIMITS
from ..modeling.config_rules import ConfigError
from ..modeling.missing_encoders import missing_encoder_message
from ..modeling.missing_weights import MissingWeightsError, is_read
from ..video.limits import shorten
from .adapter_config import check_base
from .encoder_sources import read_encoder, required_weights, source_of
from .joined_checkpoint import as_part_of_a_model, open_checkpoint
from .model_location import check_location
from .model_parts import Parts, around_language_model, read_fields_around, read_parts
from .training_outputs import TrainingOutput, check_can_merge, find_training_output, merge_lora
from .weight_files import Checkpoint, read_json
from .weight_names import by_native_name, native_names, release_names


logger = logging.getLogger(__name__)


@dataclass
class LoadedModel:
    """
    Args:
        model ([`PreTrainedModel`]): the model, on the CPU.
        processor ([`ProcessorMixin`]): its processor.
        unknown_weights (`set[str]`): weights that no source has, and that the model never reads.
    """

    model: PreTrainedModel
    processor: ProcessorMixin
    unknown_weights: set[str]


@dataclass(frozen=True)
class Found:
    """
    Where the parts of a model are.

    Args:
        source (`str`): folder or Hub id that was asked for.
        base (`str`): folder or Hub id with a config, a tokenizer and most weights; `source`, unless that is an output of training.
        checkpoint ([`Checkpoint`]): the weights of `base`.
        output ([`TrainingOutput`]): what training left in `source`, if that is to go into the model.
    """

    source: str
    base: str
    checkpoint: Checkpoint
    output: TrainingOutput

    def __str__(self) -> str:
        return self.base if self.base == self.source else f"{self.source} and {self.base}"


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
    found = find(source, base_model)
    parts = read(found)
    checkpoint = as_part_of_a_model(found.checkpoint) if parts.is_language_model else found.checkpoint
    weights = complete(checkpoint, parts.config, given)
    weights = by_native_name(weights, parts.family.model_type) | found.output.weights
    return build_and_check(found, parts, weights, dtype)


def find(source: str, base_model: str | None = None) -> Found:
    """
    Raises:
        OSError: if there is no such folder, or no weights.
        ValueError: if a base model is needed and unknown, or known and not needed.
    """
    check_location(source)
    output = find_training_output(source)
    if output.is_empty and base_model is not None:
        raise ValueError(
            f"A base model ({base_model}) was given, but {source} is not an output of training: it has neither "
            "mm_projector.bin nor non_lora_trainables.bin nor adapter_config.json."
        )
    checkpoint = None
    if output.is_empty or (base_model is None and not output.has_adapter):
        checkpoint = open_checkpoint(source)
        if checkpoint.names:
            output = TrainingOutput(source)  # a whole checkpoint, beside what it may have been made of
    base = source if output.is_empty else base_model or output.base_model
    if base is None:
        raise ValueError(
            f"{source} is an output of training: say which base model it belongs to (`base_model=`, `--base-model`)."
        )
    if base_model is None and base != source:
        check_base(source, base)
    if base != source:
        checkpoint = None
        check_location(base, f"{source} was trained on it: say where it is now (`base_model=`, `--base-model`).")
    if output.has_adapter:
        check_can_merge(source)
    return Found(source, base, _with_weights(checkpoint or open_checkpoint(base)), output)


def find_checkpoint(path: str) -> Found:
    """
    Finds a checkpoint alone.

    Raises:
        OSError: as [`find`].
    """
    check_location(path)
    return Found(path, path, _with_weights(Checkpoint(path)), TrainingOutput(path))


def _with_weights(checkpoint: Checkpoint) -> Checkpoint:
    if not checkpoint.names:
        raise OSError(
            f"{checkpoint.path} has neither model.safetensors nor pytorch_model.bin, whole or in shards, or cannot be reached."
        )
    return checkpoint


def read(found: Found) -> Parts:
    """
    Reads all but the weights, and the weights of an output of training.

    Raises:
        OSError: if config or tokenizer are missing.
        ValueError: if the model is of no family, parts do not fit each other, or a file holds anything but tensors.
    """
    config = read_config(found.base)
    families = [family for family in FAMILIES if config.model_type in family.language_model_types]
    if families and found.base != found.source:
        family, fields = read_fields_around(found.source, families[0])
        parts = read_parts(found.base, around_language_model(family, config, fields), is_language_model=True)
    elif config.model_type in (model_type for family in FAMILIES for model_type in family.model_types):
        parts = read_parts(found.base, config)
    else:
        known = " or ".join(model_type for family in FAMILIES for model_type in family.model_types)
        language_models = " or ".join(
            dict.fromkeys(name for family in FAMILIES for name in family.language_model_types)
        )
        raise ValueError(
            f"{found.base} is a {config.model_type} model, not {known}, nor is it the language model ({language_models}) "
            "of an output of training."
        )
    found.output.read(parts.family)
    return parts


def read_config(path: str) -> PreTrainedConfig:
    """
    The config of a folder or Hub repository.

    Raises:
        OSError: if there is none.
        ValueError: if it is damaged or has values that cannot be, in one line that names the file.
    """
    file = cached_file(path, CONFIG_NAME)
    if file is None:  # as transformers says it of this file in a folder
        raise FileNotFoundError(f"The folder '{shorten(str(path))}' has no {CONFIG_NAME}.")
    fields = read_json(file)
    model_type, where = fields.get("model_type"), f"config.json of {shorten(str(path))}"
    if not isinstance(model_type, str):
        raise ConfigError(f"{where}: `model_type` ({shorten(repr(model_type))}) must be a string.")
    for name, kind in (("auto_map", dict), ("configuration_files", list)):
        if fields.get(name) is not None and not isinstance(fields[name], kind):
            raise ConfigError(
                f"{where}: `{name}` ({shorten(repr(fields[name]))}) must be of the type {kind.__name__}."
            )
    with config_errors(f"{where}: ", also=ERRORS_OF_VALUES):
        if any(model_type in family.language_model_types for family in FAMILIES):
            check_fields(fields, TEXT_LIMITS)
        return AutoConfig.from_pretrained(path)


def find_family(path: str) -> Family | None:
    """The family of a model in a folder or repository, by its config alone; None if it is of none, or has none, as an adapter."""
    try:
        model_type = read_config(path).model_type
    except OSError:
        return None
    return next((family for family in FAMILIES if model_type in family.model_types), None)


def missing_encoders(names: Iterable[str], model_type: str, given: Collection[str]) -> list[str]:
    """The modalities whose encoder has to come from elsewhere, because its weights are absent or it is given."""
    present = set(_modalities(names, model_type).values())
    return [modality for modality in family_of(model_type).encoders if modality in given or modality not in present]


def complete(
    checkpoint: Checkpoint, config: PreTrainedConfig, given: Mapping[str, str], **hub_options
) -> dict[str, torch.Tensor]:
    """
    The weights of a checkpoint and of the encoders that are missing in it, all by names of the checkpoint's own layout, so that
    the model is also saved in it.

    Args:
        checkpoint ([`Checkpoint`]): the checkpoint.
        config (`PreTrainedConfig`): of the whole model.
        given (`dict[str, str]`): where the `"image"` or `"video"` encoder is to be taken from, whether it is missing or not.
        hub_options: `cache_dir`, `token`, ... for encoders on the Hub.

    Raises:
        OSError: if an encoder is to be found nowhere; one error for all of them.
        ValueError: if an encoder does not fit the config, or a file holds anything but tensors.
    """
    model_type = config.model_type
    missing = missing_encoders(checkpoint.names, model_type, given)
    added: dict[str, torch.Tensor] = {}
    problems = []
    for modality in missing:
        encoder = family_of(config).encoders[modality]
        prefix = f"model.{encoder.module}."
        source = given.get(modality) or source_of(encoder, config)
        try:
            if source is None:
                raise OSError(f"the config has no `{encoder.source_field}`, which would say where they are")
            weights = read_encoder(modality, source, config, **hub_options)
            added |= {prefix + name: tensor for name, tensor in weights.items()}
        except OSError as error:
            names = [prefix + name for name in required_weights(modality, config)]
            where = f"They could not be had from elsewhere: {str(error).rstrip('.')}."
            problems.append(missing_encoder_message(checkpoint.path, modality, encoder, names, where))
    if problems:
        raise OSError("\n".join(problems))
    if any(name != native for name, native in native_names(checkpoint.names, model_type).items()):
        added = {name: added[native] for native, name in release_names(added, model_type).items()}
    modalities = _modalities(checkpoint.names, model_type)
    return {name: tensor for name, tensor in checkpoint.read().items() if modalities.get(name) not in missing} | added


def _modalities(names: Iterable[str], model_type: str) -> dict[str, str]:
    """`{name: modality}` of the weights that belong to an encoder."""
    return {
        name: modality
        for name, native in native_names(names, model_type).items()
        for modality, encoder in family_of(model_type).encoders.items()
        if re.match(rf"(model\.)?{encoder.module}\.", native)
    }


def build_and_check(
    found: Found, parts: Parts, weights: dict[str, torch.Tensor], dtype: str | torch.dtype
) -> LoadedModel:
    """
    Makes the model of its weights, merges a LoRA adapter into it, and sees that nothing is missing or left over.

    Args:
        found ([`Found`]): where the weights were, and a LoRA adapter if there is one.
        parts ([`Parts`]): all but the weights.
        weights (`dict[str, torch.Tensor]`): by native names.
        dtype (`str` or `torch.dtype`): as for [`load_model`].

    Raises:
        ImportError: if merging needs a package that is not installed.
        ValueError: if a weight that the model reads is missing or has another shape, or one of an output of training is not used.
    """
    output = found.output
    try:
        model, unexpected = _build(parts, weights, torch.float32 if output.has_adapter else dtype)
    except MissingWeightsError as error:
        output.check_names(error.unexpected)
        raise ValueError(_describe(found, error)) from None
    output.check_names(unexpected)
    if unexpected:
        logger.warning(
            "%d tensors in %s are none of this model's, and are left out: %s%s",
            len(unexpected),
            shorten(str(found)),
            ", ".join(shorten(name) for name in sorted(unexpected)[:10]),
            ", ..." if len(unexpected) > 10 else "",
        )
    unknown_weights = {name for name in model.state_dict() if name not in weights and not is_read(name, parts.config)}
    if output.has_adapter:
        merge_lora(model, output)
        model, _ = _build(parts, model.state_dict(), dtype)
    return LoadedModel(model, parts.processor, unknown_weights)


def _build(
    parts: Parts, weights: dict[str, torch.Tensor], dtype: str | torch.dtype
) -> tuple[PreTrainedModel, set[str]]:
    """The model, and the names of weights that it does not have."""
    model, info = parts.family.model_class.from_pretrained(
        None,
        config=parts.config,
        generation_config=parts.generation_config,
        state_dict=weights,
        dtype=dtype,
        output_loading_info=True,
        allow_missing_weights=False,
    )
    return model, set(info["unexpected_keys"])


def _describe(found: Found, error: MissingWeightsError) -> str:
    if error.mismatched:
        name, shape, expected = min(error.mismatched)
        return (
            f"{name} in {found} has the shape {tuple(shape)}, but the config makes it {tuple(expected)}; "
            f"{len(error.mismatched)} weights differ."
        )
    modules = sorted({name.removeprefix("model.").split(".")[0] for name in error.missing})
    return (
        f"{len(error.missing)} weights of {' and '.join(modules)} are missing in {found}, such as {min(error.missing)}: take "
        "a base model that has them."
    )
