# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
`preprocess.onnx`: decoded frames of any size to normalized pixels, as the processors make them, but for rounding: at most one grey
level, or two where noise is enlarged.

Symbols in the shape comments: F frames, H and W their height and width, S the side that the encoder takes.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from transformers import PreTrainedModel, ProcessorMixin
from transformers.image_utils import PILImageResampling

from .onnx_nodes import DOUBLE, FLOAT, INT64, UINT8, Graph


# Of pictures that are longer, only what a center crop keeps is resized along the long side. As in `processing/center_resize.py`.
_MIN_TIMES_LONGER = 8
# Rows and columns of a picture that is so many times larger than its result may be resized in any order: nothing is enlarged, and what
# is rounded and cut off between the two is a grey level at most.
_MIN_TIMES_SMALLER = 4
_BICUBIC: dict[str, Any] = {"mode": "cubic", "cubic_coeff_a": -0.5, "exclude_outside": 1, "antialias": 1}


def preprocessing_graph(model: PreTrainedModel, processor: ProcessorMixin) -> Graph:
    """
    Frames uint8 (F, H, W, 3) in RGB to the inputs of the encoders.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]): of any family.
        processor (`ProcessorMixin`): its processor, whose sizes, means and standard deviations are taken.

    Raises:
        ValueError: if the processor does something else than those of the published models.
    """
    graph = Graph("preprocess")
    frames = graph.input("frames", np.uint8, ["num_frames", "height", "width", 3])
    for name, pixels, side in _STREAMS[model.config.model_type](graph, frames, processor):
        graph.output(pixels, name, np.float32, ["num_frames", 3, side, side])
    return graph


def _mobile_videogpt(graph: Graph, frames: str, processor: Any) -> list[tuple[str, str, int]]:
    options = processor.video_processor
    _check(options, do_resize=True, do_center_crop=True, do_rescale=True, do_normalize=True)
    _check(options, resample=PILImageResampling.BILINEAR, context_resample=PILImageResampling.BICUBIC)
    side = _square_side(options, "crop_size")
    if options.size["shortest_edge"] != side:
        raise ValueError(
            f"`size` ({dict(options.size)}) of the video processor is not its `crop_size` ({side}): only such a processor is exported."
        )
    video = _resize_bilinear(graph, frames, side)
    context = _resize_and_crop(graph, frames, side)
    return [
        ("pixel_values_videos", _normalize(graph, video, options, options.image_mean, options.image_std), side),
        (
            "context_pixel_values_videos",
            _normalize(graph, context, options, options.context_image_mean, options.context_image_std),
            side,
        ),
    ]


def _mobilevlm(graph: Graph, frames: str, processor: Any) -> list[tuple[str, str, int]]:
    options = processor.image_processor
    _check(options, do_resize=True, do_pad=True, do_rescale=True, do_normalize=True)
    _check(options, resample=PILImageResampling.BICUBIC)
    side = _square_side(options, "crop_size")
    color = [int(255 * mean) for mean in options.image_mean]
    pixels = _resize_padded(graph, frames, side, color)
    return [("pixel_values", _normalize(graph, pixels, options, options.image_mean, options.image_std), side)]


def _tinyllava_video(graph: Graph, frames: str, processor: Any) -> list[tuple[str, str, int]]:
    options = processor.video_processor
    _check(options, do_resize=True, do_rescale=True, do_normalize=True, resample=PILImageResampling.BICUBIC)
    side = _square_side(options, "size")
    pixels = _resize(graph, graph.op("Transpose", frames, perm=[0, 3, 1, 2]), graph.constant([side, side]))
    return [("pixel_values_videos", _normalize(graph, pixels, options, options.image_mean, options.image_std), side)]


_STREAMS: dict[str, Callable[..., list[tuple[str, str, int]]]] = {
    "mobile_videogpt": _mobile_videogpt,
    "mobilevlm": _mobilevlm,
    "tinyllava_video": _tinyllava_video,
}


