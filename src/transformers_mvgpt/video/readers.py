# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Reads frames with TorchCodec, OpenCV or decord. Where one of them would return a wrong frame, it is found out."""

import importlib.util
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import numpy as np

from .frame_geometry import square_size
from .frame_index import FrameIndex, average_fps
from .frame_request import FrameRequest, UndecodableFrame
from .sources import VideoSource
from .stream_properties import (
    StreamProperties,
    describe_stream,
    open_container,
    refuse_what_others_mistake,
    scan_stream,
)


class _Shown:
    """Knows how the stream is shown and when it starts, if PyAV is there to tell."""

    def __init__(self, source: VideoSource, request: FrameRequest) -> None:
        """
        Raises:
            UnsuitableBackend: if the decoder would return other pictures than those in the file.
        """
        self.source = source
        self.request = request
        self.properties: StreamProperties | None = describe_stream(source, request)
        if self.properties is not None:
            refuse_what_others_mistake(self.properties, request)

    def unsuitable(self, what_it_does: str) -> ValueError:
        """For a file that is not for this decoder, unless PyAV cannot open it either."""
        if self.properties is None and importlib.util.find_spec("av") is not None:
            return self.request.unreadable("it does not open")
        return self.request.unsuitable(what_it_does)

    def check_rotation(self, degrees: float) -> None:
        """`degrees` counter-clockwise is what the decoder knows of."""
        if self.properties is not None and (degrees - self.properties.rotation) % 360:
            raise self.request.unsuitable("does not turn pictures as this file asks")

    def size(self, height: int, width: int) -> tuple[int, int]:
        if self.properties is None:
            return height, width
        width, height = square_size(width, height, self.pixel_aspect_ratio)
        self.request.check_size(width, height)
        return height, width

    @property
    def pixel_aspect_ratio(self) -> Fraction:
        return Fraction(1) if self.properties is None else self.properties.shown_pixel_aspect_ratio

    def times(self, num_frames: int) -> np.ndarray | None:
        """When so many frames are shown, by the packets of the file."""
        if self.properties is None:
            return None
        index = scan_stream(self.source, self.request)
        return index.times if index is not None and len(index) == num_frames else None

    def start_seconds(self, is_told: bool) -> float:
        """`is_told` is whether the decoder itself says that the stream starts at zero."""
        if self.properties is not None:
            return self.properties.start_seconds or 0.0
        if is_told:
            return 0.0
        raise self.unsuitable("without PyAV beside it does not tell when a stream like this one starts")


def read_torchcodec(source: VideoSource, request: FrameRequest, index: FrameIndex | None) -> None:
    """
    Lets TorchCodec look at all packets first, unless the header of the file says that the rate is constant: then times
    can be computed, except that seeking by them skips frames of open groups. Either way the time of each frame is
    compared with the one it should have.
    """
    shown = _Shown(source, request)
    if source.container() == "other":
        # In AVI and MPEG streams TorchCodec numbers frames by decoding times, and silently returns their neighbors.
        raise shown.unsuitable("reads MP4, MOV, Matroska and WebM only")
    decoder_class = importlib.import_module("torchcodec.decoders").VideoDecoder
    can_compute_times = index is not None and index.has_constant_rate and not index.has_open_gops
    for seek_mode in ("approximate", "exact") if can_compute_times else ("exact",):
        try:
            decoder = decoder_class(source.content, seek_mode=seek_mode, num_ffmpeg_threads=0, device="cpu")
            num_threads = request.num_threads(decoder.metadata.width, decoder.metadata.height)
            if num_threads is not None:
                decoder = decoder_class(
                    source.content, seek_mode=seek_mode, num_ffmpeg_threads=num_threads, device="cpu"
                )
        except (RuntimeError, ValueError) as error:
            raise request.unreadable("it does not open") from error
        shown.check_rotation(decoder.metadata.rotation or 0)
        try:
            _take_torchcodec_frames(decoder, request, index, shown)
            return
        except UndecodableFrame:
            if seek_mode == "exact":
                raise


