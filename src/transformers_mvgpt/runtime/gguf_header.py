# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What stands at the beginning of a GGUF file: keys with values, and where which tensor lies. Nobody vouches for the file, so that
everything it says is held against its size before it is used.

    magic | version | number of tensors | number of keys | keys with values | tensors: name, shape, type, offset | data
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..video.limits import shorten


_MAGIC, _VERSIONS = b"GGUF", (2, 3)
# A model of a hundred layers has about a thousand of the one, and fifty of the other.
_MAX_ENTRIES = 65_536
_MAX_NAME_BYTES = 1024
_MAX_DIMENSIONS = 4
_STRING, _ARRAY, _BOOL = 8, 9, 7
# Number of a value's type: its format for struct.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
# Number of a tensor's type: its name, weights of a block, and bytes of a block.
_TENSOR_TYPES = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    20: ("IQ4_NL", 32, 18),
    23: ("IQ4_XS", 256, 136),
    30: ("BF16", 1, 2),
}


@dataclass(frozen=True)
class GGUFTensor:
    """
    Args:
        type (`str`): how it is stored, such as `"Q8_0"`.
        shape (`tuple[int, ...]`): as PyTorch has it: rows first.
        start (`int`), num_bytes (`int`): where it lies in the file.
    """

    type: str
    shape: tuple[int, ...]
    start: int
    num_bytes: int


@dataclass(frozen=True)
class GGUFHeader:
    """
    Args:
        path (`Path`): the file.
        fields (`dict[str, Any]`): values by their keys; an array of numbers is an `np.ndarray`, one of texts a `list[str]`.
        tensors (`dict[str, GGUFTensor]`): by their names.
    """

    path: Path
    fields: dict[str, Any]
    tensors: dict[str, GGUFTensor]


class _Damaged(ValueError):
    pass


def read_gguf_header(path: str | os.PathLike) -> GGUFHeader:
    """
    Reads and checks it. What it says about tensors lies within the file; what the tensors hold is not looked at.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no GGUF file, or is damaged or cut off.
    """
    path = Path(path)
    name = shorten(os.fspath(path))
    if not path.is_file():
        raise FileNotFoundError(f"There is no file '{name}': write it with `mvgpt export-gguf`.")
    num_bytes = path.stat().st_size
    if num_bytes < 24:
        raise ValueError(f"{name} is no GGUF file: it has {num_bytes} bytes.")
    data = np.memmap(path, dtype=np.uint8, mode="r")
    if data[:4].tobytes() != _MAGIC:
        raise ValueError(f"{name} is no GGUF file: it begins with {data[:4].tobytes()!r}, not with {_MAGIC!r}.")
    try:
        fields, tensors = _Reader(data).read()
    except (_Damaged, UnicodeDecodeError) as error:
        raise ValueError(f"{name} is damaged or cut off ({shorten(str(error))}): copy it again.") from error
    return GGUFHeader(path, fields, tensors)


class _Reader:
    def __init__(self, data: np.ndarray) -> None:
        self.data, self.at = data, 4

    def read(self) -> tuple[dict[str, Any], dict[str, GGUFTensor]]:
        version = self.number("I")
        if version not in _VERSIONS:
            raise _Damaged(f"its version is {version}, not {' or '.join(map(str, _VERSIONS))}")
        num_tensors, num_keys = self.number("Q"), self.number("Q")
        for what, count in (("tensors", num_tensors), ("keys", num_keys)):
            if count > _MAX_ENTRIES:
                raise _Damaged(f"it says that it has {count:,} {what}, and at most {_MAX_ENTRIES:,} are taken")
        fields: dict[str, Any] = {}
        for _ in range(num_keys):
            key = self.text(_MAX_NAME_BYTES)
            if key in fields:
                raise _Damaged(f"it has the key {key!r} twice")
            fields[key] = self.value(self.number("I"), key)
        entries = [self.entry() for _ in range(num_tensors)]
        alignment = fields.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment not in (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096):
            raise _Damaged(f"its general.alignment is {alignment!r}")
        first = -(-self.at // alignment) * alignment
        tensors: dict[str, GGUFTensor] = {}
        for name, tensor in entries:
            if name in tensors:
                raise _Damaged(f"it has the tensor {name!r} twice")
            start = first + tensor.start
            if tensor.start % alignment or start + tensor.num_bytes > len(self.data):
                raise _Damaged(
                    f"the tensor {name!r} would lie at the bytes {start:,} to {start + tensor.num_bytes:,} of {len(self.data):,}"
                )
            tensors[name] = GGUFTensor(tensor.type, tensor.shape, start, tensor.num_bytes)
        return fields, tensors

    def take(self, num_bytes: int) -> bytes:
        if num_bytes > len(self.data) - self.at:
            raise _Damaged(f"{num_bytes:,} bytes are wanted at the byte {self.at:,} of {len(self.data):,}")
        self.at += num_bytes
        return self.data[self.at - num_bytes : self.at].tobytes()

    def number(self, code: str) -> Any:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(code)))[0]

    def text(self, max_bytes: int | None = None) -> str:
        num_bytes = self.number("Q")
        if max_bytes is not None and num_bytes > max_bytes:
            raise _Damaged(f"a name has {num_bytes:,} bytes, and at most {max_bytes:,} are taken")
        return self.take(num_bytes).decode("utf-8")

    def value(self, kind: int, key: str) -> Any:
        if kind == _STRING:
            return self.text()
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind != _ARRAY:
            raise _Damaged(f"the value of {key!r} is of the type {kind}, which there is not")
        item_kind, count = self.number("I"), self.number("Q")
        if item_kind == _STRING:
            # each has its length before it
            if count > (len(self.data) - self.at) // 8:
                raise _Damaged(f"{key!r} says that it has {count:,} texts")
            return [self.text() for _ in range(count)]
        if item_kind not in _SCALARS:
            raise _Damaged(f"{key!r} is an array of the type {item_kind}, which is not taken")
        dtype = np.dtype("u1") if item_kind == _BOOL else np.dtype(f"<{_SCALARS[item_kind]}")
        return np.frombuffer(self.take(count * dtype.itemsize), dtype=dtype)

    def entry(self) -> tuple[str, GGUFTensor]:
        name = self.text(_MAX_NAME_BYTES)
        num_dimensions = self.number("I")
        if not 1 <= num_dimensions <= _MAX_DIMENSIONS:
            raise _Damaged(f"the tensor {name!r} has {num_dimensions} dimensions")
        shape = tuple(self.number("Q") for _ in range(num_dimensions))
        kind, offset = self.number("I"), self.number("Q")
        if kind not in _TENSOR_TYPES:
            raise _Damaged(f"the tensor {name!r} is of the type {kind}, which is not known here")
        type_name, block_size, block_bytes = _TENSOR_TYPES[kind]
        num_weights = 1
        for size in shape:
            num_weights *= size
        if not num_weights or shape[0] % block_size:
            raise _Damaged(f"the tensor {name!r} has the shape {list(shape)}, which {type_name} does not have")
        return name, GGUFTensor(type_name, shape[::-1], offset, num_weights // block_size * block_bytes)
