# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Frames of a stream as they come: of a camera, an address, or a file that is being written."""

import contextlib
import importlib
import io
import os
import re
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO

import numpy as np

from .containers import Container, recognize_container
from .frame_geometry import make_square
from .limits import UntrustedInput, shorten
from .reader_pyav import rgb_picture
from .regular_files import confine, open_regular
from .sources import path_of_address
from .stream_bytes import HEAD_BYTES, ByteStream, StreamEnded, follow_file, open_address, without_password
from .stream_properties import clock_origin, pixel_aspect_ratio, read_orientation


_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_CAMERA = re.compile(r"(?:camera:?)?(\d+)|camera|camera:(.+)|/dev/video\d+")
# Addresses whose bytes this package reads itself, and those whose protocols FFmpeg speaks.
_READ_SCHEMES = ("http", "https", "tcp", "udp")
_FFMPEG_SCHEMES = {
    "rtsp": ("rtsp", {"rtsp_transport": "tcp", "protocol_whitelist": "rtsp,rtp,tcp"}),
    "rtsps": ("rtsp", {"rtsp_transport": "tcp", "protocol_whitelist": "rtsps,rtsp,rtp,tls,tcp"}),
    "rtmp": ("flv", {"protocol_whitelist": "rtmp,tcp"}),
    "rtmps": ("flv", {"protocol_whitelist": "rtmps,rtmp,tls,tcp"}),
}
# What FFmpeg reads at most before it shows the first frame, where streams may turn up late: by itself 5 seconds.
_ANALYZED_MICROSECONDS = "500000"
# Packets in a row that do not decode: a stream that is joined in the middle has some.
_MOST_DAMAGED_PACKETS = 500
_CAMERA_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


@dataclass(frozen=True)
class StreamOptions:
    """
    Args:
        limits ([`UntrustedInput`]): on the size of frames, and on where addresses lead.
        silence_seconds (`float`): For how long an address or a camera may send nothing before it counts as broken.
        idle_seconds (`float`): For how long a file may grow no more before it counts as complete.
    """

    limits: UntrustedInput = field(default_factory=UntrustedInput)
    silence_seconds: float = 10.0
    idle_seconds: float = 10.0


@dataclass(frozen=True)
class StreamFrame:
    """
    Args:
        seconds (`float`): When it is shown: since the first frame; in a file, on the clock of its container.
        picture (`Callable[[], np.ndarray]`): Makes its pixels, uint8 RGB of shape `(3, height, width)`, as players show them.
    """

    seconds: float
    picture: Callable[[], np.ndarray]


def is_file(source: str) -> bool:
    """Whether this is the path of a file, or the address of one: neither a camera nor a stream's address."""
    scheme = _SCHEME.match(source)
    return not _CAMERA.fullmatch(source) and (scheme is None or scheme[1].lower() == "file" or os.path.lexists(source))


def check_source(source: str, options: StreamOptions) -> None:
    """
    What can be told of a source before it is opened.

    Args:
        source (`str`):
            A camera: `"0"`, `"camera"` (the first), `"camera:1"`, `"camera:NAME"`, `"/dev/video0"`; the address of a stream with `http:`,
            `https:`, `tcp:`, `udp:`, `rtsp:`, `rtsps:`, `rtmp:` or `rtmps:`; or the path or `file:` address of a file.
        options ([`StreamOptions`]): limits.

    Raises:
        FileNotFoundError: if there is no such camera or file.
        ValueError: if the address is of another kind, or refused.
    """
    title = _title(source)
    if (camera := _CAMERA.fullmatch(source)) is not None:
        form, path = _camera_path(source, camera)
        if form == "v4l2" and not os.path.exists(path):
            raise FileNotFoundError(
                f"There is no camera at '{shorten(path)}': connect one, or pass another number or path, an address or a file."
            )
    elif is_file(source):
        path = _file_path(source, options.limits)
        if not os.path.exists(path):
            raise FileNotFoundError(
                f"There is no video at '{shorten(source)}' ('{shorten(path)}'): check the path, or begin the recording first."
            )
        if os.path.isdir(path):
            raise ValueError(f"{title} is a folder, not a video: pass a file of it.")
        with open_regular(path, title) as file:
            if head := file.read(HEAD_BYTES):
                _recognize(head, title)
    else:
        kind = _scheme(source)
        if kind not in (*_READ_SCHEMES, *_FFMPEG_SCHEMES):
            known = ", ".join(f"{name}:" for name in (*_READ_SCHEMES, *_FFMPEG_SCHEMES))
            raise ValueError(f"{title} cannot be read: addresses with '{kind}:' are not, only those with {known}.")
        if kind in _FFMPEG_SCHEMES and not options.limits.allow_private_addresses:
            raise ValueError(
                f"{title} is connected to by FFmpeg, which goes wherever the server sends it, also to private addresses. To allow "
                "these, set `allow_private_addresses` of `untrusted_input=UntrustedInput(...)`."
            )


