# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Videos and images in folders, and what matches patterns."""

import glob
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ..training.sources import SUFFIXES as LIST_SUFFIXES
from ..video.containers import recognize_container


_VIDEO_SUFFIXES = frozenset(
    ".3g2 .3gp .asf .avi .f4v .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .rm .ts .vob .webm .wmv .y4m".split()
)
_IMAGE_SUFFIXES = frozenset(".avif .bmp .heic .jfif .jpeg .jpg .png .ppm .tif .tiff .webp".split())
# Animations are both: a video to a model that takes videos.
_ANIMATION_SUFFIXES = frozenset([".gif", ".apng"])


def kind_of_name(name: str, kinds: tuple[str, ...]) -> str | None:
    """`"video"` or `"image"`, by the end of the name of a file or address; else None."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix in _IMAGE_SUFFIXES:
        return "image"
    if suffix in _ANIMATION_SUFFIXES:
        return kinds[0]
    return "video" if suffix in _VIDEO_SUFFIXES else None


def find_files(folder: Path, kind: str, left_out: Counter[str]) -> Iterator[str]:
    """
    The videos or images (`kind`) of a folder and the folders in it, in the order of their names. Hidden files and folders are passed
    over, links to folders are not followed.

    Args:
        folder (`Path`): where to look.
        kind (`str`): what to look for.
        left_out (`Counter`): is told the suffixes of all other files, with how many there are.
    """
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(parent, name)
            if name.startswith("."):
                continue
            if (kind_of_name(name, (kind,)) or _kind_of_content(path)) == kind:
                yield path
            else:
                left_out[os.path.splitext(name)[1].lower() or "without suffix"] += 1


def find_matches(pattern: str) -> list[str]:
    """
    Paths that match a pattern such as `"clips/**/*.mp4"`, in their order. As in folders, links to folders are not followed, which might
    lead round in circles, and what is hidden is passed over.
    """
    parts = Path(pattern).parts
    number = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    start, rest = Path(*parts[:number]), list(parts[number:])
    if rest[-1] == "**":
        rest.append("*")
    found = start.glob(os.path.join(*rest))
    shows_hidden = any(part.startswith(".") for part in rest)
    return sorted(
        os.fspath(path)
        for path in found
        if shows_hidden or not any(part.startswith(".") for part in path.relative_to(start).parts)
    )


def _kind_of_content(path: str) -> str | None:
    """Of a file whose name does not say it, by the first bytes."""
    if os.path.splitext(path)[1].lower() in LIST_SUFFIXES or not os.path.isfile(path):
        return None
    try:
        with open(path, "rb") as file:
            name = recognize_container(file).name
    except (OSError, ValueError):  # a text, a sound
        return None
    return {"picture": "image", "unknown": None}.get(name, "video")
