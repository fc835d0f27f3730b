# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Reads pictures, animated ones (GIF, WebP, APNG) and folders of frames with Pillow: for them no video decoder is needed."""

import os
from itertools import accumulate

import numpy as np
from PIL import Image

from .frame_folders import IMAGE_SUFFIXES, frame_names
from .frame_request import FrameRequest
from .limits import UntrustedInput, shorten
from .picture_times import ANIMATED_FORMATS, MAX_FRAMES, TooManyFrames, shown_seconds
from .pictures import PILLOW_ERRORS, UnusablePicture, check_picture_size, open_picture, to_rgb_array, turn_upright
from .regular_files import confine, open_regular
from .sources import VideoSource


# Of all frames that have to be drawn, one on top of the other: about ten seconds.
MAX_DRAWN_PIXELS = 2**31


def read_pictures(source: VideoSource, request: FrameRequest, untrusted_input: UntrustedInput) -> None:
    """
    The frames as they are shown, each on top of those before it; transparent pixels are white. The pages of a TIFF are frames
    without times. What is not animated is a video of one frame.
    """
    with source.open() as file:
        try:
            image = open_picture(file, source.title, untrusted_input)
            kind = image.format or ""
            times: list[float] = []
            num_frames = getattr(image, "n_frames", 1) if kind == "TIFF" else 1
            if kind in ANIMATED_FORMATS:
                with source.open() as again:
                    durations = shown_seconds(again, kind)
                if durations:
                    num_frames, times = len(durations), [0.0, *accumulate(durations)]
            if num_frames > MAX_FRAMES:
                raise TooManyFrames
            if num_frames == 1:
                turn_upright(image)
        except UnusablePicture:
            raise
        except TooManyFrames:
            raise _too_long(source, f"has more than {MAX_FRAMES:,} frames") from None
        except PILLOW_ERRORS as error:
            raise request.unreadable("it does not open") from error
        # In front of its animation, an APNG may have a picture for those who do not know of animations.
        num_before = 1 if getattr(image, "default_image", False) and num_frames > 1 else 0
        fps = num_frames / times[-1] if times else None
        wanted = request.choose(num_frames, fps, image.height, image.width, np.array(times[:-1]) if times else None)
        if (wanted[-1] + 1) * image.width * image.height > MAX_DRAWN_PIXELS and num_frames > 1 and times:
            raise _too_long(source, f"is an animation of {num_frames:,} frames of {image.width}x{image.height}")
        for number in wanted:
            try:
                if num_frames > 1:
                    image.seek(number + num_before)
                    check_picture_size(image, source.title, untrusted_input)
                picture = _channels_first(image)
            except UnusablePicture:
                raise
            except PILLOW_ERRORS as error:
                raise request.undecodable(number) from error
            request.put(number, picture, times[number] if times else None)


def _too_long(source: VideoSource, what: str) -> ValueError:
    return ValueError(
        f"{source.title} {what}, all of which would have to be drawn one after the other. Make a video of it (`ffmpeg -i "
        "animation clip.mp4`) and pass that."
    )


def read_folder(source: VideoSource, request: FrameRequest, untrusted_input: UntrustedInput) -> None:
    """The images of a folder by their names, `frame_2` before `frame_10`. Only those that are wanted are decoded."""
    folder = str(source.content)
    try:
        found = os.listdir(folder)
    except OSError as error:
        raise type(error)(
            f"The folder {source.name} cannot be opened: {error.strerror}. Check its path and who may read it."
        ) from error
    names = frame_names(found)
    if not names:
        raise ValueError(
            f"The folder {request.name} holds no images. Its frames must be files that end in one of: "
            f"{', '.join(IMAGE_SUFFIXES)}."
        )
    first = _read_image(os.path.join(folder, names[0]), untrusted_input)
    for number in request.choose(len(names), None, *first.shape[1:]):
        picture = first if number == 0 else _read_image(os.path.join(folder, names[number]), untrusted_input)
        request.put(number, picture, None)


def _read_image(path: str, untrusted_input: UntrustedInput) -> np.ndarray:
    title = f"The frame '{shorten(path)}'"
    path = confine(path, untrusted_input, title)
    with open_regular(path, title) as file:
        try:
            image = open_picture(file, title, untrusted_input)
            turn_upright(image)
            return _channels_first(image)
        except UnusablePicture:
            raise
        except PILLOW_ERRORS as error:
            raise ValueError(f"{title} could not be read ({shorten(str(error))}). Replace it or remove it.") from error


def _channels_first(image: Image.Image) -> np.ndarray:
    """uint8 RGB of shape `(3, height, width)`."""
    return to_rgb_array(image).transpose(2, 0, 1)
