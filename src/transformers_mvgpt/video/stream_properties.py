# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What a decoder has to respect in a video stream, as PyAV understands it. The other decoders are held to it."""

import importlib
import math
import struct
from array import array
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from .frame_geometry import Orientation, read_display_matrix
from .frame_index import MAX_INDEXED_FRAMES, FrameIndex
from .frame_request import FrameRequest
from .sources import VideoSource


# FFmpeg's flags of formats whose clocks run on from anywhere (MPEG-TS), or that have none (raw H.264).
AVFMT_TS_DISCONT = 0x0200
AVFMT_NOTIMESTAMPS = 0x0080

# FFmpeg's dispositions of streams that are pictures beside others: covers and thumbnails.
PICTURE_DISPOSITIONS = 0x0400 | 0x0800

# FFmpeg's decoders of VP8 and VP9 ignore the transparency that WebM has beside the pictures; those of libvpx do not.
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}

# FFmpeg's numbers of the matrices that OpenCV knows: RGB, BT.709, unspecified, BT.470BG, BT.601
OPENCV_COLOR_SPACES = (0, 1, 2, 5, 6)


@dataclass(frozen=True)
class StreamProperties:
    """
    Args:
        start_seconds (`float` or `None`):
            When the stream starts on the clock of the container, see `SampledVideoMetadata`; `None` in formats without times.
        orientation (`Orientation`):
            How its pictures are to be turned or mirrored.
        rotation (`float`):
            The rotation in it, in degrees counter-clockwise, which is all that other decoders report.
        pixel_aspect_ratio (`Fraction`):
            Width over height of one pixel as it is stored.
        has_alpha, is_interlaced (`bool`):
            Of the first frame.
        bits_per_color (`int`):
            More than 8 have to be rounded, and the way of doing that differs.
        color_space (`int`):
            FFmpeg's number of the matrix between RGB and YUV.
        has_pictures_beside (`bool`):
            Whether other streams are covers or thumbnails.
    """

    start_seconds: float | None
    orientation: Orientation
    rotation: float
    pixel_aspect_ratio: Fraction
    has_alpha: bool
    is_interlaced: bool
    bits_per_color: int
    color_space: int
    has_pictures_beside: bool

    @property
    def shown_pixel_aspect_ratio(self) -> Fraction:
        """Width over height of one pixel as it is shown."""
        return 1 / self.pixel_aspect_ratio if self.orientation.is_transposed else self.pixel_aspect_ratio


def describe_stream(source: VideoSource, request: FrameRequest) -> StreamProperties | None:
    """
    `None` without PyAV, which is a requirement of the package but not of an exported repository, and for files that it does not open.

    Raises:
        ValueError: if there is no video stream, or it asks for a turn that no decoder makes.
    """
    try:
        av = importlib.import_module("av")
    except ImportError:
        return None
    with suppress(av.FFmpegError), closing(open_container(av, source)) as container:
        stream = best_video_stream(container, request)
        decoder = stream.codec_context
        if decoder is None:
            return None
        request.check_size(decoder.width, decoder.height)
        decoder.options = {"max_pixels": str(request.limits.max_pixels_per_frame)}
        frame = None
        with suppress(av.FFmpegError, IndexError):
            frame = next(container.decode(stream), None)
        pixel_format = decoder.format if frame is None else frame.format
        if pixel_format is None:
            return None
        start = None if stream.start_time is None else float(stream.start_time * stream.time_base)
        has_times = container.format.name != "avi" and not container.format.flags & AVFMT_NOTIMESTAMPS
        return StreamProperties(
            start_seconds=start - clock_origin(container) if has_times and start is not None else None,
            orientation=Orientation() if frame is None else read_orientation(frame, f"The video {request.name}"),
            rotation=0 if frame is None else frame.rotation,
            pixel_aspect_ratio=pixel_aspect_ratio(stream),
            has_alpha=has_alpha(pixel_format) or alpha_decoder(stream) is not None,
            is_interlaced=frame is not None and frame.interlaced_frame,
            bits_per_color=max((component.bits for component in pixel_format.components), default=8),
            color_space=int(decoder.colorspace if frame is None else frame.colorspace),
            has_pictures_beside=len(container.streams.video) > len(_moving_streams(container)),
        )
    return None


def open_container(av: Any, source: VideoSource, is_any_container: bool = False) -> Any:
    """`is_any_container` lets FFmpeg itself find out what the file is, as the decoders beside PyAV do."""
    # Titles and the like need not be UTF-8. Up to 18 PyAV raises then, unless it is told otherwise; from 19 on it never does, and
    # there is nothing to tell. What its `open` takes cannot be asked: it has no signature in all versions.
    text_options = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "replace"}
    # Not as `options`, which are also the streams': up to 16 PyAV reads past them where a stream turns up after the header (FLV).
    options = {} if is_any_container else source.demuxer_options
    return av.open(source.path_or_stream(), container_options=options, **text_options)


def demux(container: Any, stream: Any) -> Iterator[Any]:
    while True:
        try:
            yield from container.demux(stream)
            return
        except IndexError:  # PyAV stumbles over packets of a stream that begins later. They are not wanted anyway.
            continue


def repeats_frame(packet: Any) -> bool:
    """Whether it is one of Theora's that say "as the frame before", with nothing in them. PyAV takes them for the end of the stream."""
    return not packet.size and packet.pts is not None and packet.stream.codec_context.codec.canonical_name == "theora"


