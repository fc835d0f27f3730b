# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How long the encoding of a video or an image takes, part by part where the family's parts are known."""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import torch
from torch import nn

from ..modeling.frame_encoding import encode_frames
from ..modeling.frame_scoring_mvgpt import score_frames, select_frames
from ..modeling.modeling_mobilevlm import MobileVLMModel
from ..modeling.modeling_mvgpt import MobileVideoGPTModel
from ..modeling.modeling_tinyllava import TinyLlavaVideoModel
from ..modeling.vision_language_model import VisionLanguageModel
from .machine_limits import count_flops
from .scan_left_out import scan_left_out


class Measure(Protocol):
    """Measures a call as the part of this name, which needs so many operations, and returns its result."""

    def __call__(self, part: str, call: Callable[[], Any], flops: float = 0) -> Any: ...


def measure_encoders(body: VisionLanguageModel, pixels: dict[str, torch.Tensor], measure: Measure) -> None:
    """
    Args:
        body ([`VisionLanguageModel`]): the model without its head.
        pixels (`dict[str, torch.Tensor]`): of one video, what `get_video_features` takes; of one image if the model takes no videos.
        measure (`Callable`): is called for each part, in their order.
    """
    if isinstance(body, MobileVideoGPTModel):
        _measure_mobile_videogpt(body, pixels["pixel_values_videos"], pixels["context_pixel_values_videos"], measure)
    elif isinstance(body, MobileVLMModel):
        encoded = _measure_images(body, pixels["pixel_values"], measure)
        _measure("projector", body.image_projector, encoded, measure)
    elif isinstance(body, TinyLlavaVideoModel):
        encoded = _measure_images(body, pixels["pixel_values_videos"].flatten(0, 1), measure)
        _measure("resampler", body.video_projector, encoded.flatten(0, 1), measure)
    else:
        meta = {name: torch.empty_like(stream, device="meta") for name, stream in pixels.items()}
        flops = count_flops(body, lambda twin: twin.get_video_features(**meta))
        measure("encoder and projector", lambda: body.get_video_features(**pixels), flops)


def _measure_images(body: Any, images: torch.Tensor, measure: Measure) -> torch.Tensor:
    """The image encoder alone, (n, 3, H, W) -> features (n, P, D)."""
    encode = partial(encode_frames, feature_layer=body.config.vision_feature_layer)
    return _measure("image encoder", body.vision_tower, images, measure, encode).last_hidden_state


def _measure(
    part: str,
    module: nn.Module,
    x: torch.Tensor,
    measure: Measure,
    call: Callable[[Any, torch.Tensor], Any] = lambda module, x: module(x),
) -> Any:
    """A part that is a call of one module."""
    flops = count_flops(module, lambda twin: call(twin, torch.empty_like(x, device="meta")))
    return measure(part, lambda: call(module, x), flops)


def _measure_mobile_videogpt(
    body: MobileVideoGPTModel, stream: torch.Tensor, context: torch.Tensor, measure: Measure
) -> None:
    """`stream` and `context` are the frames for the video and the image encoder, (1, F, 3, H, W)."""
    config = body.config
    images = context.flatten(0, 1)
    meta_images = torch.empty_like(images, device="meta")
    flops = count_flops(body, lambda twin: twin._encode_images(meta_images))
    encoded = measure("image encoder", lambda: body._encode_images(images), flops).last_hidden_state

    chunks = encoded[None]
    num_patches, width = config.frames_per_chunk * encoded.shape[1], encoded.shape[2]
    scoring_flops = 2 * config.num_chunks * num_patches**2 * width
    scores = measure("frame scoring", lambda: score_frames(chunks, config.frames_per_chunk), scoring_flops)
    method = config.resolve_frame_selection()
    selected = select_frames(scores, config.frames_per_chunk, config.num_selected_frames, method)
    chosen = stream[0, selected[0]][None]
    meta_chosen = torch.empty_like(chosen, device="meta")
    flops = count_flops(body.video_tower, lambda twin: twin(meta_chosen))
    video_features = measure("video encoder", lambda: body.video_tower(chosen), flops).last_hidden_state
    with scan_left_out():
        measure("video encoder without scan", lambda: body.video_tower(chosen))

    pooled = body._pool_patches(video_features)
    meta_encoded, meta_pooled = torch.empty_like(encoded, device="meta"), torch.empty_like(pooled, device="meta")
    flops = count_flops(body.image_projector, lambda twin: twin(meta_encoded))
    flops += count_flops(body.video_projector, lambda twin: twin(meta_pooled))
    measure("projectors", lambda: (body.image_projector(encoded), body.video_projector(pooled)), flops)
