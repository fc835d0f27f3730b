# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Which images belong together, where several of them may stand behind one placeholder."""

from typing import Any


def group_images(images: Any, num_visuals: list[int] | None) -> list[list[Any]]:
    """
    Args:
        images:
            An image, or visuals: in one list, or in a list for each prompt. A visual is an image, a list of images, or an array with
            a dimension more than an image, `(frames, height, width, 3)`.
        num_visuals (`list[int]`, *optional*):
            How many placeholders each prompt has; without text, every image is a visual.

    Returns:
        `list[list]`: the images of each visual. Where nothing that is given is as many as there are placeholders, each image is one.
    """
    singles = _flat(images)
    if num_visuals is not None and len(singles) != sum(num_visuals):
        visuals = list(images) if isinstance(images, (list, tuple)) else [images]
        if [len(given) if isinstance(given, (list, tuple)) else 1 for given in visuals] == num_visuals:
            visuals = [
                visual for given in visuals for visual in (given if isinstance(given, (list, tuple)) else [given])
            ]
        groups = [_flat(visual) for visual in visuals]
        if len(groups) == sum(num_visuals) and all(groups):
            return groups
    return [[image] for image in singles]


def _flat(images: Any) -> list[Any]:
    """Single images."""
    if isinstance(images, (list, tuple)) or len(getattr(images, "shape", ())) > 3:
        return [image for item in images for image in _flat(item)]
    return [images]