def read_packet_index(container: Any, stream: Any, request: FrameRequest) -> FrameIndex | None:
    """
    The index that all packets of a stream give, from here on; `None` where they have no proper times (AVI, raw H.264).

    Raises:
        ValueError: if there are more than `MAX_INDEXED_FRAMES`.
    """
    times, keys = array("q"), array("b")
    for packet in demux(container, stream):
        if not (packet.size or repeats_frame(packet)) or packet.is_discard:
            continue
        if packet.pts is None:
            return None
        if len(times) == MAX_INDEXED_FRAMES:
            raise ValueError(
                f"The video {request.name} has more than {MAX_INDEXED_FRAMES:,} frames. Cut it into parts."
            )
        times.append(packet.pts)
        keys.append(packet.is_keyframe)
    if not times:
        return None
    pts, is_keyframe = np.frombuffer(times, dtype=np.int64), np.frombuffer(keys, dtype=np.int8)
    declared_fps = float(stream.average_rate) if stream.average_rate else None
    # AVI has no presentation times: those that FFmpeg makes up count the delay of the decoder.
    origin_seconds = float(pts.min() * stream.time_base) if container.format.name == "avi" else clock_origin(container)
    return FrameIndex.from_stored_order(pts, is_keyframe.astype(bool), stream.time_base, declared_fps, origin_seconds)


def scan_stream(source: VideoSource, request: FrameRequest) -> FrameIndex | None:
    """As [`read_packet_index`], of a file that [`describe_stream`] could open."""
    av = importlib.import_module("av")
    with suppress(av.FFmpegError), closing(open_container(av, source)) as container:
        return read_packet_index(container, best_video_stream(container, request), request)
    return None


def _moving_streams(container: Any) -> list[Any]:
    # up to PyAV 15 a disposition is no integer
    return [stream for stream in container.streams.video if not stream.disposition.value & PICTURE_DISPOSITIONS]


def best_video_stream(container: Any, request: FrameRequest) -> Any:
    """
    Raises:
        ValueError: if there is none. A picture that comes along with sound is none.
    """
    candidates = _moving_streams(container)
    if not candidates:
        raise ValueError(f"The video {request.name} has no video stream. Pass a file that has one.")
    best = container.streams.best("video")
    return next((stream for stream in candidates if best is not None and stream.index == best.index), candidates[0])


def clock_origin(container: Any) -> float:
    """Seconds on the clock of the file at which players start to count."""
    runs_on = container.format.flags & AVFMT_TS_DISCONT and container.start_time is not None
    return container.start_time / 1_000_000 if runs_on else 0.0


def pixel_aspect_ratio(stream: Any) -> Fraction:
    ratio = stream.sample_aspect_ratio
    return ratio if ratio is not None and ratio > 0 else Fraction(1)


def has_alpha(pixel_format: Any) -> bool:
    return pixel_format.name == "pal8" or any(component.is_alpha for component in pixel_format.components)


def alpha_decoder(stream: Any) -> str | None:
    """The name of the decoder that a stream with transparency beside its pictures needs."""
    if stream.metadata.get("alpha_mode") != "1":
        return None
    return ALPHA_DECODERS.get(stream.codec_context.codec.canonical_name)


def read_orientation(frame: Any, title: str) -> Orientation:
    """
    Raises:
        ValueError: if it is none of the eight. `title` begins the message, as in "The video 'a.mp4'".
    """
    try:
        return read_display_matrix(_display_matrix(frame))
    except ValueError as error:
        raise ValueError(
            f"{title} asks players to turn it by {error}, which is no quarter turn: re-encode it upright, e.g. with "
            "`ffmpeg -i video.mp4 upright.mp4`."
        ) from error


def _display_matrix(frame: Any) -> bytes:
    """Of zeros, which ask for nothing, where there is none."""
    try:
        # `frame.side_data` would tie the frame to itself: it would wait for the garbage collector.
        matrix = importlib.import_module("av.sidedata.sidedata").SideDataContainer(frame).get("DISPLAYMATRIX")
    except ValueError:
        # PyAV 18 does not know all that its FFmpeg attaches, such as the EXIF of motion JPEG. Of the matrix it then tells the rotation.
        angle = math.radians(-frame.rotation)
        x, y = round(65536 * math.cos(angle)), round(65536 * math.sin(angle))
        return struct.pack("=9i", x, y, 0, -y, x, 0, 0, 0, 1 << 30)
    return bytes(36) if matrix is None else bytes(matrix)


def refuse_what_others_mistake(properties: StreamProperties, request: FrameRequest) -> None:
    """
    Raises:
        UnsuitableBackend: if `request.backend`, one of those beside PyAV, would return other pictures.
    """
    backend = request.backend
    if properties.has_alpha:
        raise request.unsuitable("makes transparent pixels opaque")
    if properties.orientation.is_mirrored:
        raise request.unsuitable("does not mirror pictures as this file asks")
    if properties.has_pictures_beside:
        raise request.unsuitable("may take the cover picture in this file for the video")
    if properties.is_interlaced:
        returned = (
            "memory that nothing was written to"
            if backend == "opencv"
            else "colors that belong to the lines beside them"
        )
        raise request.unsuitable(f"returns {returned} for interlaced video")
    if backend == "torchcodec":
        return
    if properties.bits_per_color > 8:
        raise request.unsuitable(f"brings colors of {properties.bits_per_color} bits to 8 in a way of its own")
    if backend == "opencv" and properties.color_space not in OPENCV_COLOR_SPACES:
        raise request.unsuitable("takes BT.2020 and other color spaces for BT.601")