def _check(options: Any, **expected: Any) -> None:
    for name, value in expected.items():
        if (given := getattr(options, name, None)) != value:
            raise ValueError(
                f"`{name}` of the processor is {given!r}: only processors with {value!r}, as the published models have, are exported."
            )


def _square_side(options: Any, name: str) -> int:
    size = getattr(options, name)
    if size["height"] != size["width"]:
        raise ValueError(f"`{name}` of the processor ({dict(size)}) must be square to be exported.")
    return int(size["height"])


def _normalize(graph: Graph, pixels: str, options: Any, mean: Sequence[float], std: Sequence[float]) -> str:
    """uint8 (F, 3, S, S) -> float32, in the order in which the processors do it."""
    center, scale = (
        graph.constant((np.asarray(values) / options.rescale_factor)[:, None, None], np.float32)
        for values in (mean, std)
    )
    return graph.op("Div", graph.op("Sub", graph.op("Cast", pixels, to=FLOAT), center), scale)


def _size(graph: Graph, value: str, axis: int) -> str:
    """The size along an axis, of shape (1,)."""
    return graph.op("Shape", value, start=axis, end=axis + 1)


def _resize(graph: Graph, pictures: str, size: str) -> str:
    """uint8 (F, 3, H, W) to a height and width, bicubic with antialias."""
    sizes = graph.op("Concat", graph.op("Shape", pictures, start=0, end=2), size, axis=0)
    return graph.op("Resize", pictures, "", "", sizes, **_BICUBIC)


def _resize_bilinear(graph: Graph, frames: str, side: int) -> str:
    """
    uint8 (F, H, W, 3) -> (F, 3, S, S), bilinear without antialias. Of a large frame that reads four pixels for each that it makes;
    onnxruntime's own operator would need all of them as float32, since it does not round those of uint8.
    """
    corners = []
    for axis in (1, 2):
        length = graph.op("Cast", _size(graph, frames, axis), to=FLOAT)
        last = graph.op("Sub", length, graph.constant([1], np.float32))
        scale = graph.op("Div", length, graph.constant([side], np.float32))
        places = graph.op("Mul", graph.constant(np.arange(side) + 0.5, np.float32), scale)
        places = graph.op("Sub", places, graph.constant([0.5], np.float32))
        places = graph.op("Max", places, graph.constant([0], np.float32))
        first = graph.op("Min", graph.op("Floor", places), last)
        second = graph.op("Min", graph.op("Add", first, graph.constant([1], np.float32)), last)
        weight = graph.op("Reshape", graph.op("Sub", places, first), graph.constant([side, 1, 1][: 4 - axis]))
        corners.append((graph.op("Cast", first, to=INT64), graph.op("Cast", second, to=INT64), weight))

    (top, bottom, weight_y), (left, right, weight_x) = corners
    rows = []
    for row in (top, bottom):
        line = graph.op("Gather", frames, row, axis=1)  # (F, S, W, 3)
        first, second = (
            graph.op("Cast", graph.op("Gather", line, column, axis=2), to=FLOAT) for column in (left, right)
        )
        # as torch, which rounds between columns and rows
        rows.append(_rounded(graph, _between(graph, first, second, weight_x)))  # (F, S, S, 3)
    mixed = _rounded(graph, _between(graph, rows[0], rows[1], weight_y))
    return graph.op("Cast", graph.op("Transpose", mixed, perm=[0, 3, 1, 2]), to=UINT8)


def _between(graph: Graph, first: str, second: str, weight: str) -> str:
    return graph.op("Add", first, graph.op("Mul", graph.op("Sub", second, first), weight))


