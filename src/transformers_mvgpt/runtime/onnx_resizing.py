# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Resizing of uint8 frames in an ONNX graph, with the same grey levels as torch on a CPU. Frames that are scored almost alike change places
for one grey level, which is what ONNX's own `Resize` is off.

As torch does it, an axis is a product with weights of 16-bit integers, which are the filter times the highest power of two that fits.
Columns come before rows, and grey levels are rounded and cut off at 0 and 255 between the two. The weights follow from the size of the
frames, and are made in the graph. Products are of unsigned bytes, the upper and the lower half of the weights apart: those are exact on
every machine.

Symbols in the shape comments: F frames, H and W their height and width, S the side that the encoder takes, P pixels that are read along
an axis.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..processing.center_resize import MIN_TIMES_LONGER
from .onnx_nodes import DOUBLE, FLOAT, INT32, INT64, UINT8, Graph


# The largest power of two that weights are multiplied with, and what they stay below
_MOST_BITS, _END_OF_WEIGHTS = 22, 2**15


@dataclass(frozen=True)
class _Axis:
    """
    How the pixels of an axis are made.

    Args:
        weights (`str`): whole numbers in float64, (S, P).
        unit (`str`): what they are multiplied with, a power of two, float64 without shape.
        begin, end (`str`): the first pixel that is read and the one behind the last, int64 (1,).
    """

    weights: str
    unit: str
    begin: str
    end: str


def resize_to_square(graph: Graph, frames: str, side: int) -> str:
    """uint8 (F, H, W, 3) -> (F, 3, S, S), bicubic with antialias, whatever the shape."""
    pictures = graph.op("Transpose", frames, perm=[0, 3, 1, 2])
    pixels = _columns(graph, pictures, _axis(graph, _size(graph, frames, 2), side))
    return _rows(graph, pixels, _axis(graph, _size(graph, frames, 1), side))


def resize_and_crop(graph: Graph, frames: str, side: int) -> str:
    """
    uint8 (F, H, W, 3) -> (F, 3, S, S): the shortest edge to S, bicubic with antialias, and the middle of the other, of which no more
    than that is made.
    """
    pictures = graph.op("Transpose", frames, perm=[0, 3, 1, 2])
    height, width = _size(graph, frames, 1), _size(graph, frames, 2)
    short = graph.op("Min", height, width)
    axes = []
    for length in (height, width):
        resized = graph.op("Div", graph.op("Mul", length, graph.constant([side])), short)
        axes.append(_axis(graph, length, side, resized))
    rows, columns = axes
    middle = graph.op(
        "Slice",
        pictures,
        graph.op("Concat", rows.begin, columns.begin, axis=0),
        graph.op("Concat", rows.end, columns.end, axis=0),
        graph.constant([2, 3]),
    )
    return _rows(graph, _columns(graph, middle, columns), rows)


def resize_padded(graph: Graph, frames: str, side: int, color: Sequence[int]) -> str:
    """
    uint8 (F, H, W, 3) -> (F, 3, S, S): padded to a square with a color, the picture in the middle, and resized, bicubic with
    antialias. What the padding adds is computed from the sum of its weights: there is no large square.
    """
    pictures = graph.op("Transpose", frames, perm=[0, 3, 1, 2])
    height, width = _size(graph, frames, 1), _size(graph, frames, 2)
    longest = graph.op("Max", height, width)
    axis = _axis(graph, longest, side)
    padding = graph.constant(np.reshape(color, (3, 1, 1)), np.uint8)
    columns, other = _without_padding(graph, axis, width)
    # of rows that are padding alone, too
    added = graph.op("Mul", graph.op("Cast", padding, to=DOUBLE), graph.op("Transpose", other, perm=[1, 0]))
    pixels = _columns(graph, pictures, columns, added)  # (F, 3, H, S)
    color_sums = graph.op("ReduceSum", axis.weights, graph.constant([1]), keepdims=0)  # (S,)
    padding_row = _to_grey_levels(graph, graph.op("Mul", graph.op("Cast", padding, to=DOUBLE), color_sums), axis.unit)
    rows, other = _without_padding(graph, axis, height)
    added = graph.op("Mul", other, graph.op("Cast", padding_row, to=DOUBLE))  # (3, S, S)
    return _rows(graph, pixels, rows, added)


