# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Where an image comes from: as a video, or a string that is the image itself, in base64."""

import os
import re
from io import BytesIO
from typing import Any

from .containers import recognize_container
from .limits import UntrustedInput, shorten
from .sources import VideoSource, decode_base64, resolve_source


_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]{64,}={0,2}\s*")


def resolve_image(image: Any, limits: UntrustedInput) -> VideoSource:
    """
    The file of an image, in any form that [`resolve_source`] takes, or base64.

    Raises:
        ValueError: if it is a folder or a video. And what [`resolve_source`] raises.
    """
    source = _of_base64(image, limits) or resolve_source(image, limits, "image")
    if source.is_folder:
        raise ValueError(f"{source.title} is a folder. Pass the path of an image in it.")
    if source.container() not in ("picture", "mp4", "unknown"):  # AVIF and HEIF are kinds of MP4
        raise ValueError(f"{source.title} is a video. Pass it as one, or an image.")
    return source


def _of_base64(image: Any, limits: UntrustedInput) -> VideoSource | None:
    """The source where a string is not a path or address, but the image itself."""
    if not isinstance(image, str) or len(image) < 64 or not _BASE64.fullmatch(image):
        return None
    if len(image) * 0.75 > limits.max_download_bytes:
        return None  # and no path is as long
    try:
        data = decode_base64(image.encode(), "It")
        is_picture = recognize_container(BytesIO(data)).name in ("picture", "mp4")
    except ValueError:
        return None
    is_file = len(image) < 4096 and os.path.lexists(image)
    return VideoSource(f"'{shorten(image)}'", data, "image") if is_picture and not is_file else None