def _resize_and_crop(graph: Graph, frames: str, side: int) -> str:
    """
    uint8 (F, H, W, 3) -> (F, 3, S, S): the shortest edge to S, bicubic with antialias, and the middle of the other. Of pictures that
    are far longer than wide, only what is kept is made.
    """
    pictures = graph.op("Transpose", frames, perm=[0, 3, 1, 2])
    sizes = graph.op("Shape", frames, start=1, end=3)
    short = graph.op("ReduceMin", sizes, keepdims=1)
    long = graph.op("ReduceMax", sizes, keepdims=1)
    resized_long = graph.op("Div", graph.op("Mul", long, graph.constant([side])), short)
    is_wide = graph.op("Equal", _size(graph, frames, 1), short)
    is_extreme = graph.op("GreaterOrEqual", resized_long, graph.constant([_MIN_TIMES_LONGER * side]))
    # resizing the whole would make what nobody looks at
    wide, tall = (graph.branch(name) for name in ("wide", "tall"))
    for branch, axis in ((wide, 3), (tall, 2)):
        branch.output(
            _resize_center(branch, pictures, side, axis, long, resized_long),
            branch.name,
            np.uint8,
            ["n", 3, side, side],
        )
    extreme, usual = (graph.branch(name) for name in ("extreme", "usual"))
    extreme.output(extreme.choose(is_wide, wide, tall), "extreme", np.uint8, ["n", 3, side, side])

    edge = usual.constant([side])
    new_height = usual.op("Where", is_wide, edge, resized_long)
    new_width = usual.op("Where", is_wide, resized_long, edge)
    both = usual.op("Concat", new_height, new_width, axis=0)
    resized = _resize(usual, pictures, both)
    first = usual.op("Div", usual.op("Sub", both, edge), usual.constant([2]))
    end = usual.op("Add", first, edge)
    cropped = usual.op("Slice", resized, first, end, usual.constant([2, 3]))
    usual.output(cropped, "usual", np.uint8, ["n", 3, side, side])
    return graph.choose(is_extreme, extreme, usual)


def _resize_center(graph: Graph, pictures: str, side: int, axis: int, long: str, resized_long: str) -> str:
    """
    uint8 (F, 3, H, W) -> (F, 3, S, S), along the long side, `axis`, only the S pixels in the middle, by a product with the weights
    of the filter. Columns come before rows and are rounded between, as for a whole picture.
    """
    length, resized = graph.op("Cast", long, to=DOUBLE), graph.op("Cast", resized_long, to=DOUBLE)
    double = partial(graph.constant, dtype=np.float64)
    scale = graph.op("Div", length, resized)
    stretch = graph.op("Max", scale, double([1]))
    reach = graph.op("Mul", stretch, double([2]))
    first = graph.op("Div", graph.op("Sub", resized_long, graph.constant([side])), graph.constant([2]))
    places = graph.op("Add", graph.op("Cast", first, to=DOUBLE), double(np.arange(side) + 0.5))
    centers = graph.op("Mul", places, scale)  # (S,)
    begins = graph.op("Floor", graph.op("Add", graph.op("Sub", centers, reach), double([0.5])))
    ends = graph.op("Floor", graph.op("Add", graph.op("Add", centers, reach), double([0.5])))
    begins, ends = graph.op("Max", begins, double([0])), graph.op("Min", ends, length)
    begin = graph.op("ReduceMin", begins, keepdims=0)
    end = graph.op("ReduceMax", ends, keepdims=0)
    pixels = graph.op("Range", begin, end, double(1))  # (P,)
    column = graph.constant([1])
    centers, begins, ends = (graph.op("Unsqueeze", value, column) for value in (centers, begins, ends))
    distance = graph.op(
        "Abs", graph.op("Div", graph.op("Sub", graph.op("Add", pixels, double([0.5])), centers), stretch)
    )
    is_inside = graph.op("And", graph.op("GreaterOrEqual", pixels, begins), graph.op("Less", pixels, ends))
    weights = graph.op("Where", is_inside, _cubic(graph, distance), double([0]))  # (S, P)
    weights = graph.op("Div", weights, graph.op("ReduceSum", weights, column, keepdims=1))
    weights = graph.op("Cast", weights, to=FLOAT)

    bounds = [graph.op("Unsqueeze", graph.op("Cast", bound, to=INT64), graph.constant([0])) for bound in (begin, end)]
    middle = graph.op("Slice", pictures, *bounds, graph.constant([axis]))
    if axis == 3:
        columns = graph.op("MatMul", graph.op("Cast", middle, to=FLOAT), graph.op("Transpose", weights, perm=[1, 0]))
        return _resize(graph, _to_grey_levels(graph, columns), graph.constant([side, side]))
    size = graph.op("Concat", _size(graph, middle, 2), graph.constant([side]), axis=0)
    columns = _resize(graph, middle, size)
    return _to_grey_levels(graph, graph.op("MatMul", weights, graph.op("Cast", columns, to=FLOAT)))