def resize_bilinear(graph: Graph, frames: str, side: int) -> str:
    """uint8 (F, H, W, 3) -> (F, 3, S, S), bilinear without antialias: four pixels are read for each that is made."""
    (top, bottom, by_row), (left, right, by_column) = (
        _between_two(graph, _size(graph, frames, axis), side, [side, 1, 1][: 4 - axis]) for axis in (1, 2)
    )
    lines = []
    for row in (top, bottom):
        line = graph.op("Gather", frames, row, axis=1)  # (F, S, W, 3)
        ends = [graph.op("Gather", line, column, axis=2) for column in (left, right)]
        lines.append(_mixed(graph, ends, by_column))  # (F, S, S, 3)
    return graph.op("Transpose", _mixed(graph, lines, by_row), perm=[0, 3, 1, 2])


def _size(graph: Graph, value: str, axis: int) -> str:
    """The size along an axis, of shape (1,)."""
    return graph.op("Shape", value, start=axis, end=axis + 1)


def _double(graph: Graph, value: float | Sequence[float] | np.ndarray) -> str:
    return graph.constant(value, np.float64)


def _axis(graph: Graph, length: str, side: int, resized: str | None = None) -> _Axis:
    """
    The axis of `length` pixels resized to `resized` of them, with antialias, of which the S in the middle are made; to S, if that is not
    given.
    """
    is_cut = resized is not None
    resized = resized or graph.constant([side])
    size = graph.op("Cast", length, to=DOUBLE)
    scale = graph.op("Div", size, graph.op("Cast", resized, to=DOUBLE))
    first = graph.op("Div", graph.op("Sub", resized, graph.constant([side])), graph.constant([2]))
    made = graph.op("Add", graph.op("Cast", first, to=DOUBLE), _double(graph, np.arange(side)))
    centers, begins, ends = _reach(graph, made, scale, size)
    begin, end = graph.op("ReduceMin", begins, keepdims=1), graph.op("ReduceMax", ends, keepdims=1)
    none = graph.constant([0])
    pixels = graph.op("Range", *(graph.op("Squeeze", bound, none) for bound in (begin, end)), _double(graph, 1))
    weights = _filter(graph, pixels, centers, begins, ends, scale)  # (S, P)
    largest = graph.op("ReduceMax", weights, keepdims=0)
    if is_cut:
        # Where torch makes the whole axis, its largest weight counts. Of longer pictures it is given what a center crop keeps.
        whole = graph.op(
            "Range",
            _double(graph, 0),
            graph.op("Squeeze", graph.op("Cast", resized, to=DOUBLE), none),
            _double(graph, 1),
        )
        centers, begins, ends = _reach(graph, whole, scale, size)
        most = graph.op("ReduceMax", graph.op("Sub", ends, begins), keepdims=0)
        pixels = graph.op("Add", begins, graph.op("Range", _double(graph, 0), most, _double(graph, 1)))
        of_all = graph.op("ReduceMax", _filter(graph, pixels, centers, begins, ends, scale), keepdims=0)
        is_whole = graph.op("Less", resized, graph.constant([MIN_TIMES_LONGER * side]))
        largest = graph.op("Where", graph.op("Squeeze", is_whole, none), of_all, largest)
    unit = _unit(graph, largest)
    begin, end = (
        graph.op("Cast", graph.op("Reshape", bound, graph.constant([1])), to=INT64) for bound in (begin, end)
    )
    return _Axis(_whole(graph, weights, unit), unit, begin, end)


def _reach(graph: Graph, made: str, scale: str, size: str) -> tuple[str, str, str]:
    """Where the pixels of the numbers `made`, (n,), are among those that are read, and the bounds of what they read, (n, 1) each."""
    half = _double(graph, 0.5)
    centers = graph.op("Unsqueeze", graph.op("Mul", scale, graph.op("Add", made, half)), graph.constant([1]))
    reach = graph.op("Mul", graph.op("Max", scale, _double(graph, [1])), _double(graph, [2]))
    begins = graph.op("Floor", graph.op("Add", graph.op("Sub", centers, reach), half))
    ends = graph.op("Floor", graph.op("Add", graph.op("Add", centers, reach), half))
    return centers, graph.op("Max", begins, _double(graph, [0])), graph.op("Min", ends, size)


