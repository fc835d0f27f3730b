# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""An ONNX graph, node by node, and its file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from onnx import ModelProto, TensorProto, helper


# What onnxruntime 1.17 and onnxruntime-web take too.
OPSET = 20
# The operators of onnxruntime that ONNX has not: products with weights in 4 bits.
MICROSOFT = "com.microsoft"
# Types that values are cast to
FLOAT, FLOAT16, DOUBLE = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE
UINT8, INT32, INT64, BOOL = TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL
# One message of protobuf, which a file without external data is, has less than 2 GiB.
MAX_FILE_BYTES = 2**31 - 2**26
_IR_VERSION = 9
# Numbers of fields: the graph in a model, a weight in a graph, and its numbers in a weight
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9
# Smaller tensors stay in the file itself.
_MIN_EXTERNAL_BYTES = 1024


@dataclass
class _Weight:
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    make: Callable[[], np.ndarray]

    @property
    def num_bytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


class Graph:
    """
    A graph that grows by one node with each call of [`op`]. Values are known by their names.

    Args:
        name (`str`): of the graph.
    """

    def __init__(self, name: str):
        self.name = name
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._nodes: list[Any] = []
        self._weights: dict[str, _Weight] = {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._num_values = 0

    def input(self, name: str, dtype: type | np.dtype, shape: Sequence[int | str]) -> str:
        """An input of this name; sizes that are text may differ from call to call."""
        self._inputs.append(_value_info(name, dtype, shape))
        return name

    def output(self, value: str, name: str, dtype: type | np.dtype, shape: Sequence[int | str]) -> None:
        """Makes a value an output of this name."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(_value_info(name, dtype, shape))

    def op(self, op_type: str, *inputs: str, outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
        """A node. Returns the name of its output, or a list of names if `outputs` is more than 1."""
        names = [self._new_name(op_type) for _ in range(outputs)]
        self._nodes.append(helper.make_node(op_type, inputs, names, name=names[0], domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, value: Any, dtype: type | np.dtype = np.int64) -> str:
        """A small tensor that is part of the graph; the same one twice is one."""
        array = np.asarray(value, dtype=dtype)
        key = (str(array.dtype), array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.weight(f"constant_{len(self._constants)}", array)
        return self._constants[key]

    def weight(self, name: str, array: np.ndarray) -> str:
        """A tensor of this name."""
        return self.lazy_weight(name, array.shape, array.dtype, lambda: array)

    def lazy_weight(
        self, name: str, shape: Sequence[int], dtype: np.dtype | type, make: Callable[[], np.ndarray]
    ) -> str:
        """A tensor that is made when it is written, and held no longer than that."""
        self._weights[name] = _Weight(name, tuple(shape), np.dtype(dtype), make)
        return name

    def save(self, file: Path) -> None:
        """
        Writes the graph, with its weights in a file beside it, `<name>_data`, if there are 2 GB of them. No more than one weight is held
        at a time.

        Raises:
            OSError: if it cannot be written.
        """
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain == MICROSOFT for node in self._nodes):
            opsets.append(helper.make_opsetid(MICROSOFT, 1))
        graph = self._proto()
        model = helper.make_model(
            graph, opset_imports=opsets, producer_name="transformers-mvgpt", ir_version=_IR_VERSION
        )
        model.ClearField("graph")
        weights = list(self._weights.values())
        inside = weights
        if sum(weight.num_bytes for weight in weights) >= MAX_FILE_BYTES:
            outside = [weight for weight in weights if weight.num_bytes >= _MIN_EXTERNAL_BYTES]
            inside = [weight for weight in weights if weight.num_bytes < _MIN_EXTERNAL_BYTES]
            with file.with_name(f"{file.name}_data").open("wb") as data:
                graph.initializer.extend([_write_outside(weight, data, f"{file.name}_data") for weight in outside])
        body = graph.SerializeToString()
        heads = [_tensor(weight).SerializeToString() for weight in inside]
        lengths = [
            len(head) + len(_field(_RAW_DATA, weight.num_bytes)) + weight.num_bytes
            for head, weight in zip(heads, inside, strict=True)
        ]
        num_bytes = len(body) + sum(len(_field(_INITIALIZER, length)) + length for length in lengths)
        with file.open("wb") as stream:
            stream.write(model.SerializeToString() + _field(_GRAPH, num_bytes) + body)
            for weight, head, length in zip(inside, heads, lengths, strict=True):
                stream.write(_field(_INITIALIZER, length) + head + _field(_RAW_DATA, weight.num_bytes))
                stream.write(_bytes_of(weight))

    def _proto(self) -> Any:
        return helper.make_graph(self._nodes, self.name, self._inputs, self._outputs)

    def _new_name(self, op_type: str) -> str:
        self._num_values += 1
        return f"{op_type}_{self._num_values}"


def add_metadata(file: Path, key: str, value: str) -> None:
    """Gives a file of ONNX that was written an entry of metadata more."""
    entry = ModelProto()
    entry.metadata_props.add(key=key, value=value)
    # messages of protobuf that stand behind each other are one
    with file.open("ab") as stream:
        stream.write(entry.SerializeToString())


def _value_info(name: str, dtype: type | np.dtype, shape: Sequence[int | str]) -> Any:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape))


def _tensor(weight: _Weight) -> Any:
    """A weight without its numbers."""
    return TensorProto(name=weight.name, data_type=helper.np_dtype_to_tensor_dtype(weight.dtype), dims=weight.shape)


def _bytes_of(weight: _Weight) -> memoryview:
    array = weight.make()
    assert array.shape == weight.shape and array.dtype == weight.dtype, weight.name
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _write_outside(weight: _Weight, data: BinaryIO, file_name: str) -> Any:
    """Writes a weight to the file of external data, and says where it is."""
    # as onnxruntime maps it into memory
    data.write(b"\0" * (-data.tell() % 4096))
    tensor = _tensor(weight)
    tensor.data_location = TensorProto.EXTERNAL
    place = {"location": file_name, "offset": data.tell(), "length": weight.num_bytes}
    for key, value in place.items():
        tensor.external_data.add(key=key, value=str(value))
    data.write(_bytes_of(weight))
    return tensor


def _field(number: int, num_bytes: int) -> bytes:
    """What stands before the bytes of a field in a message of protobuf."""
    key, length = 8 * number + 2, b""
    while num_bytes >= 128:
        length += bytes([num_bytes % 128 + 128])
        num_bytes //= 128
    return bytes([key]) + length + bytes([num_bytes])
