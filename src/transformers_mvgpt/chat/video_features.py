# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Encoded videos in safetensors files."""

import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..conversion.written_files import write_file
from ..modeling.outputs import VideoFeatures


_FORMAT = "mobile_videogpt_video_features"
_VISUAL_TOKENS = "pooler_output"
_TENSORS = ("last_hidden_state", _VISUAL_TOKENS, "frame_scores", "selected_frames")


def save_video_features(features: VideoFeatures, path: str | os.PathLike) -> None:
    r"""
    Writes encoded videos to a safetensors file, in their dtypes. The hidden states and attentions of the encoders,
    which are there on request alone, are left out.

    Args:
        features ([`VideoFeatures`]):
            What `model.get_video_features` returned.
        path (`str` or `os.PathLike`):
            The file. One that is there is replaced, when the new one is whole; a link to it stays.

    Raises:
        OSError: if the file cannot be written.
        ValueError: if there are no visual tokens for the language model.

    Example:

    ```python
    >>> save_video_features(chat.video, "clip.safetensors")
    >>> chat = VideoChat(model, processor, load_video_features("clip.safetensors"))
    ```"""
    visual_tokens = getattr(features, _VISUAL_TOKENS, None)
    if visual_tokens is None:
        raise ValueError(
            f"There are no visual tokens (`{_VISUAL_TOKENS}`) to save in this {type(features).__name__}: pass what "
            "`model.get_video_features` returns with `return_dict=True`."
        )
    num_videos, num_tokens, hidden_size = visual_tokens.shape
    sizes = {"num_videos": num_videos, "num_video_tokens": num_tokens, "hidden_size": hidden_size}
    tensors = {name: features[name].detach().contiguous() for name in _TENSORS if features.get(name) is not None}
    metadata = {"format": "pt", "content": _FORMAT, **{name: str(size) for name, size in sizes.items()}}
    write_file(path, save(tensors, metadata))


def load_video_features(path: str | os.PathLike) -> VideoFeatures:
    r"""
    Reads encoded videos as [`save_video_features`] wrote them, into the main memory. They are for the model that encoded
    them: `model.generate(..., mm_encoder_outputs={"video": features})` and [`VideoChat`] take them.

    Args:
        path (`str` or `os.PathLike`):
            The file.

    Returns:
        [`VideoFeatures`]: the encoded videos.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged or holds something else.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"There is no file '{os.fspath(path)}': check the path, or write it with `save_video_features`."
        )
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("content") != _FORMAT:
                raise ValueError(
                    f"'{os.fspath(path)}' holds no encoded video: its metadata say content={metadata.get('content')!r} "
                    f"where {_FORMAT!r} is expected. Pass a file that `save_video_features` wrote."
                )
            tensors: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(
            f"'{os.fspath(path)}' is damaged or no safetensors file ({error}): write it again with "
            "`save_video_features`."
        ) from error
    return VideoFeatures(**tensors)
