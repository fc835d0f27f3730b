# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The release's names of weights <-> these models' names, by the mappings that transformers applies."""

from collections.abc import Iterable

from transformers.conversion_mapping import get_checkpoint_conversion_mapping


_VIDEO_TOWER = "model.video_tower."


def native_names(names: Iterable[str]) -> dict[str, str]:
    """`{name: native name}` of weights of the whole model; native names stay as they are."""
    model, videomamba = (get_checkpoint_conversion_mapping(kind) for kind in ("mobile_videogpt", "videomamba"))
    return {name: _within_video_tower(_rename(name, model), videomamba) for name in names}


def release_names(names: Iterable[str]) -> dict[str, str]:
    """`{native name: release's name}` of weights of the whole model."""
    model, videomamba = (
        [renaming.reverse_transform() for renaming in reversed(get_checkpoint_conversion_mapping(kind))]
        for kind in ("mobile_videogpt", "videomamba")
    )
    return {name: _rename(_within_video_tower(name, videomamba), model) for name in names}


def native_videomamba_names(names: Iterable[str]) -> dict[str, str]:
    """`{name: native name}` of weights of a VideoMamba on its own."""
    videomamba = get_checkpoint_conversion_mapping("videomamba")
    return {name: _rename(name, videomamba) for name in names}


def _rename(name: str, renamings: list) -> str:
    for renaming in renamings:
        name, _ = renaming.rename_source_key(name)
    return name


def _within_video_tower(name: str, renamings: list) -> str:
    if not name.startswith(_VIDEO_TOWER):
        return name
    return _VIDEO_TOWER + _rename(name.removeprefix(_VIDEO_TOWER), renamings)
