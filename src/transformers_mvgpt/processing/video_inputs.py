# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The forms in which videos are handed over, brought to a flat list with one entry per video."""

import os
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers.image_utils import ChannelDimension, is_valid_image

from ..video.given_decoders import is_video_decoder
from ..video.limits import shorten
from ..video.pictures import to_rgb_array
from ..video.sources import is_noted_file
from .chat_parts import VideoWithOptions
from .columns import column_to_list, is_lazy_column


_CHANNELS = {1, 3, 4}


def flatten_videos(videos: Any) -> list[Any]:
    r"""
    One entry per video, from one video, a list of videos, or a list of the videos of each prompt.

    Args:
        videos:
            A video is one of: a path, a URL or a folder of frames (`str` or `os.PathLike`); the `bytes` of a file; a file
            opened in binary mode; `{"bytes": ..., "path": ...}` or an open `VideoDecoder` of TorchCodec, as `datasets` has
            videos; frames as a NumPy array or torch tensor of shape `(num_frames, height, width, 3)` or
            `(num_frames, 3, height, width)`, or gray ones of shape `(num_frames, height, width)`; a list of frames, each a PIL
            image or an array of three dimensions. An array of five dimensions is a batch. Lists of paths of single frames are
            told from lists of videos by their depth: three levels deep (prompts, videos, frames), as in chat messages.

    Returns:
        A list whose entries are paths, `bytes`, file objects, arrays of frames, lists of frames or lists of paths.

    Raises:
        ValueError: if something in there is none of these.
    """
    videos = list(videos) if is_lazy_column(videos) else column_to_list(videos)
    if isinstance(videos, (list, tuple)) and not _is_frame_list(videos):
        has_frame_paths = any(
            _is_list(videos_of_prompt) and any(map(_is_path_list, videos_of_prompt)) for videos_of_prompt in videos
        )
        if has_frame_paths:
            return [video for videos_of_prompt in videos for video in videos_of_prompt]
        return [video for item in videos for video in flatten_videos(item)]
    if _is_array(videos) and videos.ndim == 5:
        return list(videos)
    if is_single_video(videos):
        return [videos]
    if is_valid_image(videos) and getattr(videos, "ndim", 3) == 3:
        if _is_array(videos) and videos.shape[0] in (3, 4):
            raise ValueError(
                f"An array of shape {tuple(videos.shape)} may be one picture, or a video of {videos.shape[0]} gray frames: pass "
                "`array[None]` for a picture with the channels in front, or `array[..., None]` for gray frames."
            )
        return [[videos]]  # one frame
    what = f"of shape {tuple(videos.shape)}" if _is_array(videos) else shorten(repr(videos))
    raise ValueError(
        f"Not a video: {type(videos).__name__} {what}. Pass a path, a URL, a folder of frames, the bytes of a file, an "
        "array of shape (num_frames, height, width, 3) or (num_frames, 3, height, width), or a list of frames."
    )


def is_single_video(videos: Any) -> bool:
    """Whether this is one video in any of its forms, not a list or batch of videos."""
    if isinstance(videos, VideoWithOptions):
        return True
    return (
        is_source(videos) or _is_frame_list(videos) or (_is_array(videos) and (videos.ndim == 4 or _is_gray(videos)))
    )


