# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
`preprocess.onnx`: decoded frames of any size to normalized pixels, as the processors make them. The resizing is in `onnx_resizing.py`.

Symbols in the shape comments: F frames, H and W their height and width, S the side that the encoder takes.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from transformers import PreTrainedModel, ProcessorMixin
from transformers.image_utils import PILImageResampling

from .onnx_nodes import FLOAT, Graph
from .onnx_resizing import resize_and_crop, resize_bilinear, resize_padded, resize_to_square


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
    video = resize_bilinear(graph, frames, side)
    context = resize_and_crop(graph, frames, side)
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
    pixels = resize_padded(graph, frames, side, color)
    return [("pixel_values", _normalize(graph, pixels, options, options.image_mean, options.image_std), side)]


def _tinyllava_video(graph: Graph, frames: str, processor: Any) -> list[tuple[str, str, int]]:
    options = processor.video_processor
    _check(options, do_resize=True, do_rescale=True, do_normalize=True, resample=PILImageResampling.BICUBIC)
    side = _square_side(options, "size")
    pixels = resize_to_square(graph, frames, side)
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
