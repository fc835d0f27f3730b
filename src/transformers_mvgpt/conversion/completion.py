# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Checkpoints that lack an encoder, as the published repositories do, are loaded with one from elsewhere."""

import os
import re
from dataclasses import fields
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedConfig, PreTrainedModel

from ..modeling.configuration_mvgpt import MobileVideoGPTConfig
from ..modeling.missing_encoders import is_published, missing_encoder_message
from .encoder_sources import ENCODER_MODULES, ENCODERS, read_encoder, required_weights
from .weight_files import Checkpoint
from .weight_names import native_names, release_names


_SOURCE_FIELDS = {"image": "image_mm_vision_tower", "video": "mm_vision_tower"}

_HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "proxies", "token")
_REPOSITORY_OPTIONS = ("revision", "subfolder")
_FILE_OPTIONS = ("variant", "use_safetensors")


def complete_checkpoint(
    model_class: type[PreTrainedModel], path: str | os.PathLike, given: dict[str, str], options: dict[str, Any]
) -> dict[str, Any] | None:
    """
    Looks whether a checkpoint has both encoders, by the names of its weights alone, and reads those that it lacks.

    Args:
        model_class (`type[PreTrainedModel]`): the class that is loaded.
        path (`str`): folder or Hub id.
        given (`dict[str, str]`):
            Where the caller wants the `"image"` or `"video"` encoder to be taken from. It replaces the checkpoint's.
        options (`dict[str, Any]`): what else `from_pretrained` got.

    Returns:
        `dict[str, Any]`, *optional*: what `model_class.from_pretrained(None, ...)` needs to load the completed
        checkpoint; None if there is nothing to complete, or nothing that could be.

    Raises:
        OSError: if an encoder is to be found nowhere.
        ValueError: if an encoder does not fit the config, or a file holds anything but tensors.
    """
    if options.get("state_dict") is not None or options.get("gguf_file") is not None:
        return None
    hub = {name: options[name] for name in _HUB_OPTIONS if name in options}
    repository = hub | {name: options[name] for name in _REPOSITORY_OPTIONS if name in options}
    files = {name: options[name] for name in _FILE_OPTIONS if name in options}
    try:
        checkpoint = Checkpoint(path, **files, **{**repository, "force_download": False})
    except OSError:
        return None  # transformers meets the same obstacle, and has its own words for it
    if not checkpoint.names or not lacking_encoders(checkpoint, given):
        return None
    if options.get("force_download"):  # not before, or a complete checkpoint would be downloaded twice
        checkpoint = Checkpoint(path, **files, **repository)

    options = {name: value for name, value in options.items() if name not in {*repository, *files}}
    config = options.pop("config", None)
    if not isinstance(config, PreTrainedConfig):
        names = {field.name for field in fields(model_class.config_class)} - {"dtype"}
        overrides = {name: options.pop(name) for name in names & set(options)}
        config = model_class.config_class.from_pretrained(config or path, **repository, **overrides)
    if not given and not is_published(config):
        return None
    weights = read_completed(checkpoint, config, given, **hub)
    if model_class.can_generate() and options.get("generation_config") is None:
        try:
            options["generation_config"] = GenerationConfig.from_pretrained(path, **repository)
        except OSError:
            pass  # it has none: the model makes one of its config
    return {**options, "config": config, "state_dict": weights}


def lacking_encoders(checkpoint: Checkpoint, given: dict[str, str]) -> list[str]:
    """The encoders (`"image"`, `"video"`) that have to come from elsewhere, because they are absent or given."""
    present = set(_encoders(checkpoint.names).values())
    return [encoder for encoder in ENCODER_MODULES if encoder in given or encoder not in present]


def read_completed(
    checkpoint: Checkpoint, config: MobileVideoGPTConfig, given: dict[str, str], **hub_options
) -> dict[str, torch.Tensor]:
    """
    The weights of a checkpoint and of the encoders that it lacks, all by names of the checkpoint's own layout, so that
    the model is also saved in it.

    Raises:
        OSError: if an encoder is to be found nowhere; one error for both.
        ValueError: if an encoder does not fit the config, or a file holds anything but tensors.
    """
    lacking = lacking_encoders(checkpoint, given)
    added: dict[str, torch.Tensor] = {}
    problems = []
    for encoder in lacking:
        prefix = f"model.{ENCODER_MODULES[encoder]}."
        source = given.get(encoder) or getattr(config, _SOURCE_FIELDS[encoder])
        try:
            if source is None:
                raise OSError(f"the config has no `{_SOURCE_FIELDS[encoder]}`, which would say where they are")
            weights = read_encoder(encoder, source, config, **hub_options)
            added |= {prefix + name: tensor for name, tensor in weights.items()}
        except OSError as error:
            names = [prefix + name for name in required_weights(encoder, config)]
            where = f"They could not be had from elsewhere: {str(error).rstrip('.')}."
            problems.append(missing_encoder_message(checkpoint.path, encoder, ENCODERS[encoder], names, where))
    if problems:
        raise OSError("\n".join(problems))
    if any(name != native for name, native in native_names(checkpoint.names).items()):
        added = {name: added[native] for native, name in release_names(added).items()}
    encoders = _encoders(checkpoint.names)
    return {name: tensor for name, tensor in checkpoint.read().items() if encoders.get(name) not in lacking} | added


def _encoders(names: list[str]) -> dict[str, str]:
    """`{name: encoder}` of the weights that belong to one."""
    return {
        name: encoder
        for name, native in native_names(names).items()
        for encoder, module in ENCODER_MODULES.items()
        if re.match(rf"(model\.)?{module}\.", native)
    }