def _filter(graph: Graph, pixels: str, centers: str, begins: str, ends: str, scale: str) -> str:
    """The weights of pixels, (n, P), that add up to 1 in each row."""
    inverse = graph.op("Div", _double(graph, [1]), graph.op("Max", scale, _double(graph, [1])))
    distance = graph.op("Add", graph.op("Sub", pixels, centers), _double(graph, 0.5))
    distance = graph.op("Abs", graph.op("Mul", distance, inverse))
    is_read = graph.op("And", graph.op("GreaterOrEqual", pixels, begins), graph.op("Less", pixels, ends))
    weights = graph.op("Where", is_read, _cubic(graph, distance), _double(graph, 0))
    return graph.op("Div", weights, graph.op("ReduceSum", weights, graph.constant([1]), keepdims=1))


def _cubic(graph: Graph, distance: str) -> str:
    """Catmull and Rom's filter, of distances that are not negative."""

    def polynomial(*factors: float) -> str:
        value = _double(graph, factors[0])
        for factor in factors[1:]:
            value = graph.op("Add", graph.op("Mul", value, distance), _double(graph, factor))
        return value

    is_far = graph.op("Less", distance, _double(graph, 2))
    far = graph.op("Where", is_far, polynomial(-0.5, 2.5, -4, 2), _double(graph, 0))
    return graph.op("Where", graph.op("Less", distance, _double(graph, 1)), polynomial(1.5, -2.5, 0, 1), far)


def _unit(graph: Graph, largest: str) -> str:
    """The highest power of two with which the largest weight stays a 16-bit integer."""
    powers = _double(graph, 2.0 ** np.arange(_MOST_BITS + 1))
    products = graph.op("Floor", graph.op("Add", graph.op("Mul", largest, powers), _double(graph, 0.5)))
    fits = graph.op("Less", products, _double(graph, _END_OF_WEIGHTS))
    return graph.op("ReduceMax", graph.op("Where", fits, powers, _double(graph, 1)), keepdims=0)


def _whole(graph: Graph, weights: str, unit: str) -> str:
    """Weights in units, rounded half away from 0."""
    rounded = graph.op("Floor", graph.op("Add", graph.op("Mul", graph.op("Abs", weights), unit), _double(graph, 0.5)))
    return graph.op("Mul", rounded, graph.op("Sign", weights))


def _without_padding(graph: Graph, axis: _Axis, length: str) -> tuple[_Axis, str]:
    """The axis of a square for the `length` pixels of a picture in its middle, and what is left of the sum of its weights, (S, 1)."""
    one = graph.constant([1])
    before = graph.op("Div", graph.op("Sub", graph.op("Sub", axis.end, axis.begin), length), graph.constant([2]))
    weights = graph.op("Slice", axis.weights, before, graph.op("Add", before, length), one)
    left = graph.op("Sub", *(graph.op("ReduceSum", values, one, keepdims=1) for values in (axis.weights, weights)))
    return _Axis(weights, axis.unit, axis.begin, axis.end), left


def _halves(graph: Graph, weights: str) -> tuple[str, str]:
    """Whole numbers as two unsigned bytes: 256 times how far the upper one is from 128, and the lower one."""
    shifted = graph.op("Add", weights, _double(graph, 2**15))
    upper = graph.op("Floor", graph.op("Div", shifted, _double(graph, 256)))
    lower = graph.op("Sub", shifted, graph.op("Mul", upper, _double(graph, 256)))
    return graph.op("Cast", upper, to=UINT8), graph.op("Cast", lower, to=UINT8)


