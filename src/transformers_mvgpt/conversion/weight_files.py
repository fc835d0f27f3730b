# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Files of weights, read as data: no code in them is ever run."""

import json
import os
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from transformers.utils import (
    SAFE_WEIGHTS_INDEX_NAME,
    SAFE_WEIGHTS_NAME,
    WEIGHTS_INDEX_NAME,
    WEIGHTS_NAME,
    cached_file,
)
from transformers.utils.hub import get_checkpoint_shard_files

from ..video.limits import shorten


# An index of a model of 100,000 tensors has 10 MB.
_LARGEST_JSON_BYTES = 64 * 1024**2


@contextmanager
def _explained(file: str) -> Iterator[None]:
    """Turns what the readers raise into errors that say what is wrong with the file."""
    try:
        yield
    except pickle.UnpicklingError as error:
        if culprit := re.search(r"GLOBAL (\S+)", str(error)):
            # torch's own message recommends to read the file unsafely
            raise ValueError(
                f"{shorten(file)} was not read: it does not only hold tensors, but also {shorten(culprit[1])}, and unpickling that could "
                "run code. If you trust the file, save its tensors alone as a .safetensors file and give that instead."
            ) from None
        raise ValueError(f"{file} is not a file of weights: it cannot be read.") from error
    except (EOFError, RuntimeError, SafetensorError) as error:
        raise ValueError(f"{shorten(file)} is damaged: it cannot be read ({shorten(str(error))}).") from error


def read_weights(file: str) -> dict[str, Any]:
    """
    The content of a file of weights, mapped into memory where the format allows it.

    Raises:
        ValueError: if the file is damaged, or holds anything but data.
    """
    with _explained(file):
        if file.endswith(".safetensors"):
            return load_file(file)
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=is_zipfile(file))
    if not isinstance(content, dict):
        raise ValueError(f"{file} holds a {type(content).__name__}, not tensors by name.")
    return content


def read_json(file: str) -> dict[str, Any]:
    """
    Raises:
        ValueError: if the file is not a JSON object.
    """
    with open(file, encoding="utf-8") as stream:
        try:
            if os.fstat(stream.fileno()).st_size > _LARGEST_JSON_BYTES:
                raise ValueError(f"it has more than {_LARGEST_JSON_BYTES:,} bytes")
            content = json.load(stream)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{shorten(file)} is damaged: it cannot be read ({shorten(str(error))}).") from error
    if not isinstance(content, dict):
        raise ValueError(f"{shorten(file)} holds a {type(content).__name__}, not an object.")
    return content


def read_weight_map(file: str) -> dict[str, str]:
    """
    Which file of its folder each tensor is in, as an index of shards says.

    Raises:
        ValueError: if it says something else, or leads out of the folder.
    """
    content = read_json(file)
    weight_map = content.get("weight_map")
    if not isinstance(weight_map, dict):
        raise ValueError(
            f"`weight_map` in {shorten(file)} is {shorten(repr(weight_map))}, not an object of file names."
        )
    if not isinstance(content.get("metadata", {}), dict):
        raise ValueError(f"`metadata` in {shorten(file)} is {shorten(repr(content['metadata']))}, not an object.")
    if not weight_map:
        raise ValueError(f"`weight_map` in {shorten(file)} is empty: it must say in which file each weight is.")
    for name, shard in weight_map.items():
        if not isinstance(shard, str) or not _stays_in_folder(shard):
            raise ValueError(
                f"`weight_map` in {shorten(file)} says {shorten(repr(shard))} for {shorten(name)}: it must be the name of a file "
                "in the same folder."
            )
    return weight_map


def _stays_in_folder(name: str) -> bool:
    """Whether this is the relative name of a file, by its parts. Links are followed: the Hub's cache is made of them."""
    parts = re.split(r"[/\\]", name)
    return name.isprintable() and not re.match(r"[A-Za-z]:", name) and not set(parts) & {"", ".", "..", "~"}


class Checkpoint:
    """
    The weights of a local folder or Hub repository, found as transformers finds them.

    Args:
        path (`str`): folder or Hub id.
        variant, use_safetensors, hub_options: as for [`~PreTrainedModel.from_pretrained`].

    Attributes:
        names (`list[str]`): names of the tensors; empty if there are no weights.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        variant: str | None = None,
        use_safetensors: bool | None = None,
        **hub_options,
    ):
        self.path, self.hub_options = path, hub_options
        self.file: str | None = None
        candidates = []
        if use_safetensors is not False:
            candidates += [SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME]
        if not use_safetensors:
            candidates += [WEIGHTS_NAME, WEIGHTS_INDEX_NAME]
        for name in candidates:
            if variant is not None:
                stem, extension = name.rsplit(".", 1)
                name = f"{stem}.{variant}.{extension}"
            self.file = cached_file(path, name, _raise_exceptions_for_missing_entries=False, **hub_options)
            if self.file is not None:
                break
        self.names = self._read_names()

    def _read_names(self) -> list[str]:
        if self.file is None:
            return []
        if self.file.endswith(".json"):
            return list(read_weight_map(self.file))
        if self.file.endswith(".safetensors"):
            with _explained(self.file), safe_open(self.file, framework="pt") as weights:
                return list(weights.keys())
        return list(read_weights(self.file))

    def read(self) -> dict[str, torch.Tensor]:
        """All tensors by name; downloads what is not there yet."""
        files = [self.file]
        if self.file is not None and self.file.endswith(".json"):
            files, _ = get_checkpoint_shard_files(self.path, self.file, **self.hub_options)
        return {name: tensor for file in files if file is not None for name, tensor in read_weights(file).items()}
