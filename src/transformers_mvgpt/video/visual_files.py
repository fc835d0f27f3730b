# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Videos and images in folders, what matches patterns, and what a command's arguments name."""

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .containers import recognize_container
from .frame_folders import frame_names, natural_order
from .limits import shorten


ADDRESS = re.compile(r"(https?|data|file):", re.IGNORECASE)
# Lists of videos, with their questions.
LIST_SUFFIXES = (".json", ".jsonl", ".csv", ".parquet")
_VIDEO_SUFFIXES = frozenset(
    ".3g2 .3gp .asf .avi .f4v .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .mxf .ogv .rm .ts .vob .webm .wmv .y4m".split()
)
_IMAGE_SUFFIXES = frozenset(".avif .bmp .heic .jfif .jpeg .jpg .png .ppm .tif .tiff .webp".split())
# Animations are both: a video to a model that takes videos.
_ANIMATION_SUFFIXES = frozenset([".gif", ".apng"])


@dataclass
class FoundVisuals:
    """
    Args:
        paths (`list[str]`): the paths and addresses that arguments name, in their order.
        are_several (`bool`): whether they may be more than one, as those of several arguments, of a folder or of a pattern.
        notes (`list[str]`): what users should know: which files of folders are left out.
    """

    paths: list[str] = field(default_factory=list)
    are_several: bool = False
    notes: list[str] = field(default_factory=list)


def find_visuals(arguments: Sequence[str], get_kind: Callable[[], str]) -> FoundVisuals:
    """
    The videos, or with a model that takes images alone the images, that the arguments of a command name.

    An argument is a path or address; a pattern such as `"clips/**/*.mp4"`; or a folder. To a model that takes videos, a folder that holds
    images and no videos is one video, of these frames; of any other folder, the videos are meant, those in its folders included. A file whose name
    holds `*`, `?` or `[` comes before the pattern. All are in the natural order of their names: `take 2` before `take 10`.

    Args:
        arguments (`Sequence[str]`): of the command.
        get_kind (`Callable`): says what the model takes, `"video"` or `"image"`. It is only asked about folders.

    Raises:
        FileNotFoundError: if a pattern matches nothing, or a folder holds nothing of the kind.
        OSError: if a folder cannot be opened.
    """
    found = FoundVisuals(are_several=len(arguments) > 1)
    for argument in arguments:
        if ADDRESS.match(argument) or not (os.path.lexists(argument) or glob.has_magic(argument)):
            found.paths.append(argument)  # what is not there is said when it is read
        elif os.path.isdir(argument):
            _add_folder(argument, get_kind(), found)
        elif os.path.lexists(argument):
            found.paths.append(argument)
        else:
            matches = find_matches(argument)
            matches = [path for path in matches if not os.path.isdir(path) or _is_video(path, get_kind)]
            if not matches:
                raise FileNotFoundError(f"Nothing matches the pattern '{shorten(argument)}'. Check it.")
            found.paths += matches
            found.are_several = True
    return found


def is_named(argument: str) -> bool:
    """Whether an argument names one file or address itself, be it there or not: it is no folder, and no pattern."""
    return not os.path.isdir(argument) and (os.path.lexists(argument) or not glob.has_magic(argument))


def _is_video(folder: str, get_kind: Callable[[], str]) -> bool:
    return get_kind() == "video" and bool(frame_names(_list(folder)))


def _add_folder(folder: str, kind: str, found: FoundVisuals) -> None:
    names = _list(folder)
    # a picture beside videos, such as a thumbnail, does not make frames of one video of them
    holds_videos = any(kind_of_name(name, ("image",)) == "video" and not name.startswith(".") for name in names)
    if kind == "video" and frame_names(names) and not holds_videos:
        found.paths.append(folder)
        return
    left_out: Counter[str] = Counter()
    files = list(find_files(Path(folder), kind, left_out))
    what = describe_left_out(left_out, kind)
    if not files:
        raise FileNotFoundError(f"The folder '{shorten(folder)}' holds no {kind}s.{what} Check the path.")
    if what:
        found.notes.append(f"In '{shorten(folder)}':{what}")
    found.paths += files
    found.are_several = True


def _list(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise type(error)(
            f"The folder '{shorten(folder)}' cannot be opened: {error.strerror}. Check its path and who may read it."
        ) from error


def describe_left_out(suffixes: Counter[str], kind: str) -> str:
    """How many files of folders are not taken, as a sentence with a blank in front; empty if there are none."""
    if not suffixes:
        return ""
    most = ", ".join(f"{suffix} {count}" for suffix, count in suffixes.most_common(5))
    more = ", ..." if len(suffixes) > 5 else ""
    total = suffixes.total()
    what = f"1 file that is no {kind}" if total == 1 else f"{total} files that are no {kind}s"
    return f" Left out: {what} ({most}{more})."


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
    The videos or images (`kind`) of a folder and the folders in it, in the natural order of their names. Hidden files and folders are
    passed over, links to folders are not followed.

    Args:
        folder (`Path`): where to look.
        kind (`str`): what to look for.
        left_out (`Counter`): is told the suffixes of all other files, with how many there are.
    """
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=natural_order)
        for name in sorted(names, key=natural_order):
            path = os.path.join(parent, name)
            if name.startswith("."):
                continue
            if (kind_of_name(name, (kind,)) or _kind_of_content(path)) == kind:
                yield path
            else:
                left_out[os.path.splitext(name)[1].lower() or "without suffix"] += 1


def find_matches(pattern: str) -> list[str]:
    """
    Paths that match a pattern such as `"clips/**/*.mp4"`, in their natural order. As in folders, links to folders are not followed, which
    might lead round in circles, and what is hidden is passed over.
    """
    parts = Path(pattern).parts
    number = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    start, rest = Path(*parts[:number]), list(parts[number:])
    if rest[-1] == "**":
        rest.append("*")
    try:
        found = list(start.glob(os.path.join(*rest)))
    except ValueError as error:  # before Python 3.13
        raise ValueError(
            f"The pattern '{shorten(pattern)}' has `**` beside other letters: it stands alone between slashes, as in 'clips/**/*.mp4'."
        ) from error
    shows_hidden = any(part.startswith(".") for part in rest)
    paths = (
        os.fspath(path)
        for path in found
        if shows_hidden or not any(part.startswith(".") for part in path.relative_to(start).parts)
    )
    return sorted(paths, key=natural_order)


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
