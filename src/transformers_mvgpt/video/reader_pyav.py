# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Reads frames with PyAV, which tells the time of every packet and every decoded frame: nothing has to be assumed."""

import importlib
from collections.abc import Iterator
from contextlib import closing, suppress
from fractions import Fraction
from itertools import chain
from typing import Any

import numpy as np

from .frame_geometry import Orientation, lay_on_white, square_size
from .frame_index import FrameIndex
from .frame_request import FrameRequest
from .sources import VideoSource
from .stream_properties import (
    alpha_decoder,
    best_video_stream,
    demux,
    has_alpha,
    open_container,
    pixel_aspect_ratio,
    read_orientation,
    read_packet_index,
    repeats_frame,
)


# FFmpeg converts so many transparent pixels at a time, and of the rest of a row it leaves some as its memory was.
_VECTOR_PIXELS = 32


class _MisnumberedFrames(Exception):
    """The decoded frames are not those that the index announces."""


def read_pyav(source: VideoSource, request: FrameRequest, index: FrameIndex | None) -> None:
    """
    Seeks to the keyframe before a wanted frame and decodes from there. `index` is what the header of the file says;
    without it, all packets are looked at but not decoded. Where packets have no proper times (AVI, raw H.264), the
    file is decoded twice: to count its frames, then to take those that are wanted.
    """
    av = importlib.import_module("av")
    try:
        with closing(_Video(av, source, request)) as video:
            if index is not None and video.agrees_with(index):
                video.read(index, is_promised=True)
                return
            with suppress(_MisnumberedFrames):
                video.read(video.scan(), is_promised=False)
                return
            video.count_and_read()
    except av.FFmpegError as error:
        raise request.unreadable(error.strerror) from error


class _Video:
    """An open file, read from its start unless [`frame_at`] seeks."""

    numbered: Iterator[tuple[int, Any]]  # the frames from here on, with their numbers

    def __init__(self, av: Any, source: VideoSource, request: FrameRequest) -> None:
        self.av = av
        self.source = source
        self.request = request
        self.open()

    def open(self) -> None:
        self.container = open_container(self.av, self.source)
        try:
            self.stream = best_video_stream(self.container, self.request)
            if self.stream.codec_context is None:
                raise self.request.unsuitable("does not know its codec")
            self.decoder = self.stream.codec_context
            if (name := alpha_decoder(self.stream)) is not None:
                self.decoder = self._make_decoder(name)
        except ValueError:
            self.close()
            raise
        self.request.check_size(self.decoder.width, self.decoder.height)
        # What the packets say may differ from the header, and change on the way: then the decoder must not even begin.
        self.decoder.options = {"max_pixels": str(self.request.limits.max_pixels_per_frame)}
        # which gives a frame later than its packet, where Theora's may be followed by packets that repeat it
        self.decoder.thread_type = "SLICE" if self.decoder.codec.canonical_name == "theora" else "AUTO"
        if (num_threads := self.request.num_threads(self.decoder.width, self.decoder.height)) is not None:
            self.decoder.thread_count = num_threads

    def _make_decoder(self, name: str) -> Any:
        try:
            decoder = self.av.CodecContext.create(name, "r")
        except self.av.codec.codec.UnknownCodecError as error:
            raise self.request.unsuitable("was built without libvpx, which reads transparent VP8 and VP9") from error
        decoder.extradata = self.stream.codec_context.extradata
        return decoder

    def close(self) -> None:
        # It refers back to this object: both would wait for the garbage collector, with a decoder and its threads. In a process
        # forked meanwhile, which lacks these threads, freeing it would never end.
        self.numbered = iter(())
        self.container.close()

    def rewind(self) -> None:
        """Opens the file again: without an index, as in MPEG-TS, no seek leads back to the very first frame."""
        self.close()
        self.open()

    def agrees_with(self, index: FrameIndex) -> bool:
        """Whether FFmpeg understands the header of the file as `index` does."""
        understood = (self.stream.frames, self.stream.start_time, self.stream.time_base)
        return understood == (len(index), index.pts[0], index.time_base)

    def scan(self) -> FrameIndex:
        """The index that the packets give."""
        index = read_packet_index(self.container, self.stream, self.request)
        self.rewind()
        if index is None:
            raise _MisnumberedFrames
        return index

    def decode(self) -> Iterator[Any]:
        """The frames from here on, in the order shown."""
        frame = None
        for packet in demux(self.container, self.stream):
            if repeats_frame(packet):
                # the decoder gives frames of this codec at once: it has no threads for several
                if frame is not None:
                    frame.pts = packet.pts
                    yield frame
                continue
            # the packet at the end is empty
            for frame in self.decoder.decode(packet if packet.size else None):
                self.request.check_size(frame.width, frame.height)
                yield frame

    def read(self, index: FrameIndex, is_promised: bool) -> None:
        """
        Reads by seeking. If the frames found are not those of `index`, the file is damaged if its header promises
        them; otherwise `index` is wrong, and `_MisnumberedFrames` is raised.
        """
        frames = self.decode()
        first = self.first(frames)
        if not is_promised and first.pts != index.pts[0]:
            raise _MisnumberedFrames
        times = index.times
        wanted = self.request.choose(len(index), index.fps, *self.as_shown(first)[-1], times)
        self.numbered = _number(chain([first], frames), index)
        self.latest = -1
        for target in wanted:
            try:
                frame = self.frame_at(target, index, may_skip=is_promised)
            except self.av.InvalidDataError as error:
                raise self.request.undecodable(target) from error
            except _MisnumberedFrames as error:
                if not is_promised:
                    raise
                raise self.request.undecodable(target) from error
            self.put(target, frame, float(times[target]))

    def first(self, frames: Iterator[Any]) -> Any:
        for frame in frames:
            return frame
        raise self.request.unreadable("not one frame decodes")

    def frame_at(self, target: int, index: FrameIndex, may_skip: bool) -> Any:
        """Frame `target`, which is after `self.latest`."""
        num_keyframes = index.num_keyframes_until(target)
        if num_keyframes and index.keyframes[num_keyframes - 1] > self.latest + 1:
            self.seek(num_keyframes, index)
        frame = None
        while self.latest < target:
            number, frame = next(self.numbered, (len(index), None))
            if number != self.latest + 1 and not (may_skip and number <= target):
                raise _MisnumberedFrames
            self.latest = number
        return frame

    def seek(self, num_keyframes: int, index: FrameIndex) -> None:
        """Makes the last of so many keyframes the next frame. Some containers seek past it: then to the one before."""
        for keyframe in reversed(index.keyframes[:num_keyframes]):
            if keyframe == 0:
                self.rewind()
            else:
                self.container.seek(int(index.pts[keyframe]), stream=self.stream)
                self.decoder.flush_buffers()
            numbered = _number(self.decode(), index)
            first = next((pair for pair in numbered if pair[0] >= keyframe), None)
            if first is not None and first[0] == keyframe:
                self.numbered = chain([first], numbered)
                self.latest = keyframe - 1
                return
        raise _MisnumberedFrames

    def as_shown(self, frame: Any) -> tuple[Orientation, Fraction, tuple[int, int]]:
        """How players turn a frame; width over height of its pixels, height and width of the whole then."""
        orientation = read_orientation(frame, f"The video {self.request.name}")
        ratio = pixel_aspect_ratio(self.stream)
        ratio = 1 / ratio if orientation.is_transposed else ratio
        size = (frame.height, frame.width) if orientation.is_transposed else (frame.width, frame.height)
        width, height = square_size(*size, ratio)
        self.request.check_size(width, height)
        return orientation, ratio, (height, width)

    def put(self, number: int, frame: Any, seconds: float | None) -> None:
        orientation, ratio, _ = self.as_shown(frame)
        self.request.put(number, orientation.apply(rgb_picture(frame)), seconds, ratio)

    def count_and_read(self) -> None:
        """Reads without regard to times: what decodes is counted."""
        self.rewind()
        frames = self.decode()
        first = self.first(frames)
        num_frames = 1 + sum(1 for _ in frames)
        fps = self.stream.average_rate
        wanted = self.request.choose(num_frames, float(fps) if fps else None, *self.as_shown(first)[-1])
        self.rewind()
        frames = enumerate(self.decode())
        for target in wanted:
            frame = next((frame for number, frame in frames if number == target), None)
            if frame is None:
                raise self.request.undecodable(target)
            self.put(target, frame, None)


