# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Encoded videos, or images, in safetensors files."""

import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ..conversion.written_files import write_file
from ..modeling.outputs import VideoFeatures


# What a file says it holds. The first name is older than the families beside Mobile-VideoGPT, and is that of all videos.
_KINDS: dict[str, tuple[str, type[BaseModelOutputWithPooling]]] = {
    "mobile_videogpt_video_features": ("video", VideoFeatures),
    "mvgpt_image_features": ("image", BaseModelOutputWithPooling),
}
_VISUAL_TOKENS = "pooler_output"
_TENSORS = ("last_hidden_state", _VISUAL_TOKENS, "frame_scores", "selected_frames")


def save_video_features(features: BaseModelOutputWithPooling, path: str | os.PathLike) -> None:
    r"""
    Writes encoded videos, or images, to a safetensors file, in their dtypes. The hidden states and attentions of the
    encoders, which are there on request alone, are left out.

    Args:
        features ([`VideoFeatures`] or [`~modeling_outputs.BaseModelOutputWithPooling`]):
            What `model.get_video_features` or, of images, `model.get_image_features` returned.
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
            "`model.get_video_features` or `get_image_features` returns with `return_dict=True`."
        )
    content, kind = next((content, kind) for content, (kind, form) in _KINDS.items() if isinstance(features, form))
    num_visuals, num_tokens, hidden_size = visual_tokens.shape
    sizes = {f"num_{kind}s": num_visuals, f"num_{kind}_tokens": num_tokens, "hidden_size": hidden_size}
    tensors = {name: features[name].detach().contiguous() for name in _TENSORS if features.get(name) is not None}
    metadata = {"format": "pt", "content": content, **{name: str(size) for name, size in sizes.items()}}
    write_file(path, save(tensors, metadata))


def load_video_features(path: str | os.PathLike) -> BaseModelOutputWithPooling:
    r"""
    Reads encoded videos, or images, as [`save_video_features`] wrote them, into the main memory. They are for the model
    that encoded them: `model.generate(..., mm_encoder_outputs={"video": features})` and [`VideoChat`] take them.

    Args:
        path (`str` or `os.PathLike`):
            The file.

    Returns:
        [`VideoFeatures`], or [`~modeling_outputs.BaseModelOutputWithPooling`] of images: what was written.

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
            content = metadata.get("content")
            if content not in _KINDS:
                raise ValueError(
                    f"'{os.fspath(path)}' holds no encoded video: its metadata say content={content!r} "
                    f"where {' or '.join(map(repr, _KINDS))} is expected. Pass a file that `save_video_features` wrote."
                )
            tensors: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(
            f"'{os.fspath(path)}' is damaged or no safetensors file ({error}): write it again with "
            "`save_video_features`."
        ) from error
    _, form = _KINDS[content]
    return form(**tensors)
