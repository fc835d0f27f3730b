# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Checks of what a model is given: pixels, and placeholders for them."""

from collections.abc import Callable

import torch
from torch.nn import functional as F
from transformers import PreTrainedConfig

from .config_rules import short


def placeholder_ids(config: PreTrainedConfig) -> dict[str, int]:
    """The token that stands for a visual, by modality."""
    return {
        modality: token_id
        for modality in ("image", "video")
        if (token_id := getattr(config, f"{modality}_token_id", None)) is not None
    }


def mismatch_message(
    config: PreTrainedConfig,
    pixel_inputs: dict[str, tuple[str, ...]],
    modality: str,
    num_placeholders: int,
    num_tokens: int,
) -> str:
    """What is said of placeholders that do not match the visual tokens made for them."""
    message = (
        f"The prompt has {num_placeholders} {modality} placeholders, but the {modality}s given make {num_tokens} visual "
        f"tokens: {getattr(config, f'num_{modality}_tokens')} are needed for each {modality}."
    )
    if num_tokens == 0:
        names = " and ".join(f"`{name}`" for name in pixel_inputs.get(modality, ()))
        message += (
            f" Pass {names} as the processor returns them, or `mm_encoder_outputs`, or leave the placeholders out. TRL's trainers "
            "pass them on where the dataset has a column `images`, which may hold empty lists."
        )
    return message


def check_pixels(name: str, pixels: torch.Tensor, size: int, *leading: str) -> None:
    """
    Args:
        name (`str`): what the argument is called.
        pixels (`torch.Tensor`): pixels that should have the shape `(*leading, 3, size, size)`.
        size (`int`): height and width that the encoder takes.
        leading (`str`): names of the leading dimensions.

    Raises:
        ValueError: if the shape is another one, or the dtype is not of floating point.
    """
    if not pixels.is_floating_point():
        raise ValueError(
            f"`{name}` must be normalized floating point pixels, got {pixels.dtype}: pass what the processor returns."
        )
    trailing = (3, size, size)
    if pixels.ndim != len(leading) + len(trailing) or pixels.shape[-3:] != trailing or pixels.shape[0] == 0:
        expected = ", ".join(map(str, leading + trailing))
        raise ValueError(f"`{name}` has the shape {tuple(pixels.shape)}; expected ({expected}).")


def check_both_streams(frames: torch.Tensor | None, context: torch.Tensor | None) -> None:
    """
    Raises:
        ValueError: if one stream of the videos is given without the other.
    """
    if (context is None) != (frames is None):
        raise ValueError(
            "A video needs both `pixel_values_videos` and `context_pixel_values_videos`, the same frames for the video "
            "and for the image encoder: pass what the processor returns."
        )