class FrameStream:
    """
    A stream that is open. As a context it is closed at the end; iterated over, it gives [`StreamFrame`].

    Args:
        source (`str`): see [`check_source`].
        options ([`StreamOptions`]): limits and times.

    Raises:
        FileNotFoundError: if there is no such camera or file.
        OSError: if there is no connection, or it breaks off.
        ValueError: if it is no video, refused, or larger than a limit.
    """

    def __init__(self, source: str, options: StreamOptions | None = None) -> None:
        self.source, self.options = source, options or StreamOptions()
        self.title = _title(source)
        check_source(source, self.options)
        self._av = importlib.import_module("av")
        self._bytes: ByteStream | None = None
        self._is_stopped = False
        self._comes_without_times = False
        with ExitStack() as stack:
            self._container = stack.enter_context(contextlib.closing(self._open(stack)))
            videos = self._container.streams.video
            if not videos or videos[0].codec_context is None:
                raise ValueError(f"{self.title} has no video stream that can be decoded. Pass one that has.")
            self._stream = videos[0]
            decoder = self._stream.codec_context
            if decoder.width and decoder.height:
                self.options.limits.check_size(self.title, decoder.width, decoder.height)
            decoder.options = {"max_pixels": str(self.options.limits.max_pixels_per_frame)}
            # a thread for each of several frames would give each of them later
            decoder.thread_type = "SLICE"
            self._close = stack.pop_all().close

    def __enter__(self) -> "FrameStream":
        return self

    def __exit__(self, *_: Any) -> None:
        self._close()

    def stop(self) -> None:
        """Ends it for whoever reads it, from any thread."""
        self._is_stopped = True
        if self._bytes is not None:
            self._bytes.stop()

    def __iter__(self) -> Iterator[StreamFrame]:
        origin = clock_origin(self._container) if is_file(self.source) else None
        has_frames = False
        for frame in self._decoded():
            has_frames = True
            if frame.pts is None or self._comes_without_times:
                seconds = time.monotonic()
            else:
                seconds = float(frame.pts * self._stream.time_base)
            origin = seconds if origin is None else origin
            yield StreamFrame(seconds - origin, partial(self._picture, frame))
        if self._bytes is not None and self._bytes.error is not None and not self._is_stopped:
            raise self._bytes.error
        if not has_frames and not self._is_stopped:
            raise ValueError(f"{self.title} ended, and not one frame of it decodes. Check what sends it.")

    def _decoded(self) -> Iterator[Any]:
        num_damaged = 0
        packets = self._container.demux(self._stream)
        while not self._is_stopped:
            try:
                packet = next(packets, None)
            except self._av.error.EOFError:
                return
            except StreamEnded:
                raise
            except self._av.FFmpegError as error:
                if self._is_stopped or (self._bytes is not None and self._bytes.has_ended):
                    return  # what was begun is not completed any more
                raise self._broken(error) from error
            if packet is None:
                return
            try:
                frames = self._stream.codec_context.decode(packet if packet.size else None)
                num_damaged = 0 if frames else num_damaged
            except self._av.error.EOFError:
                return
            except self._av.FFmpegError as error:
                num_damaged += 1
                if num_damaged == _MOST_DAMAGED_PACKETS:
                    raise self._broken(error) from error
                continue
            for frame in frames:
                if not self._is_stopped:
                    yield frame

    def _picture(self, frame: Any) -> np.ndarray:
        self.options.limits.check_size(self.title, frame.width, frame.height)
        orientation = read_orientation(frame, self.title)
        ratio = pixel_aspect_ratio(self._stream)
        return make_square(orientation.apply(rgb_picture(frame)), 1 / ratio if orientation.is_transposed else ratio)

    def _broken(self, error: BaseException) -> StreamEnded:
        return StreamEnded(f"{self.title} broke off: {shorten(getattr(error, 'strerror', None) or str(error))}.")

    def _open(self, stack: ExitStack) -> Any:
        options, source = self.options, self.source
        if (camera := _CAMERA.fullmatch(source)) is not None:
            form, path = _camera_path(source, camera)
            rate = {"framerate": "30"} if form == "avfoundation" else {}
            return self._open_container(path, format=form, container_options=rate)
        if not is_file(source) and _scheme(source) in _FFMPEG_SCHEMES:
            name, container_options = _FFMPEG_SCHEMES[_scheme(source)]
            timeout = (options.silence_seconds, options.silence_seconds)
            return self._open_container(source, format=name, container_options=container_options, timeout=timeout)
        if is_file(source):
            opening = follow_file(_file_path(source, options.limits), options.idle_seconds)
        else:
            opening = open_address(source, options.limits, options.silence_seconds)
        self._bytes = stack.enter_context(opening)
        return self._open_bytes(stack, self._bytes)

    def _open_bytes(self, stack: ExitStack, stream: ByteStream) -> Any:
        head = stream.peek()
        if not head:
            if self._is_stopped:
                raise StreamEnded(f"{self.title} was stopped.")
            raise ValueError(f"{self.title} is empty: nothing has come.")
        if stream.content_type.lower().startswith("multipart/"):
            # motion JPEG with a header before each picture, as cameras send it
            demuxers, self._comes_without_times = "mpjpeg", True
        else:
            container = _recognize(head, self.title)
            demuxers = container.demuxers
            self._comes_without_times = container.name == "picture"
            if container.name == "mp4" and not _has_index(io.BytesIO(head)):
                return self._open_whole_mp4(stack)
        return self._open_container(_Readable(stream.read), container_options=_only(demuxers))

    def _open_whole_mp4(self, stack: ExitStack) -> Any:
        """An MP4 whose index is behind its pictures, which can be read when it is complete."""
        if is_file(self.source):
            file = stack.enter_context(open_regular(_file_path(self.source, self.options.limits), self.title))
            if _has_index(file):
                file.seek(0)
                return self._open_container(file, container_options=_only("mov"))
        raise ValueError(
            f"{self.title} is an MP4 whose index comes behind its pictures, and it is not there yet: record in MPEG-TS, Matroska or "
            "fragmented MP4 (`-movflags frag_keyframe+empty_moov`), or wait until the file is complete."
        )

    def _open_container(self, file: Any, **options: Any) -> Any:
        # see `open_container` of stream_properties.py
        text_options = {} if int(self._av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "replace"}
        try:
            return self._av.open(file, **options, **text_options)
        except StreamEnded:
            raise
        except self._av.FFmpegError as error:
            if self._bytes is not None and self._bytes.error is not None:
                raise self._bytes.error from error
            raise OSError(
                f"{self.title} cannot be opened: {shorten(error.strerror or str(error))}. Check the source, and that it sends video."
            ) from error


