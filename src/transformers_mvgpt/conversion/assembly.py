# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Where the published training began: a language model and two encoders, joined by projectors that have learned nothing."""

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedConfig
from transformers.utils import CONFIG_NAME, cached_file

from ..compat.safetensors_files import full_disk_is_named
from ..families import FAMILIES, Family
from ..modeling.checked_config import ERRORS_OF_VALUES, config_errors
from ..video.limits import shorten
from .encoder_sources import read_encoder
from .joined_checkpoint import as_part_of_a_model
from .loading import (
    LoadedModel,
    build_and_check,
    find_checkpoint,
    read_config,
)
from .model_location import check_location
from .model_parts import around_language_model, read_parts
from .native_folder import OnProgress, check_written, is_native_file, write_native_folder
from .target_folder import check_target, replacing
from .weight_files import read_json


def assemble(
    target: str | os.PathLike,
    *,
    language_model: str | os.PathLike,
    family: str | None = None,
    image_encoder: str | os.PathLike | None = None,
    video_encoder: str | os.PathLike | None = None,
    config: Mapping[str, Any] | str | os.PathLike | None = None,
    seed: int = 0,
    dtype: torch.dtype | str = torch.float32,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> None:
    r"""
    Writes a complete native folder for the first stage of training: the language model and the encoders as they are, and
    projectors with fresh weights. Nothing else may be fresh. It is loaded again and compared with the model, tensor by
    tensor, before it gets its name.

    Args:
        target (`str`):
            The folder to write; it must not exist or be empty.
        language_model (`str`):
            Folder or Hub id of a language model, such as Qwen2.5. Tokenizer and generation config are its own, but for sampling:
            answers are greedy, as the published models'.
        family (`str`, *optional*):
            The `model_type` of the model: `"mobile_videogpt"`, `"mobilevlm"` or `"tinyllava_video"`. By default the first of them
            that such a language model may be in.
        image_encoder (`str`, *optional*):
            Folder or Hub id of an image encoder, such as a CLIP or SigLIP model, whose config is used, or a file of its weights; by
            default that of the published models.
        video_encoder (`str`, *optional*):
            Hub id, `<Hub id>/<file name>`, folder or file of a video encoder, such as VideoMamba; likewise.
        config (`dict` or `str`, *optional*):
            Fields of the config, such as [`MobileVideoGPTConfig`], in which the model differs from the published ones, or a
            JSON file of them: `{"num_frames": 64, "num_selected_frames": 1}`. `video_config` says the sizes of a VideoMamba of
            another size.
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
        ValueError: if weights of a part are missing, parts do not fit each other, or a file holds anything but tensors.
        RuntimeError: if what was written is not what was read.
    """
    target, base = Path(target), os.fspath(language_model)
    given = {"image": image_encoder, "video": video_encoder}
    encoders = {modality: os.fspath(source) for modality, source in given.items() if source is not None}
    report = on_progress or (lambda step, completed, total: None)
    own_fields = (
        dict(config) if isinstance(config, Mapping) else {} if config is None else read_json(os.fspath(config))
    )

    with replacing(target) as folder:
        check_target(target, base, overwrite, is_native_file)
        report(f"Loading {base}", 0, 1)
        loaded = _load_parts(base, family, encoders, own_fields, seed, dtype)
        report(f"Loading {base}", 1, 1)
        report(f"Writing {target}", 0, 1)
        with full_disk_is_named(target):
            written = write_native_folder(folder, loaded)
        report(f"Writing {target}", 1, 1)
        check_written(folder, loaded, written, report)


def _load_parts(
    base: str,
    wanted: str | None,
    given: dict[str, str],
    own_fields: dict[str, Any],
    seed: int,
    dtype: torch.dtype | str,
) -> LoadedModel:
    found = find_checkpoint(base)
    language_model = read_config(base)
    family = _family_around(base, language_model, wanted)
    if unknown := given.keys() - family.encoders.keys():
        raise ValueError(f"`{min(unknown)}_encoder` was given, but {family.name} has no {min(unknown)} encoder.")
    known = _config_fields(family)
    if wrong := sorted(own_fields.keys() - set(known)):
        raise ValueError(
            f"`config` has {', '.join(wrong)}, but only {', '.join(known)} may be given of {family.name}: `family` (`--family`) says "
            "another one."
        )
    encoders = {modality: encoder.published_source for modality, encoder in family.encoders.items()} | given
    config = around_language_model(family, language_model, _with_encoder_configs(family, encoders, own_fields))
    weights = as_part_of_a_model(found.checkpoint).read()
    for modality, encoder in family.encoders.items():
        encoder_weights = read_encoder(modality, encoders[modality], config)
        weights |= {f"model.{encoder.module}.{name}": tensor for name, tensor in encoder_weights.items()}
    parts = read_parts(base, config, is_language_model=True)
    if parts.generation_config is not None:
        _decode_greedily(parts.generation_config)
    return build_and_check(found, parts, weights | _fresh_projectors(family, config, seed), dtype)


def _family_around(base: str, language_model: PreTrainedConfig, wanted: str | None) -> Family:
    """The family that is wanted, or the first whose language model may be of this type."""
    families = [family for family in FAMILIES if wanted in (None, family.model_type)]
    if not families:
        known = " or ".join(repr(family.model_type) for family in FAMILIES)
        raise ValueError(f"`family` ({shorten(repr(wanted))}) must be {known}.")
    for family in families:
        if language_model.model_type in family.language_model_types:
            return family
    known = " or ".join(dict.fromkeys(name for family in families for name in family.language_model_types))
    raise ValueError(f"{base} is a {language_model.model_type} model, not a language model of the type {known}.")


def _config_fields(family: Family) -> list[str]:
    """The fields of a config that are neither the language model's or its tokenizer's nor say where a part came from."""
    names = [field.name for field in fields(family.config_class)]
    sub_configs, own = family.config_class.sub_configs_defaults, family.config_class.__annotations__
    names.sort(key=lambda name: 0 if name in sub_configs else 1 if name in own else 2)
    shared = {field.name for field in fields(PreTrainedConfig)}
    others = shared | {"text_config", "tie_word_embeddings", *family.config_class.encoder_source_fields}
    return [name for name in names if name not in others and not name.endswith("_token_id")]


def _with_encoder_configs(family: Family, encoders: dict[str, str], own_fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of the config, with those of the encoders' own configs where they have one."""
    all_fields = dict(own_fields)
    for modality, encoder in family.encoders.items():
        config_class = family.config_class.sub_configs_defaults[encoder.config_field].config_class
        if config_class not in family.parts:  # ours come without a config
            own = _read_encoder_config(encoders[modality], config_class)
            all_fields[encoder.config_field] = {**own, **own_fields.get(encoder.config_field, {})}
    return all_fields


def _read_encoder_config(source: str, config_class: type[PreTrainedConfig]) -> dict[str, Any]:
    """The fields of an encoder's own config; a file of weights has none."""
    if os.path.isfile(source):
        return {}
    check_location(source)
    try:
        file = cached_file(source, CONFIG_NAME, _raise_exceptions_for_missing_entries=False)
    except OSError:
        return {}  # reading its weights meets the same obstacle
    if file is None:
        return {}
    with config_errors(f"config.json of {shorten(source)}: ", also=ERRORS_OF_VALUES):
        return config_class.from_pretrained(source).to_diff_dict()


def _decode_greedily(config: GenerationConfig) -> None:
    """Takes out the language model's sampling: the published models decode greedily."""
    for name in ("do_sample", "temperature", "top_k", "top_p", "repetition_penalty"):
        setattr(config, name, None)


def _fresh_projectors(family: Family, config: PreTrainedConfig, seed: int) -> dict[str, torch.Tensor]:
    """As in a model that is made anew, whatever random numbers were drawn before."""
    with torch.device("meta"):
        model = family.model_class(config)
    weights: dict[str, torch.Tensor] = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name in family.projectors:
            prefix = f"model.{name}"
            projector = model.get_submodule(prefix).to_empty(device="cpu")
            projector.apply(model._init_weights)
            weights |= {f"{prefix}.{name}": tensor for name, tensor in projector.state_dict().items()}
    return weights