def fill_videos(
    config: PreTrainedConfig, frames: torch.Tensor, context: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Both streams of the videos, `(num_videos, num_frames, 3, height, width)`, followed by zero frames where they have
    fewer than the model takes ([`MobileVideoGPTConfig`]).

    Raises:
        ValueError: if a shape or dtype does not fit, or there are too many frames.
    """
    streams = {
        "pixel_values_videos": (frames, config.video_config.image_size),
        "context_pixel_values_videos": (context, config.vision_config.image_size),
    }
    for name, (pixels, size) in streams.items():
        check_pixels(name, pixels, size, "num_videos", "num_frames")
    if frames.shape[:2] != context.shape[:2]:
        raise ValueError(
            f"`pixel_values_videos` and `context_pixel_values_videos` must hold the same frames, got "
            f"{tuple(frames.shape[:2])} and {tuple(context.shape[:2])} (num_videos, num_frames)."
        )
    _check_num_frames(config, frames.shape[1])
    return _fill_with_zero_frames(frames, config.num_frames), _fill_with_zero_frames(context, config.num_frames)


def _check_num_frames(config: PreTrainedConfig, given: int) -> None:
    if not 1 <= given <= config.num_frames:
        raise ValueError(
            f"`pixel_values_videos` has {given} frames per video, this model takes 1 to {config.num_frames}: "
            f"sample {config.num_frames} of them."
        )


def _fill_with_zero_frames(frames: torch.Tensor, num_frames: int) -> torch.Tensor:
    """Pixels (V, n, 3, H, W) of at most `num_frames` frames, followed by zero frames where they are fewer."""
    missing = num_frames - frames.shape[1]
    return F.pad(frames, (0, 0) * 3 + (0, missing)) if missing else frames


def fill_encoded_videos(
    config: PreTrainedConfig,
    frames: torch.Tensor,
    context: torch.Tensor | None,
    image_features: torch.Tensor,
    encode_frames: Callable[[torch.Tensor], torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    As [`fill_videos`], with the features of the frames, `(num_videos, num_frames, num_patches, hidden_size)`, in the place of their
    pixels for the image encoder. `encode_frames` makes those of a zero frame.

    Raises:
        ValueError: if a shape or dtype does not fit, there are too many frames, or both are given.
    """
    if context is not None:
        raise ValueError(
            "`image_features` are what the image encoder has made of `context_pixel_values_videos`: pass one of them, not both."
        )
    check_pixels("pixel_values_videos", frames, config.video_config.image_size, "num_videos", "num_frames")
    check_image_features(config.vision_config, image_features)
    if frames.shape[:2] != image_features.shape[:2]:
        raise ValueError(
            f"`pixel_values_videos` and `image_features` must be of the same frames, got {tuple(frames.shape[:2])} and "
            f"{tuple(image_features.shape[:2])} (num_videos, num_frames)."
        )
    num_videos, given = frames.shape[:2]
    _check_num_frames(config, given)
    if missing := config.num_frames - given:
        size = config.vision_config.image_size
        zero_frame = encode_frames(image_features.new_zeros(1, 3, size, size))  # (1, P, D)
        image_features = torch.cat([image_features, zero_frame.expand(num_videos, missing, -1, -1)], dim=1)
    return _fill_with_zero_frames(frames, config.num_frames), image_features


def check_image_features(config: PreTrainedConfig, image_features: torch.Tensor) -> None:
    """
    Args:
        config (`PreTrainedConfig`): of the image encoder.
        image_features (`torch.Tensor`): what `encode_frames` should have made, `(num_videos, num_frames, num_patches, hidden_size)`.

    Raises:
        ValueError: if the shape is another one, or the dtype is not of floating point.
    """
    # the first token is left out: CLIP's is no patch
    num_patches = (config.image_size // config.patch_size) ** 2 - (config.model_type != "clip_vision_model")
    trailing = (num_patches, config.hidden_size)
    shape = tuple(image_features.shape)
    if not image_features.is_floating_point() or len(shape) != 4 or shape[2:] != trailing or 0 in shape:
        raise ValueError(
            f"`image_features` have the shape {shape} and dtype {image_features.dtype}; expected (num_videos, num_frames, "
            f"{trailing[0]}, {trailing[1]}), floating point: pass what `encode_frames` of this model returns, with one more dimension."
        )


def join_frames(
    pixel_values_videos: torch.Tensor | None, num_frames_per_video: torch.Tensor | None, size: int
) -> tuple[torch.Tensor, list[int]]:
    """
    Args:
        pixel_values_videos (`torch.Tensor`):
            `(num_videos, num_frames, 3, size, size)`, or the frames of all videos one after the other, `(num_all_frames, 3, size, size)`.
        num_frames_per_video (`torch.Tensor` of shape `(num_videos,)`, *optional*): frames of each video, in the second form.
        size (`int`): height and width that the encoder takes.

    Returns:
        `tuple[torch.Tensor, list[int]]`: the frames in the second form, and how many each video has.

    Raises:
        ValueError: if a shape or dtype does not fit.
    """
    if pixel_values_videos is None:
        raise ValueError("A video needs `pixel_values_videos`: pass what the processor returns.")
    if num_frames_per_video is None:
        if pixel_values_videos.ndim == 4:
            raise ValueError(
                f"`pixel_values_videos` has the shape {tuple(pixel_values_videos.shape)}, the frames of all videos one after the "
                "other: pass `num_frames_per_video` too, as the processor returns it, or one more dimension for the videos."
            )
        check_pixels("pixel_values_videos", pixel_values_videos, size, "num_videos", "num_frames")
        num_videos, num_frames = pixel_values_videos.shape[:2]
        if num_frames == 0:
            raise ValueError("`pixel_values_videos` has 0 frames per video: pass at least one.")
        return pixel_values_videos.flatten(0, 1), [num_frames] * num_videos
    check_pixels("pixel_values_videos", pixel_values_videos, size, "num_all_frames")
    counts = [int(count) for count in num_frames_per_video.flatten().tolist()]
    if min(counts, default=0) < 1 or sum(counts) != len(pixel_values_videos):
        raise ValueError(
            f"`num_frames_per_video` ({short(counts)}) must have at least one frame for each video and "
            f"{len(pixel_values_videos)} in all, as `pixel_values_videos` has."
        )
    return pixel_values_videos, counts
