# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The releases' names of weights <-> these models' names, by the mappings that transformers applies."""

from collections.abc import Iterable

import torch
from transformers.conversion_mapping import get_checkpoint_conversion_mapping

from ..families import Family, family_of


# of all weights of a model with its head
_PREFIXES = ("model.", "lm_head.")


def native_names(names: Iterable[str], model_type: str) -> dict[str, str]:
    """`{name: native name}` of weights of a whole model of this type; native names stay as they are."""
    family = family_of(model_type)
    model, parts = _mapping(family.model_type), _mappings_of_parts(family)
    return {name: _rename_within(_rename(name, model), parts) for name in names}


def release_names(names: Iterable[str], model_type: str) -> dict[str, str]:
    """`{native name: release's name}` of weights of a whole model of this type."""
    family = family_of(model_type)
    model = _reversed(_mapping(family.model_type))
    parts = {prefix: _reversed(renamings) for prefix, renamings in _mappings_of_parts(family).items()}
    return {name: _rename(_rename_within(name, parts), model) for name in names}


def native_part_names(names: Iterable[str], model_type: str) -> dict[str, str]:
    """`{name: native name}` of weights of a part of a model on its own, such as a VideoMamba."""
    renamings = _mapping(model_type)
    return {name: _rename(name, renamings) for name in names}


def by_native_name(weights: dict[str, torch.Tensor], model_type: str) -> dict[str, torch.Tensor]:
    """The weights of a whole model of this type by their native names."""
    return {native: weights[name] for name, native in names_in_a_whole_model(weights, model_type).items()}


def names_in_a_whole_model(names: Iterable[str], model_type: str) -> dict[str, str]:
    """As [`native_names`], of weights that may be the base model's, which are saved without its name in front."""
    whole = {}
    for name, native in native_names(names, model_type).items():
        if native == name and not native.startswith(_PREFIXES):
            native = native_names([f"model.{name}"], model_type)[f"model.{name}"]
        whole[name] = native if native.startswith(_PREFIXES) else f"model.{native}"
    return whole


def _mapping(model_type: str) -> list:
    return get_checkpoint_conversion_mapping(model_type) or []


def _mappings_of_parts(family: Family) -> dict[str, list]:
    """By prefix, those of the encoders that are this package's: they lie in the model as they are alone."""
    return {
        f"model.{encoder.module}.": _mapping(config_class.model_type)
        for encoder in family.encoders.values()
        if (config_class := family.config_class.sub_configs_defaults[encoder.config_field].config_class)
        in family.parts
    }


def _reversed(renamings: list) -> list:
    return [renaming.reverse_transform() for renaming in reversed(renamings)]


def _rename(name: str, renamings: list) -> str:
    for renaming in renamings:
        name, _ = renaming.rename_source_key(name)
    return name


def _rename_within(name: str, parts: dict[str, list]) -> str:
    for prefix, renamings in parts.items():
        if name.startswith(prefix):
            return prefix + _rename(name.removeprefix(prefix), renamings)
    return name