def _number(frames: Iterator[Any], index: FrameIndex) -> Iterator[tuple[int, Any]]:
    """Pairs each frame with its number, found by its time."""
    for frame in frames:
        number = len(index) if frame.pts is None else int(np.searchsorted(index.pts, frame.pts))
        if number == len(index) or index.pts[number] != frame.pts:
            raise _MisnumberedFrames
        yield number, frame


def rgb_picture(frame: Any) -> np.ndarray:
    """uint8 RGB of shape `(3, height, width)` as it is stored; transparent pixels are white."""
    if has_alpha(frame.format):
        is_whole = frame.format.name != "yuva420p" or frame.width % _VECTOR_PIXELS == 0
        wide = frame if is_whole else _copy(frame, frame.width + -frame.width % _VECTOR_PIXELS)
        return lay_on_white(_to_rgb(wide, "rgba")[:, :, : frame.width])
    if max(component.bits for component in frame.format.components) <= 8:
        return _to_rgb(frame, "rgb24")
    # With more bits FFmpeg 8 heeds where chroma samples lie, and other versions do not: what is not said is the same for all.
    return _to_rgb(_copy(frame, frame.width), "rgb24", interpolation="BICUBIC")


def _to_rgb(frame: Any, pixel_format: str, **options: Any) -> np.ndarray:
    # Up to 16 PyAV takes all colors for BT.601 unless the matrix and the range are named, and are to become others.
    colors = {"src_colorspace": int(frame.colorspace), "src_color_range": int(frame.color_range)}
    pixels = frame.to_ndarray(format=pixel_format, dst_colorspace="DEFAULT", **colors, **options)
    return pixels.transpose(2, 0, 1)


def _copy(frame: Any, width: int) -> Any:
    """The pixels and colors of a frame and nothing else that it says, in one that may be wider."""
    copy = type(frame)(width, frame.height, frame.format.name)
    for to, plane in zip(copy.planes, frame.planes, strict=True):
        rows = np.frombuffer(plane, np.uint8)[: plane.line_size * plane.height].reshape(plane.height, plane.line_size)
        copied = np.zeros(to.buffer_size, np.uint8)
        num_bytes = min(to.line_size, plane.line_size)
        copied[: to.line_size * plane.height].reshape(plane.height, to.line_size)[:, :num_bytes] = rows[:, :num_bytes]
        to.update(copied)
    copy.colorspace, copy.color_range = frame.colorspace, frame.color_range
    return copy
