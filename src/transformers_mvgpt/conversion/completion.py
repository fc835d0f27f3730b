# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`from_pretrained` of checkpoints in which an encoder is missing, as in the published repositories."""

import os
from dataclasses import fields
from typing import Any

from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import CONFIG_NAME, cached_file, is_peft_available

from ..modeling.missing_encoders import is_published
from .adapter_config import ADAPTER_CONFIG_FILE, check_base, read_adapter_config
from .joined_checkpoint import JoinedCheckpoint, open_checkpoint
from .loading import complete, missing_encoders
from .model_parts import load_generation_config


_HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "proxies", "token")
_REPOSITORY_OPTIONS = ("revision", "subfolder")
_FILE_OPTIONS = ("variant", "use_safetensors")


def complete_checkpoint(
    model_class: type[PreTrainedModel], path: str | os.PathLike, given: dict[str, str], options: dict[str, Any]
) -> dict[str, Any] | None:
    """
    Looks whether a checkpoint has all encoders, by the names of its weights alone, and reads those that are missing.

    Args:
        model_class (`type[PreTrainedModel]`): the class that is loaded.
        path (`str`): folder or Hub id.
        given (`dict[str, str]`):
            Where the caller wants the `"image"` or `"video"` encoder to be taken from. It replaces the checkpoint's.
        options (`dict[str, Any]`): what else `from_pretrained` got.

    Returns:
        `dict[str, Any]`, *optional*: what `model_class.from_pretrained(None, ...)` needs to load the completed
        checkpoint; None if there is nothing to complete, or nothing that could be, and the weights are where transformers looks.

    Raises:
        OSError: if an encoder is to be found nowhere.
        ValueError: if an encoder does not fit the config, or a file holds anything but tensors.
    """
    _check_adapter(path, options)
    if options.get("state_dict") is not None or options.get("gguf_file") is not None:
        return None
    hub = {name: options[name] for name in _HUB_OPTIONS if name in options}
    repository = hub | {name: options[name] for name in _REPOSITORY_OPTIONS if name in options}
    files = {name: options[name] for name in _FILE_OPTIONS if name in options}
    try:
        checkpoint = open_checkpoint(path, **files, **{**repository, "force_download": False})
    except OSError:
        return None  # transformers meets the same obstacle, and has its own words for it
    is_joined = isinstance(checkpoint, JoinedCheckpoint)
    is_complete = not missing_encoders(checkpoint.names, model_class.config_class.model_type, given)
    if not checkpoint.names or (is_complete and not is_joined):
        return None
    if options.get("force_download"):  # not before, or a complete checkpoint would be downloaded twice
        checkpoint = open_checkpoint(path, **files, **repository)

    options = {name: value for name, value in options.items() if name not in {*repository, *files}}
    config = options.pop("config", None)
    if not isinstance(config, PreTrainedConfig):
        names = {field.name for field in fields(model_class.config_class)} - {"dtype"}
        overrides = {name: options.pop(name) for name in names & set(options)}
        config = model_class.config_class.from_pretrained(config or path, **repository, **overrides)
    if not given and not is_joined and not is_published(config):
        return None
    weights = complete(checkpoint, config, given, **hub)
    if model_class.can_generate() and options.get("generation_config") is None:
        options["generation_config"] = load_generation_config(path, **repository)
    return {**options, "config": config, "state_dict": weights}


def _check_adapter(path: str | os.PathLike, options: dict[str, Any]) -> None:
    """transformers follows an adapter to its base model: in the Auto classes before it comes here, otherwise after."""
    if not is_peft_available():
        return  # nor does transformers look
    adapter = (options.get("adapter_kwargs") or {}).get("_adapter_model_path") or path
    hub = {
        name: options[name] for name in (*_HUB_OPTIONS, *_REPOSITORY_OPTIONS) if name in options and adapter is path
    }
    try:
        file = cached_file(
            adapter,
            ADAPTER_CONFIG_FILE,
            _raise_exceptions_for_missing_entries=False,
            **{**hub, "force_download": False},
        )
    except OSError:
        return  # transformers meets the same obstacle
    if file is None or not os.path.isfile(file):
        return
    base = read_adapter_config(file).get("base_model_name_or_path")
    if not os.path.exists(os.path.join(adapter, CONFIG_NAME)):
        check_base(os.fspath(adapter), base)
