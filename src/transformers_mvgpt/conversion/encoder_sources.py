# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Weights of an encoder from its own repository or file, such as CLIP's repository or VideoMamba's `.pth` file."""

import os
import re
from dataclasses import dataclass
from typing import Any

import torch
from huggingface_hub import is_offline_mode, list_repo_files
from transformers import AutoModel, PreTrainedConfig
from transformers.utils import cached_file

from ..families import family_of
from ..modeling.missing_encoders import Encoder
from ..modeling.missing_weights import is_read
from .weight_files import Checkpoint, read_weights
from .weight_names import native_part_names


_NOT_FOUND = "is neither a file or folder with weights, nor a repository with weights that could be reached on the Hub"


@dataclass(frozen=True)
class _Layout:
    """
    How an encoder's own repository keeps it.

    Args:
        prefix (`str`): what stands before the names of its weights, where a file joins it with other modules.
        file (`str`, *optional*): the file of its weights, if it is none that transformers would look for.
    """

    prefix: str
    file: str | None = None


# by `model_type` of the encoder's config; all others are as transformers saves them
_LAYOUTS = {"videomamba": _Layout("vision_encoder.", "videomamba_m16_25M_f8_res224.pth")}
_TRANSFORMERS_LAYOUT = _Layout("vision_model.")


def read_encoder(modality: str, source: str, config: PreTrainedConfig, **hub_options) -> dict[str, torch.Tensor]:
    """
    All weights of an encoder that `source` has, by the names of its own class, such as [`~transformers.CLIPVisionModel`] or
    [`VideoMambaModel`].

    Args:
        modality (`str`): `"image"` or `"video"`.
        source (`str`): what `from_pretrained` takes as `image_encoder` or `video_encoder`.
        config (`PreTrainedConfig`): of the whole model.
        hub_options: `cache_dir`, `token`, ... for sources on the Hub.

    Raises:
        OSError: if there is no such source.
        ValueError: if weights that the model reads are missing in it, it has other sizes than `config` says, or cannot be read.
    """
    section = family_of(config).encoders[modality].config_field
    weights = _read(source, getattr(config, section).model_type, **hub_options)
    expected = _shapes(modality, config)
    required = required_weights(modality, config)
    missing = [name for name in required if name not in weights]
    if missing:
        raise ValueError(
            f"{len(missing)} of the {len(required)} weights of the {modality} encoder are missing in {source}, such as "
            f"{', '.join(missing[:2])}: it is not a checkpoint of this encoder, or of a smaller one."
        )
    weights = {name: weights[name] for name in expected if name in weights}
    for name, tensor in weights.items():
        if tensor.shape != expected[name]:
            raise ValueError(
                f"{name} of the {modality} encoder in {source} has the shape {tuple(tensor.shape)}, but the model's "
                f"`{section}` makes it {tuple(expected[name])}."
            )
    return weights


def source_of(encoder: Encoder, config: PreTrainedConfig) -> str | None:
    """
    Where a config says that an encoder is to be taken from. A folder that it names is one of its author's computer, and another
    one here, if any: unless the family's own training writes such folders, what all published checkpoints name takes its place.
    """
    source = getattr(config, encoder.source_field)
    if source is None or encoder.follows_paths or is_repository_id(source):
        return source
    return encoder.published_source


def is_repository_id(name: str) -> bool:
    """Whether this names a repository on the Hub, and no folder on this computer."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name) is not None and not os.path.exists(name)


def required_weights(modality: str, config: PreTrainedConfig) -> list[str]:
    """The encoder's weights that the model reads, by the names of [`read_encoder`]."""
    module = family_of(config).encoders[modality].module
    return [name for name in _shapes(modality, config) if is_read(f"{module}.{name}", config)]


def _shapes(modality: str, config: PreTrainedConfig) -> dict[str, torch.Size]:
    with torch.device("meta"):
        model = AutoModel.from_config(getattr(config, family_of(config).encoders[modality].config_field))
    return {name: tensor.shape for name, tensor in model.state_dict().items()}


def _read(source: str, model_type: str, **hub_options) -> dict[str, torch.Tensor]:
    """The weights of an encoder of this type by their native names, and whatever else lies beside them."""
    layout = _LAYOUTS.get(model_type, _TRANSFORMERS_LAYOUT)
    if os.path.isfile(source):
        weights = _unwrap(source, read_weights(source))
    elif layout.file is not None:
        file = _find_file(source, layout.file, **hub_options)
        weights = _unwrap(file, read_weights(file))
    else:
        checkpoint = Checkpoint(source, **hub_options)
        if not checkpoint.names:
            raise OSError(f"{source} {_NOT_FOUND}.")
        weights = checkpoint.read()
    weights = _only_from(layout.prefix, weights)
    if layout is _TRANSFORMERS_LAYOUT:
        return weights
    return {native: weights[name] for name, native in native_part_names(weights, model_type).items()}


def _only_from(prefix: str, weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What follows the prefix, where a file joins the encoder with other modules; else everything."""
    return {name.partition(prefix)[2]: tensor for name, tensor in weights.items() if prefix in name} or weights


def _unwrap(file: str, content: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors of a training checkpoint, which may lie one level deeper and carry the prefix of DDP."""
    for key in ("model", "module"):
        if isinstance(content.get(key), dict):
            content = content[key]
    weights = {name.removeprefix("module."): item for name, item in content.items() if isinstance(item, torch.Tensor)}
    if not weights:
        raise ValueError(f"{file} holds no tensors, but {', '.join(map(repr, list(content)[:5])) or 'nothing'}.")
    return weights


def _find_file(source: str, usual: str, **hub_options) -> str:
    """The file of weights of a folder or repository: the usual one, or the only one."""
    if os.path.isdir(source):
        return os.path.join(source, _pick_file(source, usual, os.listdir(source)))
    if os.path.isabs(source) or source.startswith("."):
        raise OSError(f"{source} {_NOT_FOUND}.")
    repository = "/".join(source.split("/")[:2])
    name = source.removeprefix(repository).strip("/") or usual
    file = cached_file(repository, name, _raise_exceptions_for_missing_entries=False, **hub_options)
    if file is None and repository == source and not hub_options.get("local_files_only") and not is_offline_mode():
        name = _pick_file(source, usual, list_repo_files(source, token=hub_options.get("token")))
        file = cached_file(repository, name, **hub_options)
    if file is None:
        raise OSError(f"{source} {_NOT_FOUND}.")
    return file


def _pick_file(source: str, usual: str, files: list[str]) -> str:
    files = [file for file in files if file.endswith((".pth", ".safetensors"))]
    if usual in files:
        return usual
    if len(files) != 1:
        raise OSError(
            f"{source} has {len(files)} .pth and .safetensors files, none of them {usual}: say which one to "
            f"take, as in {source}/NAME.pth."
        )
    return files[0]