def _take_torchcodec_frames(decoder: Any, request: FrameRequest, index: FrameIndex | None, shown: _Shown) -> None:
    metadata = decoder.metadata
    request.check_size(metadata.width, metadata.height)
    times: np.ndarray | None
    assumed_times: np.ndarray | None = None
    if index is not None:
        num_frames, fps, times = len(index), index.fps, index.times
    else:
        num_frames, begin_seconds = len(decoder), metadata.begin_stream_seconds
        try:
            first, last = decoder.get_frame_at(0), decoder.get_frame_at(num_frames - 1)
        except (RuntimeError, IndexError) as error:
            raise request.unreadable("its first or last frame does not decode") from error
        if first.pts_seconds > begin_seconds:
            raise request.unsuitable("numbers frames from one that does not decode")
        fps = average_fps(num_frames, last.pts_seconds - begin_seconds, metadata.average_fps_from_header)
        times = shown.times(num_frames)
        if times is None and fps:
            # Without PyAV to look at all packets the start is known, and the rest only of a constant rate.
            assumed_times = begin_seconds + np.arange(num_frames) / fps

    size = shown.size(metadata.height, metadata.width)
    for number in request.choose(num_frames, fps, *size, assumed_times if times is None else times):
        try:
            frame = decoder.get_frame_at(number)
        except (RuntimeError, IndexError) as error:
            raise request.undecodable(number) from error
        if times is not None and abs(frame.pts_seconds - times[number]) > 1e-6:
            raise request.undecodable(number)
        request.put(number, frame.data, frame.pts_seconds, shown.pixel_aspect_ratio)


def read_opencv(source: VideoSource, request: FrameRequest, index: FrameIndex | None) -> None:
    """
    OpenCV computes where to seek from the average rate, so the frames it gets must have the times in the index; if they
    have not, it decodes from the start. Without an index it first counts the frames by decoding them.
    """
    cv2 = importlib.import_module("cv2")
    shown = _Shown(source, request)
    with source.as_path() as path:
        capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
        try:
            if not capture.isOpened():
                raise request.unreadable("it does not open")
            shown.check_rotation(-capture.get(cv2.CAP_PROP_ORIENTATION_META))
            size = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
            request.check_size(*size[::-1])
            num_threads = request.num_threads(*size[::-1])
            threads = [] if num_threads is None else [cv2.CAP_PROP_N_THREADS, num_threads]
            capture.open(path, cv2.CAP_FFMPEG, threads)
            times: np.ndarray | None = None
            promised_times: np.ndarray | None = None
            if index is None:
                num_frames, fps, times = _count_opencv_frames(cv2, capture, shown)
            else:
                num_frames, fps, times = len(index), index.fps, index.times
                promised_times = index.times - index.times[0]
            wanted = request.choose(num_frames, fps, *shown.size(*size), times)
            for may_seek in (False,) if index is None else (True, False):
                capture.open(path, cv2.CAP_FFMPEG, threads)
                try:
                    for number, seconds, frame in _opencv_frames(cv2, capture, wanted, may_seek):
                        if frame is None:
                            raise request.undecodable(number)
                        if promised_times is not None and abs(seconds - promised_times[number]) > 1e-3:
                            raise request.undecodable(number)
                        shown_at = None if times is None else float(times[number])
                        request.put(number, frame, shown_at, shown.pixel_aspect_ratio)
                    return
                except UndecodableFrame:
                    if not may_seek:
                        raise
        finally:
            capture.release()


def _count_opencv_frames(cv2: Any, capture: Any, shown: _Shown) -> tuple[int, float | None, np.ndarray | None]:
    """Number of frames, their average rate, and their times if known."""
    times = []
    starts_at_zero = False
    while capture.grab():
        # It counts from the start of the stream.
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        starts_at_zero = starts_at_zero or capture.get(cv2.CAP_PROP_PTS) == 0
    if not times:
        return 0, None, None
    start_seconds = shown.start_seconds(is_told=starts_at_zero)
    fps, checked = _checked_times(np.array(times) + start_seconds, capture.get(cv2.CAP_PROP_FPS))
    if checked is None and (known := shown.times(len(times))) is not None:
        fps, checked = _checked_times(known, capture.get(cv2.CAP_PROP_FPS))
    return len(times), fps, checked


