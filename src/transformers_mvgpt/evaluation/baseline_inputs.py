# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What the baselines get of the frames of a video: pixels from their own image or video processors, as their repositories configure
them, and a prompt with as many placeholders. Where their processors write text between the frames (times, numbers), only the single
tokens that mark a frame are kept: how many the text is depends on a tokenizer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import CLIPImageProcessor

from .baseline_configs import class_of_transformers


@dataclass(frozen=True)
class VisualInputs:
    """
    Args:
        pixels (`dict[str, torch.Tensor]`): inputs of the model beside the prompt.
        tokens (`list[int]`): visual tokens of each run of placeholders.
        size (`tuple[int, int]`): width and height of a frame as the image encoder gets it, in pixels.
        markers (`tuple[int, int]`): other tokens right before and right after each run.
        placeholder (`str`): the key of the config with the id of the placeholder.
        has_token_types (`bool`): whether the model is told which tokens are visual.
    """

    pixels: dict[str, torch.Tensor]
    tokens: list[int]
    size: tuple[int, int]
    markers: tuple[int, int] = (0, 0)
    placeholder: str = "image_token_id"
    has_token_types: bool = False

    def prompt(self, config: Any, num_text_tokens: int) -> torch.Tensor:
        """Token ids of shape `(1, length)`: one of text, the runs of placeholders with their markers, and the rest of the text."""
        placeholder = getattr(config, self.placeholder)
        before, after = self.markers
        ids = [1]  # any token but a placeholder
        for number in self.tokens:
            ids += [1] * before + [placeholder] * number + [1] * after
        return torch.tensor([ids + [1] * (num_text_tokens - 1)])


def _llava_onevision(name: str, frames: torch.Tensor) -> VisualInputs:
    process = class_of_transformers("LlavaOnevisionVideoProcessor", name)(size={"height": 384, "width": 384})
    pixels = process([frames], return_tensors="pt")["pixel_values_videos"]
    # 27 x 27 patches pooled to 14 x 14, and the end of the video
    tokens = len(frames) * 14**2 + 1
    return VisualInputs({"pixel_values_videos": pixels}, [tokens], (384, 384), placeholder="video_token_id")


def _smolvlm(name: str, frames: torch.Tensor) -> VisualInputs:
    edge = {"longest_edge": 512}
    process = class_of_transformers("SmolVLMVideoProcessor", name)(size=edge, max_image_size=edge)
    features = process([frames], return_tensors="pt")
    # 32 x 32 patches, 4 x 4 of which are joined
    return VisualInputs(dict(features), [64] * len(frames), (512, 512), markers=(2, 1))


def _fast_vlm(name: str, frames: torch.Tensor) -> VisualInputs:
    edge = 1024
    process = CLIPImageProcessor(
        size={"shortest_edge": edge},
        crop_size={"height": edge, "width": edge},
        image_mean=[0.0, 0.0, 0.0],
        image_std=[1.0, 1.0, 1.0],
    )
    pixels = process(list(frames), return_tensors="pt")["pixel_values"]
    return VisualInputs({"pixel_values": pixels}, [(edge // 64) ** 2] * len(frames), (edge, edge))


def _lfm2_vl(name: str, frames: torch.Tensor) -> VisualInputs:
    process = class_of_transformers("Lfm2VlImageProcessor", name)(use_thumbnail=False)
    features = process(list(frames), return_tensors="pt")
    shapes = features["spatial_shapes"].tolist()
    size = (16 * shapes[0][1], 16 * shapes[0][0])
    return VisualInputs(dict(features), [height * width // 4 for height, width in shapes], size, markers=(1, 1))


def _qwen3_5(name: str, frames: torch.Tensor) -> VisualInputs:
    process = class_of_transformers("Qwen3VLVideoProcessor", name)(
        size={"shortest_edge": 4096, "longest_edge": 25165824},
        do_sample_frames=False,
        cap_pixels_per_frame=False,
    )
    features = dict(process([frames], return_tensors="pt"))
    [[pairs, height, width]] = features["video_grid_thw"].tolist()
    return VisualInputs(
        features,
        [height * width // 4] * pairs,
        (16 * width, 16 * height),
        markers=(1, 1),
        placeholder="video_token_id",
        has_token_types=True,
    )


def _intern_vl(name: str, frames: torch.Tensor) -> VisualInputs:
    process = class_of_transformers("InternVLVideoProcessor", name)(
        size={"height": 448, "width": 448},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    pixels = process([frames], return_tensors="pt")["pixel_values_videos"]
    return VisualInputs({"pixel_values": pixels[0]}, [256] * len(frames), (448, 448), markers=(1, 1))


_PROCESSORS: dict[str, Callable[[str, torch.Tensor], VisualInputs]] = {
    "llava-onevision-0.5b": _llava_onevision,
    "smolvlm2-500m": _smolvlm,
    "smolvlm2-256m": _smolvlm,
    "fastvlm-0.5b": _fast_vlm,
    "lfm2-vl-450m": _lfm2_vl,
    "qwen3.5-0.8b": _qwen3_5,
    "internvl3.5-1b": _intern_vl,
}


def process_frames(name: str, frames: torch.Tensor) -> VisualInputs:
    """
    Args:
        name (`str`): of a baseline.
        frames (`torch.Tensor` of shape `(n, 3, height, width)`): uint8, on CPU.

    Raises:
        ImportError: if this release of transformers does not have what it needs.
    """
    return _PROCESSORS[name](name, frames)
