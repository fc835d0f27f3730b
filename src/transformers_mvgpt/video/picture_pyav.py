# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""An image with PyAV, where Pillow is not installed: upright, on white, within the same limits."""

import importlib
from contextlib import closing
from io import BytesIO
from typing import Any

import numpy as np

from .frame_geometry import Orientation
from .limits import UntrustedInput, shorten
from .memory_errors import explain_memory_errors
from .picture_headers import read_picture_header
from .reader_pyav import rgb_picture
from .sources import VideoSource
from .stream_properties import read_orientation


# FFmpeg's names of what holds a single picture, or begins with one.
_DEMUXERS = "jpeg_pipe,png_pipe,apng,webp_pipe,gif,bmp_pipe,tiff_pipe,pbm_pipe,pgm_pipe,ppm_pipe,pam_pipe,j2k_pipe,mov"
# What AVIF and HEIF say they are, behind the length and name of the first box of MP4.
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")
# EXIF's eight orientations, from 1 on
_ORIENTATIONS = (
    Orientation(),
    Orientation(reverses_columns=True),
    Orientation(reverses_rows=True, reverses_columns=True),
    Orientation(reverses_rows=True),
    Orientation(is_transposed=True),
    Orientation(is_transposed=True, reverses_columns=True),
    Orientation(is_transposed=True, reverses_rows=True, reverses_columns=True),
    Orientation(is_transposed=True, reverses_rows=True),
)


class _NoPicture(Exception):
    """Nothing that FFmpeg makes a picture of."""


def read_picture_with_pyav(source: VideoSource, limits: UntrustedInput) -> np.ndarray:
    """
    An image of [`resolve_image`]: uint8 RGB of shape `(height, width, 3)`, of an animated one the first frame.

    Raises:
        ImportError: if PyAV is not installed.
        ValueError: if it is damaged, no image, or larger than a limit or than memory.
    """
    av = importlib.import_module("av")
    with source.open() as file:
        data = file.read(limits.max_download_bytes + 1)
    if len(data) > limits.max_download_bytes:
        raise ValueError(
            f"{source.title} has more bytes than are taken ({limits.max_download_bytes:,}): scale it down, or raise `max_download_bytes` "
            "of `untrusted_input=UntrustedInput(...)`."
        )
    is_mp4 = source.container() == "mp4"
    if is_mp4 and data[8:12] not in _BRANDS:
        raise ValueError(f"{source.title} is a video. Pass it as one, or an image.")
    header = read_picture_header(data)
    limits.check_size(source.title, header.width, header.height)
    try:
        with explain_memory_errors(lambda: source.title):
            frame = _first_frame(av, data, source.title, limits)
            # AVIF and HEIF, kinds of MP4, have it beside the picture
            orientation = _ORIENTATIONS[header.orientation - 1]
            if is_mp4:
                orientation = read_orientation(frame, source.title)
            limits.check_size(source.title, frame.width, frame.height)
            picture = orientation.apply(rgb_picture(_with_colors_between(frame)))
    except (av.FFmpegError, _NoPicture) as error:
        reason = getattr(error, "strerror", None) or "there is no picture in it"
        raise ValueError(
            f"{source.title} could not be read: {shorten(reason).rstrip('.')}. It is damaged, cut short or no image, or of a kind that "
            "Pillow reads: check that it opens elsewhere, or `pip install pillow`."
        ) from error
    return np.ascontiguousarray(picture.transpose(1, 2, 0))


def _first_frame(av: Any, data: bytes, title: str, limits: UntrustedInput) -> Any:
    whitelists = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "file"}
    strict = {"max_pixels": str(limits.max_pixels_per_frame)}
    if data.startswith(b"\xff\xd8"):
        strict["err_detect"] = "explode"  # else what is cut off a JPEG becomes gray
    # no name, which might be a pattern of others
    with closing(av.open(BytesIO(data), options=strict, container_options=whitelists)) as container:
        stream = next(iter(container.streams.video), None)
        if stream is None or stream.codec_context is None:
            raise _NoPicture
        limits.check_size(title, stream.codec_context.width, stream.codec_context.height)
        stream.codec_context.options = strict
        for frame in container.decode(stream):
            return frame
        raise _NoPicture


def _with_colors_between(frame: Any) -> Any:
    """A picture with fewer colors than pixels (4:2:0) gets those between by interpolation, as Pillow's libraries do, not by repetition."""
    full = {"yuvj420p": "yuvj444p", "yuvj422p": "yuvj444p", "yuv420p": "yuv444p", "yuv422p": "yuv444p"}
    wanted = full.get(frame.format.name)
    return frame if wanted is None else frame.reformat(format=wanted, interpolation="BILINEAR")
