# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Reads frames with TorchCodec, OpenCV or decord. Where one of them would return a wrong frame, it is found out."""

import importlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import torch

from .frame_index import FrameIndex, average_fps
from .sources import VideoSource
from .video_metadata import FrameRequest, UndecodableFrame


def read_torchcodec(source: VideoSource, request: FrameRequest, index: FrameIndex | None) -> None:
    """
    Lets TorchCodec look at all packets first, unless the header of the file says that the rate is constant: then times
    can be computed, except that seeking by them skips frames of open groups. Either way the time of each frame is
    compared with the one it should have.
    """
    if source.container() == "other":
        # In AVI and MPEG streams TorchCodec numbers frames by decoding times, and silently returns their neighbors.
        raise request.unreadable("this is no MP4, MOV, Matroska or WebM file, and it reads no others exactly")
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
        try:
            _take_torchcodec_frames(decoder, request, index)
            return
        except UndecodableFrame:
            if seek_mode == "exact":
                raise


def _take_torchcodec_frames(decoder: Any, request: FrameRequest, index: FrameIndex | None) -> None:
    metadata = decoder.metadata
    request.check_size(metadata.width, metadata.height)
    times = None
    if index is not None:
        num_frames, fps, times = len(index), index.fps, index.times
        begin_seconds = float(index.pts[0] * index.time_base)
    else:
        num_frames, begin_seconds = len(decoder), metadata.begin_stream_seconds
        try:
            first, last = decoder.get_frame_at(0), decoder.get_frame_at(num_frames - 1)
        except (RuntimeError, IndexError) as error:
            raise request.unreadable("its first or last frame does not decode") from error
        if first.pts_seconds > begin_seconds:
            raise request.unreadable("its first frame does not decode")
        fps = average_fps(num_frames, last.pts_seconds - begin_seconds, metadata.average_fps_from_header)

    for number in request.choose(num_frames, fps, metadata.height, metadata.width):
        try:
            frame = decoder.get_frame_at(number)
        except (RuntimeError, IndexError) as error:
            raise request.undecodable(number) from error
        seconds = frame.pts_seconds - begin_seconds
        if times is not None and abs(seconds - times[number]) > 1e-6:
            raise request.undecodable(number)
        request.put(number, frame.data, seconds)


def read_opencv(source: VideoSource, request: FrameRequest, index: FrameIndex | None) -> None:
    """
    OpenCV computes where to seek from the average rate, so the frames it gets must have the times in the index; if they
    have not, it decodes from the start. Without an index it first counts the frames by decoding them.
    """
    cv2 = importlib.import_module("cv2")
    with source.as_path() as path:
        capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
        try:
            if not capture.isOpened():
                raise request.unreadable("it does not open")
            size = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
            request.check_size(*size[::-1])
            num_threads = request.num_threads(*size[::-1])
            threads = [] if num_threads is None else [cv2.CAP_PROP_N_THREADS, num_threads]
            capture.open(path, cv2.CAP_FFMPEG, threads)
            if index is None:
                num_frames, fps, times = _count_opencv_frames(cv2, capture)
            else:
                num_frames, fps, times = len(index), index.fps, index.times
            wanted = request.choose(num_frames, fps, *size)
            promised_times = None if index is None else times
            for may_seek in (False,) if index is None else (True, False):
                capture.open(path, cv2.CAP_FFMPEG, threads)
                try:
                    for number, seconds, frame in _opencv_frames(cv2, capture, wanted, may_seek):
                        if frame is None:
                            raise request.undecodable(number)
                        if promised_times is not None and abs(seconds - promised_times[number]) > 1e-3:
                            raise request.undecodable(number)
                        request.put(number, frame, None if times is None else float(times[number]))
                    return
                except UndecodableFrame:
                    if not may_seek:
                        raise
        finally:
            capture.release()


def _count_opencv_frames(cv2: Any, capture: Any) -> tuple[int, float | None, np.ndarray | None]:
    """Number of frames, their average rate, and their times if known."""
    times = []
    while capture.grab():
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    return len(times), *_checked_times(np.array(times), capture.get(cv2.CAP_PROP_FPS))


def _opencv_frames(
    cv2: Any, capture: Any, wanted: list[int], may_seek: bool
) -> Iterator[tuple[int, float, torch.Tensor | None]]:
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
        yield number, seconds, torch.from_numpy(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).permute(2, 0, 1)


def read_decord(source: VideoSource, request: FrameRequest, index: FrameIndex | None) -> None:
    """
    Seeks only where the index shows that it is safe: at open groups of pictures decord returns wrong frames, and it
    does not tell the time of what it returns. Elsewhere it decodes from the start.
    """
    if index is None and source.container() != "matroska":
        # With edit lists and in MPEG streams it counts packets that are never shown, and repeats frames instead.
        raise request.unreadable("this is no Matroska, WebM or plain MP4 or MOV file, and it reads no others exactly")
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
            raise request.unreadable("its first frame does not decode")
        num_frames = len(reader)
        timestamps = reader.get_frame_timestamp(range(num_frames))[:, 0].astype(np.float64)
        fps, times = _checked_times(timestamps, reader.get_avg_fps())
    else:
        num_frames, fps, times = len(index), index.fps, index.times

    can_seek = index is not None and not index.has_open_gops
    latest = 0
    for number in request.choose(num_frames, fps, *frame.shape[1:]):
        try:
            if can_seek and number > latest + 1:
                reader.seek_accurate(number)
                latest = number - 1
            while latest < number:
                frame = _next_decord_frame(reader)
                latest += 1
        except errors as error:
            raise request.undecodable(number) from error
        request.put(number, frame, None if times is None else float(times[number]))


def _check_declared_size(source: VideoSource, request: FrameRequest) -> int:
    """The number of threads to open with. decord decodes as it opens, and tells no size before: where PyAV is there, it is asked."""
    try:
        av = importlib.import_module("av")
    except ImportError:
        return 0
    num_threads = None
    with suppress(av.FFmpegError), av.open(source.path_or_stream(), metadata_errors="replace") as container:
        for stream in container.streams.video:
            request.check_size(stream.width, stream.height)
            num_threads = request.num_threads(stream.width, stream.height)
    return num_threads or 0


def _next_decord_frame(reader: Any) -> torch.Tensor:
    frame = reader.next()
    # `decord.bridge.set_bridge("torch")` makes it a tensor.
    picture = frame.asnumpy() if hasattr(frame, "asnumpy") else np.asarray(frame)
    # Where decord pads the rows of a picture, it counts the padding as more channels: (64, 48, 4) instead of 3.
    height, width, _ = picture.shape
    picture = picture.reshape(height, -1)[:, : 3 * width].reshape(height, width, 3)
    return torch.from_numpy(picture).permute(2, 0, 1)


def _checked_times(times: np.ndarray, declared_fps: float) -> tuple[float | None, np.ndarray | None]:
    """Average rate, and seconds from the first frame unless the container has no times that make sense."""
    if len(times) == 0 or np.any(np.diff(times) <= 0):
        return declared_fps if declared_fps > 0 else None, None
    times = times - times[0]
    return average_fps(len(times), float(times[-1]), declared_fps), times