def frames_to_array(video: Any) -> np.ndarray | torch.Tensor:
    """
    Frames as one array of four dimensions, dtype uint8, with 1 or 3 channels: what is transparent is white, in every form.

    Raises:
        ValueError: if there are no frames, or their shapes or dtype do not fit.
    """
    if isinstance(video, (list, tuple)):
        frames: list[Any] = [frame if _is_array(frame) else to_rgb_array(frame) for frame in video]
        shapes = {tuple(frame.shape) for frame in frames}
        if len(shapes) > 1:
            raise ValueError(f"The frames of a video must have one size, got {sorted(shapes)}: resize them first.")
        all_tensors = all(isinstance(frame, torch.Tensor) for frame in frames)
        video = torch.stack(frames) if all_tensors else np.stack([np.asarray(frame) for frame in frames])
    if video.ndim == 3:
        video = video[..., None]  # gray
    shape = tuple(video.shape)
    if shape[0] == 0:
        raise ValueError(f"The video has no frames: an array of shape {shape}.")
    if len(shape) != 4 or 0 in shape or not {shape[1], shape[3]} & _CHANNELS:
        raise ValueError(
            f"Frames must have the shape (num_frames, height, width, 3) or (num_frames, 3, height, width), got {shape}."
        )
    if video.dtype not in (np.uint8, torch.uint8):
        raise ValueError(
            f"Frames must be uint8 pixels from 0 to 255, got {video.dtype}: convert them, with `{_to_uint8(video)}`."
        )
    if shape[3] == 4 and shape[1] not in (1, 3):
        return _on_white(video)
    if shape[1] == 4 and shape[3] not in (1, 3, 4):
        on_white = _on_white(
            video.transpose(0, 2, 3, 1) if isinstance(video, np.ndarray) else video.permute(0, 2, 3, 1)
        )
        return on_white.transpose(0, 3, 1, 2) if isinstance(on_white, np.ndarray) else on_white.permute(0, 3, 1, 2)
    return video


def _on_white(frames: np.ndarray | torch.Tensor) -> np.ndarray | torch.Tensor:
    """RGBA of shape `(num_frames, height, width, 4)` to RGB, rounded as pictures from files are."""
    pictures = frames if isinstance(frames, np.ndarray) else frames.cpu().numpy()
    opaque = np.stack([to_rgb_array(Image.fromarray(np.ascontiguousarray(picture))) for picture in pictures])
    return opaque if isinstance(frames, np.ndarray) else torch.from_numpy(opaque).to(frames.device)


def _to_uint8(video: np.ndarray | torch.Tensor) -> str:
    """How to make pixels from 0 to 255 of frames of another dtype."""
    cast = "astype(np.uint8)" if isinstance(video, np.ndarray) else "to(torch.uint8)"
    kind = str(video.dtype)
    if "bool" in kind:
        return f"frames.{cast} * 255"
    if "float" in kind:
        return f"(frames * 255).round().{cast}` where they are from 0 to 1, or `frames.round().{cast}"
    return f"frames.{cast}"


def channel_layout(frames: np.ndarray | torch.Tensor) -> ChannelDimension:
    """
    Whether the channels of an array of [`frames_to_array`] are its second or its last dimension. Where both could be, the one
    with three is.

    Raises:
        ValueError: if that does not tell them apart.
    """
    second, last = frames.shape[1], frames.shape[3]
    if second in _CHANNELS and last in _CHANNELS and (second == 3) == (last == 3):
        raise ValueError(
            f"Frames of shape {tuple(frames.shape)} may have their channels in the second or in the last dimension: pass "
            '`input_data_format="channels_first"` or `"channels_last"`.'
        )
    is_last = last in _CHANNELS and (second not in _CHANNELS or last == 3)
    return ChannelDimension.LAST if is_last else ChannelDimension.FIRST


def is_source(video: Any) -> bool:
    """
    Whether it has to be read: a path, URL or folder, the bytes of a file, a file object, a file as `datasets` notes it, or a decoder.
    """
    return (
        isinstance(video, (str, bytes, bytearray, memoryview, os.PathLike))
        or callable(getattr(video, "read", None))
        or is_noted_file(video)
        or is_video_decoder(video)
    )


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_array(value: Any) -> bool:
    return isinstance(value, (np.ndarray, torch.Tensor))


def _is_gray(value: Any) -> bool:
    """Whether an array is a video of gray frames: three dimensions, none of which could be the channels of one picture."""
    return _is_array(value) and value.ndim == 3 and not {value.shape[0], value.shape[-1]} & _CHANNELS


def _is_path_list(value: Any) -> bool:
    return _is_list(value) and len(value) > 0 and all(isinstance(item, (str, os.PathLike)) for item in value)


def _is_frame_list(value: Any) -> bool:
    """One video as a list of frames. Arrays of four dimensions would be videos, PIL images have none."""
    return (
        _is_list(value)
        and len(value) > 0
        and all(
            is_valid_image(frame) and getattr(frame, "ndim", 3) == 3 and not is_source(frame) and not _is_gray(frame)
            for frame in value
        )
    )
