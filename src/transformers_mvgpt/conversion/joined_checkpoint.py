# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Checkpoints whose weights have other names than in a checkpoint of a whole model: folders of modules, and language models."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import torch

from ..families import FAMILIES
from .weight_files import Checkpoint


class JoinedCheckpoint(Checkpoint):
    """
    Checkpoints of parts of a model as one checkpoint of the whole.

    Args:
        path (`str`): folder or Hub id.
        parts (`Mapping[Checkpoint, Callable[[str], str]]`): the parts, and what their weights are called in the whole.
    """

    def __init__(self, path: str | os.PathLike, parts: Mapping[Checkpoint, Callable[[str], str]]):
        self.path, self.parts = path, parts
        self.names = [rename(name) for part, rename in parts.items() for name in part.names]

    def read(self) -> dict[str, torch.Tensor]:
        return {rename(name): tensor for part, rename in self.parts.items() for name, tensor in part.read().items()}


def open_checkpoint(path: str | os.PathLike, **options: Any) -> Checkpoint:
    """
    A checkpoint, or what a family's training leaves instead of one: a folder for each module.

    Args:
        path (`str`): folder or Hub id.
        options: as for [`Checkpoint`].

    Returns:
        [`Checkpoint`]: without names if there are no weights.
    """
    whole = Checkpoint(path, **options)
    if whole.names:
        return whole
    for family in FAMILIES:
        parts = {}
        for folder, prefix in family.release_folders.items():
            subfolder = os.path.join(options.get("subfolder") or "", folder)
            parts[Checkpoint(path, **{**options, "subfolder": subfolder})] = _in_module(prefix)
        if any(part.names for part in parts):
            return JoinedCheckpoint(path, parts)
    return whole


def as_part_of_a_model(language_model: Checkpoint) -> JoinedCheckpoint:
    """A language model as transformers saves it, with or without its head, by the names of its weights in a model of ours."""
    return JoinedCheckpoint(language_model.path, {language_model: _in_language_model})


def _in_module(prefix: str) -> Callable[[str], str]:
    """
    Adds `"connector._connector."` to the name of a weight. The module's weights may have been saved with the second half of it
    in their names, or without.
    """
    inner = prefix.partition(".")[2]
    return lambda name: prefix + name.removeprefix(inner)


def _in_language_model(name: str) -> str:
    return name if name.startswith("lm_head.") else f"model.language_model.{name.removeprefix('model.')}"