def _cubic(graph: Graph, distance: str) -> str:
    """Catmull and Rom's filter, of distances that are not negative."""
    number = partial(graph.constant, dtype=np.float64)

    def polynomial(*factors: float) -> str:
        value = number(factors[0])
        for factor in factors[1:]:
            value = graph.op("Add", graph.op("Mul", value, distance), number(factor))
        return value

    far = graph.op("Where", graph.op("Less", distance, number(2)), polynomial(-0.5, 2.5, -4, 2), number(0))
    return graph.op("Where", graph.op("Less", distance, number(1)), polynomial(1.5, -2.5, 0, 1), far)


def _rounded(graph: Graph, values: str) -> str:
    """float32, to whole grey levels"""
    return graph.op("Floor", graph.op("Add", values, graph.constant(0.5, np.float32)))


def _to_grey_levels(graph: Graph, values: str) -> str:
    """float32 -> uint8"""
    bounds = (graph.constant(bound, np.float32) for bound in (0, 255))
    return graph.op("Cast", graph.op("Clip", _rounded(graph, values), *bounds), to=UINT8)


def _resize_padded(graph: Graph, frames: str, side: int, color: Sequence[int]) -> str:
    """
    uint8 (F, H, W, 3) -> (F, 3, S, S): padded to a square with a color, the picture in the middle, and resized, bicubic with
    antialias. Of a large picture, the long side is resized before the padding, so that no large square is ever made.
    """
    pictures = graph.op("Transpose", frames, perm=[0, 3, 1, 2])
    height, width = _size(graph, frames, 1), _size(graph, frames, 2)
    longest = graph.op("Max", height, width)
    is_small = graph.op("Less", longest, graph.constant([_MIN_TIMES_SMALLER * side]))
    is_tall = graph.op("Greater", height, width)
    small, large, wide, tall = (graph.branch(name) for name in ("small", "large", "wide", "tall"))
    square = _pad(small, pictures, [(height, longest), (width, longest)], color)
    small.output(_resize(small, square, small.constant([side, side])), "small", np.uint8, ["n", 3, side, side])

    edge = graph.constant([side])
    columns = _resize(wide, pictures, wide.op("Concat", height, edge, axis=0))
    padded = _pad(wide, columns, [(height, longest), (edge, edge)], color)
    wide.output(_resize(wide, padded, wide.constant([side, side])), "wide", np.uint8, ["n", 3, side, side])
    rows = _resize(tall, pictures, tall.op("Concat", edge, width, axis=0))
    padded = _pad(tall, rows, [(edge, edge), (width, longest)], color)
    tall.output(_resize(tall, padded, tall.constant([side, side])), "tall", np.uint8, ["n", 3, side, side])
    large.output(large.choose(is_tall, tall, wide), "large", np.uint8, ["n", 3, side, side])
    return graph.choose(is_small, small, large)


def _pad(graph: Graph, pictures: str, lengths: Sequence[tuple[str, str]], color: Sequence[int]) -> str:
    """uint8 (F, 3, H, W) with a color around, from the first to the second of two lengths for height and width each."""
    missing = [graph.op("Sub", wanted, length) for length, wanted in lengths]
    before = [graph.op("Div", value, graph.constant([2])) for value in missing]
    after = [graph.op("Sub", value, first) for value, first in zip(missing, before, strict=True)]
    none = graph.constant([0, 0])
    pads = graph.op("Concat", none, *before, none, *after, axis=0)
    channels = graph.op("Split", pictures, outputs=3, num_outputs=3, axis=1)
    padded = [
        graph.op("Pad", channel, pads, graph.constant(value, np.uint8))
        for channel, value in zip(channels, color, strict=True)
    ]
    return graph.op("Concat", *padded, axis=1)