class _Readable:
    """What PyAV reads from; a method is all that it asks for."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read


def _recognize(head: bytes, title: str) -> Container:
    """What a stream is, by its first bytes."""
    try:
        container = recognize_container(io.BytesIO(head))
    except ValueError as error:
        raise ValueError(f"{title} {error}") from None
    if container.name == "picture" and head.startswith(b"\xff\xd8\xff"):
        return Container("picture", "mjpeg,jpeg_pipe")  # motion JPEG, of which this is the first picture
    if not container.demuxers:
        raise ValueError(f"{title} does not begin like any kind of video that is read.")
    return container


def _only(demuxers: str) -> dict[str, str]:
    """Options that hold FFmpeg to these demuxers, and to what it is given."""
    return {"format_whitelist": demuxers, "protocol_whitelist": "none", "analyzeduration": _ANALYZED_MICROSECONDS}


def _has_index(file: BinaryIO) -> bool:
    """Whether the index of an MP4 is there; of one that is cut off, whether it comes before the pictures."""
    place = 0
    while len(header := file.read(16)) >= 8:
        size, kind = struct.unpack_from(">I4s", header)
        if kind in (b"moov", b"moof"):
            return True
        if size == 1 and len(header) == 16:
            (size,) = struct.unpack_from(">Q", header, 8)
        if size < 8:
            return False
        place += size
        file.seek(place)
    return False


def _title(source: str) -> str:
    return f"The stream '{shorten(without_password(source))}'"


def _scheme(source: str) -> str:
    scheme = _SCHEME.match(source)
    return "" if scheme is None else scheme[1].lower()


def _file_path(source: str, limits: UntrustedInput) -> str:
    path = path_of_address(source) if _scheme(source) == "file" else source
    if path is None:
        raise ValueError(f"{_title(source)} is on another machine: pass a path that leads to it.")
    return confine(os.path.abspath(path), limits, _title(source))


def _camera_path(source: str, camera: re.Match) -> tuple[str, str]:
    """FFmpeg's name for cameras on this system, and for this one."""
    form = _CAMERA_FORMATS.get(sys.platform, "v4l2")
    number, name = camera[1] or "0", camera[2]
    if form == "v4l2":
        return form, source if source.startswith("/") else name or f"/dev/video{number}"
    return form, f"video={name or number}" if form == "dshow" else f"{name or number}:none"
