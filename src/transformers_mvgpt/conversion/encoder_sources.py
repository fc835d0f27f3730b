# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Encoder weights from elsewhere: CLIP's from its own repository, VideoMamba's from its `.pth` file."""

import os
from typing import Any

import torch
from huggingface_hub import is_offline_mode, list_repo_files
from transformers import CLIPVisionModel
from transformers.utils import cached_file

from ..modeling.configuration_mvgpt import MobileVideoGPTConfig
from ..modeling.missing_encoders import is_read
from ..modeling.modeling_mvgpt import MobileVideoGPTForConditionalGeneration
from ..modeling.modeling_videomamba import VideoMambaModel
from .weight_files import Checkpoint, read_weights
from .weight_names import native_videomamba_names


ENCODERS = MobileVideoGPTForConditionalGeneration.encoders
ENCODER_MODULES = {modality: encoder.module for modality, encoder in ENCODERS.items()}
VIDEOMAMBA_FILE = "videomamba_m16_25M_f8_res224.pth"

_NOT_FOUND = "is neither a file or folder with weights, nor a repository with weights that could be reached on the Hub"


def read_encoder(encoder: str, source: str, config: MobileVideoGPTConfig, **hub_options) -> dict[str, torch.Tensor]:
    """
    All weights of an encoder that `source` has, by the names of [`~transformers.CLIPVisionModel`] or
    [`VideoMambaModel`].

    Args:
        encoder (`str`): `"image"` or `"video"`.
        source (`str`): what [`MobileVideoGPTForConditionalGeneration.from_pretrained`] takes.
        hub_options: `cache_dir`, `token`, ... for sources on the Hub.

    Raises:
        OSError: if there is no such source.
        ValueError: if it lacks weights that the model reads, has other sizes than `config` says, or cannot be read.
    """
    weights = (_read_clip if encoder == "image" else _read_videomamba)(source, **hub_options)
    expected = _shapes(encoder, config)
    required = required_weights(encoder, config)
    missing = [name for name in required if name not in weights]
    if missing:
        raise ValueError(
            f"{source} lacks {len(missing)} of the {len(required)} weights of the {encoder} encoder, such as "
            f"{', '.join(missing[:2])}: it is not a checkpoint of this encoder, or of a smaller one."
        )
    weights = {name: weights[name] for name in expected if name in weights}
    for name, tensor in weights.items():
        if tensor.shape != expected[name]:
            section = "vision_config" if encoder == "image" else "video_config"
            raise ValueError(
                f"{name} of the {encoder} encoder in {source} has the shape {tuple(tensor.shape)}, but the model's "
                f"`{section}` makes it {tuple(expected[name])}."
            )
    return weights


def required_weights(encoder: str, config: MobileVideoGPTConfig) -> list[str]:
    """The encoder's weights that the model reads, by the names of [`read_encoder`]."""
    module = ENCODER_MODULES[encoder]
    return [name for name in _shapes(encoder, config) if is_read(f"{module}.{name}", config)]


def _shapes(encoder: str, config: MobileVideoGPTConfig) -> dict[str, torch.Size]:
    encoder_config: Any = config.vision_config if encoder == "image" else config.video_config
    with torch.device("meta"):
        model = (CLIPVisionModel if encoder == "image" else VideoMambaModel)(encoder_config)
    return {name: tensor.shape for name, tensor in model.state_dict().items()}


def _read_clip(source: str, **hub_options) -> dict[str, torch.Tensor]:
    if os.path.isfile(source):
        return _only_from("vision_model.", _unwrap(source, read_weights(source)))
    checkpoint = Checkpoint(source, **hub_options)
    if not checkpoint.names:
        raise OSError(f"{source} {_NOT_FOUND}.")
    return _only_from("vision_model.", checkpoint.read())


def _read_videomamba(source: str, **hub_options) -> dict[str, torch.Tensor]:
    file = source if os.path.isfile(source) else _find_videomamba(source, **hub_options)
    weights = _only_from("vision_encoder.", _unwrap(file, read_weights(file)))
    return {native: weights[name] for name, native in native_videomamba_names(weights).items()}


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


def _find_videomamba(source: str, **hub_options) -> str:
    if os.path.isdir(source):
        return os.path.join(source, _pick_videomamba(source, os.listdir(source)))
    if os.path.isabs(source) or source.startswith("."):
        raise OSError(f"{source} {_NOT_FOUND}.")
    repository = "/".join(source.split("/")[:2])
    name = source.removeprefix(repository).strip("/") or VIDEOMAMBA_FILE
    file = cached_file(repository, name, _raise_exceptions_for_missing_entries=False, **hub_options)
    if file is None and repository == source and not hub_options.get("local_files_only") and not is_offline_mode():
        name = _pick_videomamba(source, list_repo_files(source, token=hub_options.get("token")))
        file = cached_file(repository, name, **hub_options)
    if file is None:
        raise OSError(f"{source} {_NOT_FOUND}.")
    return file


def _pick_videomamba(source: str, files: list[str]) -> str:
    files = [file for file in files if file.endswith((".pth", ".safetensors"))]
    if VIDEOMAMBA_FILE in files:
        return VIDEOMAMBA_FILE
    if len(files) != 1:
        raise OSError(
            f"{source} has {len(files)} .pth and .safetensors files, none of them {VIDEOMAMBA_FILE}: say which one to "
            f"take, as in {source}/NAME.pth."
        )
    return files[0]
