# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What can be said of videos, images and options before a model is loaded to look at them."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from ..conversion.loading import find_family
from ..families import Family
from ..processing.image_inputs import read_image
from ..video.error_text import describe_error
from ..video.limits import UntrustedInput, shorten
from ..video.source_checks import check_video, is_elsewhere


# Options of the pipeline that say how a video is read.
_OF_VIDEOS = ("start_seconds", "end_seconds", "sampling", "video_backend")
# Those that need a model which selects frames, and what commands call them.
_OF_SELECTED_FRAMES = {"frame_selection": "--frame-selection", "return_selected_frames": "--show-frames"}


def check_videos(paths: Sequence[str], limits: UntrustedInput, *, raises: bool) -> dict[str, str]:
    """
    As [`check_video`], of several.

    Args:
        paths (`Sequence[str]`): paths and addresses.
        limits ([`UntrustedInput`]): the limits on them.
        raises (`bool`): whether to raise the first error.

    Returns:
        `dict[str, str]`: the errors, by path, each in one line.
    """
    return _collect(paths, lambda path: check_video(path, limits), raises)


def check_images(paths: Sequence[str], limits: UntrustedInput, *, family: Family, raises: bool) -> dict[str, str]:
    """As [`check_videos`], of a model that takes images alone."""

    def check(path: str) -> None:
        if not is_elsewhere(path):
            _read_image(path, limits, family)

    return _collect(paths, check, raises)


def check_family(family: Family | None, options: Collection[str]) -> str:
    """
    What a model looks at, `"video"` or `"image"`. If its family is not known, its processor says what it takes.

    Args:
        family ([`Family`], *optional*): of the model.
        options (`Collection[str]`): names of the pipeline's options that are used.

    Raises:
        ValueError: if it does not take one of them.
    """
    if family is None:
        return "video"
    for name, option in _OF_SELECTED_FRAMES.items():
        if name in options and not hasattr(family.config_class, "num_selected_frames"):
            raise ValueError(
                f"{family.name} selects no frames, it looks at all that it is given: leave `{option}` out."
            )
    if family.video_processor_class is not None:
        return "video"
    if unused := [name for name in options if name in _OF_VIDEOS]:
        raise ValueError(
            f"{family.name} takes images, no videos: leave `--{unused[0].replace('_', '-')}` out, or use a model for videos."
        )
    return "image"


def visuals_for(
    model: str, video: str, images: list[str], options: Collection[str], limits: UntrustedInput
) -> dict[str, Any]:
    """
    What the pipeline is given to look at.

    Args:
        model (`str`): the model's folder or repository.
        video (`str`), images (`list[str]`): paths or addresses.
        options (`Collection[str]`): names of the pipeline's options that are used.
        limits ([`UntrustedInput`]): the limits on files and addresses.

    Raises:
        ValueError: if the model does not take them.
    """
    family = find_family(model)
    if family is None or check_family(family, options) == "video":
        return {"images": images, "video": video}
    return {"images": [*images, _read_image(video, limits, family)]}


def _read_image(image: str, limits: UntrustedInput, family: Family) -> Any:
    try:
        return read_image(image, limits)
    except ValueError as error:
        raise ValueError(
            f"{family.name} takes images, no videos: pass an image as VIDEO, others with `--image`, or use a model for videos. "
            f"{shorten(str(error))}"
        ) from error


def _collect(paths: Sequence[str], check: Callable[[str], None], raises: bool) -> dict[str, str]:
    problems = {}
    for path in paths:
        try:
            check(path)
        except (OSError, ValueError) as error:
            if raises:
                raise
            problems[path] = describe_error(error)
    return problems
