# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What can be said of a path before anything is loaded to look at what is there."""

from .limits import UntrustedInput
from .sources import resolve_source


def check_video(video: str, limits: UntrustedInput) -> None:
    """
    Of an address, nothing is said.

    Args:
        video (`str`): path or address of a video, an image or a folder.
        limits ([`UntrustedInput`]): the limits on it.

    Raises:
        ValueError, OSError: if this is a path, and there is no video, image or folder at it.
    """
    if not is_elsewhere(video):
        source = resolve_source(video, limits)
        if not source.is_folder:
            source.container()  # refuses a playlist


def is_elsewhere(path: str) -> bool:
    """Whether it is an address of another machine."""
    return path.lower().startswith(("http:", "https:"))
