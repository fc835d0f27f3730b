# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Packages that a command needs beside those that the package requires. They are asked for before it begins."""

import importlib.util
import sys


def require(what: str, extra: str, *packages: str) -> None:
    """
    Args:
        what (`str`): what needs them, as the beginning of a sentence.
        extra (`str`): the extra of this package that brings them.
        packages (`str`): their modules. They are looked for, and not loaded.

    Raises:
        ImportError: if one is not installed.
    """
    for package in packages:
        if not _is_installed(package):
            raise ImportError(f"{what} needs {package}: pip install 'transformers-mvgpt[{extra}]'.")


def _is_installed(package: str) -> bool:
    if package in sys.modules:
        return sys.modules[package] is not None
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False


def require_decoder(video_backend: str | None) -> None:
    """
    Raises:
        ImportError: if the video decoder that `--video-backend` names cannot be used.
    """
    if video_backend is not None:
        from ..video.video_decoding import check_backend

        check_backend(video_backend)