def _columns(graph: Graph, pictures: str, axis: _Axis, added: str = "") -> str:
    """uint8 (F, 3, H, P) -> (F, 3, H, S). What is added to the sums of products comes from elsewhere."""
    upper, lower = _halves(graph, graph.op("Transpose", axis.weights, perm=[1, 0]))
    zero, middle = graph.constant(0, np.uint8), graph.constant(128, np.uint8)
    products = (
        graph.op("MatMulInteger", pictures, upper, zero, middle),
        graph.op("MatMulInteger", pictures, lower, zero, zero),
    )
    return _from_halves(graph, *products, axis.unit, added)


def _rows(graph: Graph, pictures: str, axis: _Axis, added: str = "") -> str:
    """uint8 (F, 3, P, S) -> (F, 3, S, S), as of [`_columns`]."""
    upper, lower = _halves(graph, axis.weights)
    zero, middle = graph.constant(0, np.uint8), graph.constant(128, np.uint8)
    products = (
        graph.op("MatMulInteger", upper, pictures, middle, zero),
        graph.op("MatMulInteger", lower, pictures, zero, zero),
    )
    return _from_halves(graph, *products, axis.unit, added)


def _from_halves(graph: Graph, upper: str, lower: str, unit: str, added: str) -> str:
    sums = graph.op("Add", graph.op("Mul", upper, graph.constant(256, np.int32)), lower)
    if added:
        sums = graph.op("Add", sums, graph.op("Cast", added, to=INT32))
    unit = graph.op("Cast", unit, to=INT32)
    half = graph.op("Div", unit, graph.constant(2, np.int32))
    # what is negative becomes 0, rounded up or down
    levels = graph.op("Div", graph.op("Add", sums, half), unit)
    return graph.op(
        "Cast", graph.op("Clip", levels, *(graph.constant(bound, np.int32) for bound in (0, 255))), to=UINT8
    )


def _to_grey_levels(graph: Graph, sums: str, unit: str) -> str:
    """Sums of products in float64 to uint8."""
    levels = graph.op("Floor", graph.op("Add", graph.op("Div", sums, unit), _double(graph, 0.5)))
    return graph.op("Cast", graph.op("Clip", levels, *(_double(graph, bound) for bound in (0, 255))), to=UINT8)


def _between_two(graph: Graph, length: str, side: int, shape: list[int]) -> tuple[str, str, list[str]]:
    """For each of S pixels, the two between which it lies, int64 (S,), and their weights in float32, with the unit of these."""
    size = graph.op("Cast", length, to=DOUBLE)
    last = graph.op("Sub", size, _double(graph, [1]))
    scale = graph.op("Div", size, _double(graph, [side]))
    places = graph.op("Sub", graph.op("Mul", scale, _double(graph, np.arange(side) + 0.5)), _double(graph, 0.5))
    places = graph.op("Max", places, _double(graph, [0]))
    first = graph.op("Floor", places)
    share = graph.op("Sub", places, first)
    first, second = graph.op("Min", first, last), graph.op("Min", graph.op("Add", first, _double(graph, 1)), last)
    rest = graph.op("Sub", _double(graph, 1), share)
    is_one = graph.op("Equal", first, second)
    larger = graph.op("Where", is_one, _double(graph, 1), graph.op("Max", share, rest))
    unit = _unit(graph, graph.op("ReduceMax", larger, keepdims=0))
    weights = [
        graph.op("Reshape", graph.op("Cast", _whole(graph, values, unit), to=FLOAT), graph.constant(shape))
        for values in (rest, share)
    ]
    weights.append(graph.op("Cast", unit, to=FLOAT))
    return graph.op("Cast", first, to=INT64), graph.op("Cast", second, to=INT64), weights


def _mixed(graph: Graph, pixels: Sequence[str], weights: Sequence[str]) -> str:
    """Two values uint8, as much of each as the weights say."""
    first, second = (
        graph.op("Mul", graph.op("Cast", value, to=FLOAT), weight)
        for value, weight in zip(pixels, weights[:2], strict=True)
    )
    share = graph.op("Div", graph.op("Add", first, second), weights[2])
    return graph.op("Cast", graph.op("Floor", graph.op("Add", share, graph.constant(0.5, np.float32))), to=UINT8)