def _opencv_frames(
    cv2: Any, capture: Any, wanted: list[int], may_seek: bool
) -> Iterator[tuple[int, float, np.ndarray | None]]:
    """Number, seconds from the start of the stream, and frame; no frame at the end, or at what does not decode."""
    num_grabbed = 0
    for number in wanted:
        if may_seek and number > num_grabbed:
            capture.set(cv2.CAP_PROP_POS_FRAMES, number)
            num_grabbed = number
        is_decoded = True
        while num_grabbed <= number and is_decoded:
            is_decoded = capture.grab()
            num_grabbed += 1
        seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if is_decoded:
            is_decoded, picture = capture.retrieve()
        if not is_decoded:
            yield number, seconds, None
            return
        yield number, seconds, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).transpose(2, 0, 1)


def read_decord(source: VideoSource, request: FrameRequest, index: FrameIndex | None) -> None:
    """
    Seeks only where the index shows that it is safe: at open groups of pictures decord returns wrong frames, and it
    does not tell the time of what it returns. Elsewhere it decodes from the start.
    """
    shown = _Shown(source, request)
    if index is None and source.container() != "matroska":
        # With edit lists and in MPEG streams it counts packets that are never shown, and repeats frames instead.
        raise shown.unsuitable("reads Matroska, WebM, and MP4 and MOV without edits or fragments only")
    if index is None:
        # It knows of no turns but those in the header of MP4.
        shown.check_rotation(0)
    num_threads = _check_declared_size(source, request)
    decord = importlib.import_module("decord")
    errors = (decord.DECORDError, RuntimeError, AssertionError, StopIteration)
    try:
        reader = decord.VideoReader(source.path_or_stream(), ctx=decord.cpu(0), num_threads=num_threads)
        frame = _next_decord_frame(reader)
    except errors as error:
        raise request.unreadable("it does not open") from error
    if index is None:
        if reader.get_key_indices()[0] != 0:
            raise request.unsuitable("numbers frames from one that does not decode")
        num_frames = len(reader)
        timestamps = reader.get_frame_timestamp(range(num_frames))[:, 0].astype(np.float64)
        timestamps += shown.start_seconds(is_told=False) - timestamps[0]
        fps, times = _checked_times(timestamps, reader.get_avg_fps())
    else:
        num_frames, fps, times = len(index), index.fps, index.times

    can_seek = index is not None and not index.has_open_gops
    latest = 0
    for number in request.choose(num_frames, fps, *shown.size(*frame.shape[1:]), times):
        try:
            if can_seek and number > latest + 1:
                reader.seek_accurate(number)
                latest = number - 1
            while latest < number:
                frame = _next_decord_frame(reader)
                latest += 1
        except errors as error:
            raise request.undecodable(number) from error
        request.put(number, frame, None if times is None else float(times[number]), shown.pixel_aspect_ratio)


def _check_declared_size(source: VideoSource, request: FrameRequest) -> int:
    """The number of threads to open with. decord decodes as it opens, and tells no size before: where PyAV is there, it is asked."""
    try:
        av = importlib.import_module("av")
    except ImportError:
        return 0
    num_threads = None
    with suppress(av.FFmpegError), open_container(av, source, is_any_container=True) as container:
        for stream in container.streams.video:
            request.check_size(stream.width, stream.height)
            num_threads = request.num_threads(stream.width, stream.height)
    return num_threads or 0


def _next_decord_frame(reader: Any) -> np.ndarray:
    frame = reader.next()
    # `decord.bridge.set_bridge("torch")` makes it a tensor.
    picture = frame.asnumpy() if hasattr(frame, "asnumpy") else np.asarray(frame)
    # Where decord pads the rows of a picture, it counts the padding as more channels: (64, 48, 4) instead of 3.
    height, width, _ = picture.shape
    picture = picture.reshape(height, -1)[:, : 3 * width].reshape(height, width, 3)
    return picture.transpose(2, 0, 1)


def _checked_times(times: np.ndarray, declared_fps: float) -> tuple[float | None, np.ndarray | None]:
    """Average rate, and the times unless the container has none that make sense."""
    if len(times) == 0 or np.any(np.diff(times) <= 0):
        return declared_fps if declared_fps > 0 else None, None
    return average_fps(len(times), float(times[-1] - times[0]), declared_fps), times
