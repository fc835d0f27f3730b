# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""When each frame of a video is shown, learned without decoding anything.

Frames are numbered in the order they are shown. A file stores them in decoding order, so with B-frames the two differ:

    stored   I0 P3 B1 B2 | I4 P7 B5 B6        numbers   0 1 2 3 4 5 6 7
    shown    I0 B1 B2 P3   I4 B5 B6 P7        keyframes 0       4

Decoding may start at a keyframe, and from there the frames follow in the order shown.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

import numpy as np


# Ten million frames are 92 hours at 30 frames per second. A table that claims more is not worth its memory.
MAX_INDEXED_FRAMES = 10_000_000
# What so many frames take up in the header of a file, at about 20 bytes each. Real ones have some megabytes.
MAX_MOOV_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class FrameIndex:
    """
    Args:
        pts (`np.ndarray` of shape `(num_frames,)`, int64):
            Presentation time of each frame in units of `time_base`, ascending.
        keyframes (`list[int]`):
            Numbers of the frames that decoding can start from, ascending.
        time_base (`Fraction`):
            Seconds per unit of `pts`.
        fps (`float` or `None`):
            Average frames per second, see [`average_fps`].
        has_open_gops (`bool`):
            Whether some frames are stored after a keyframe but shown before it. Seekers that confuse the two orders
            miscount in such a file.
        origin_seconds (`float`):
            Where the clock of the container starts. That is 0, but in MPEG-TS and others whose clocks run on from anywhere.
    """

    pts: np.ndarray
    keyframes: list[int]
    time_base: Fraction
    fps: float | None
    has_open_gops: bool
    origin_seconds: float = 0.0

    @classmethod
    def from_stored_order(
        cls,
        pts: np.ndarray,
        is_keyframe: np.ndarray,
        time_base: Fraction,
        declared_fps: float | None,
        origin_seconds: float = 0.0,
    ) -> "FrameIndex | None":
        """The index of frames given in decoding order; `None` if their times are not all different."""
        order = np.argsort(pts, kind="stable")
        shown = pts[order]
        if len(pts) == 0 or np.any(np.diff(shown) == 0):
            return None
        earliest_from_here = np.minimum.accumulate(pts[::-1])[::-1]
        has_open_gops = bool(np.any(earliest_from_here[is_keyframe] < pts[is_keyframe]))
        fps = average_fps(len(pts), float(np.ptp(pts) * time_base), declared_fps)
        keyframes = np.flatnonzero(is_keyframe[order]).tolist()
        return cls(shown, keyframes, time_base, fps, has_open_gops, origin_seconds)

    def __len__(self) -> int:
        return len(self.pts)

    @property
    def times(self) -> np.ndarray:
        """Seconds on the clock of the container, float64 of shape `(num_frames,)`."""
        return self.pts * float(self.time_base) - self.origin_seconds

    @property
    def has_constant_rate(self) -> bool:
        return len(self) < 3 or bool(np.ptp(np.diff(self.pts)) == 0)

    def num_keyframes_until(self, number: int) -> int:
        """How many keyframes are shown up to and including frame `number`."""
        return bisect_right(self.keyframes, number)


def average_fps(num_frames: int, span_seconds: float, declared_fps: float | None) -> float | None:
    """
    Frames per second of a stream whose last frame is shown `span_seconds` after its first.

    The rate that the container declares is exact where it is true (30000/1001, against times rounded to milliseconds),
    but in files of variable rate it can be anything. So it is taken if it agrees with the times of the frames.
    """
    if declared_fps and abs((num_frames - 1) / declared_fps - span_seconds) <= 0.0015:
        return float(declared_fps)
    return (num_frames - 1) / span_seconds if span_seconds > 0 else None


def read_mp4_index(file: BinaryIO) -> FrameIndex | None:
    """
    The index in the sample tables of an MP4 or MOV file: a few kilobytes per minute, whatever the size of the video.

    `None` where the tables alone do not settle which frames are shown (fragments, cuts by an edit list, more than one
    video track) and where this is no such file: then a demuxer has to be asked.
    """
    try:
        moov = _read_moov(file)
        tracks = [_children(payload) for kind, payload in _boxes(moov) if kind == b"trak"]
        video_tracks = [track for track in tracks if _children(track[b"mdia"])[b"hdlr"][8:12] == b"vide"]
        if len(video_tracks) != 1:
            return None
        return _read_track(video_tracks[0], movie_timescale=_timescale(_children(moov)[b"mvhd"]))
    except (KeyError, IndexError, ValueError, struct.error):
        return None


def _read_moov(file: BinaryIO) -> memoryview:
    """The movie header, found by stepping over the boxes beside it."""
    end = file.seek(0, 2)
    position = 0
    while True:
        file.seek(position)
        size, kind, header_size = _box_header(file.read(16), end - position)
        if size > end - position:
            raise ValueError("cut short")
        if kind == b"moov":
            if size > MAX_MOOV_BYTES:
                raise ValueError("too large")
            file.seek(position + header_size)
            return memoryview(file.read(size - header_size))
        position += size


def _box_header(data: bytes | memoryview, num_bytes_left: int) -> tuple[int, bytes, int]:
    """Size of the box, its kind, and size of the header itself."""
    size, kind = struct.unpack_from(">I4s", data)
    header_size = 8
    if size == 0:
        size = num_bytes_left
    elif size == 1:
        (size,) = struct.unpack_from(">Q", data, 8)
        header_size = 16
    if size < header_size:
        raise ValueError("no box")
    return size, kind, header_size


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    while len(data) >= 8:
        size, kind, header_size = _box_header(data, len(data))
        yield kind, data[header_size:size]
        data = data[size:]


def _children(data: memoryview) -> dict[bytes, memoryview]:
    return dict(_boxes(data))


def _timescale(box: memoryview) -> int:
    """Time units per second of a movie or media header."""
    (timescale,) = struct.unpack_from(">I", box, 20 if box[0] == 1 else 12)
    if timescale == 0:
        raise ValueError("no timescale")
    return timescale


def _table(box: memoryview, dtype: str) -> np.ndarray:
    """The entries of a table box, which follow a version, flags and their count."""
    (num_entries,) = struct.unpack_from(">I", box, 4)
    return np.frombuffer(box, dtype, count=num_entries, offset=8)


def _unroll(box: memoryview, value_dtype: str, num_frames: int) -> np.ndarray:
    """One value per frame, int64, from a table of (number of frames, value) runs."""
    runs = _table(box, f">u4, {value_dtype}")
    lengths = runs["f0"].astype(np.int64)
    if lengths.sum() != num_frames:
        raise ValueError("the tables do not match")
    return np.repeat(runs["f1"].astype(np.int64), lengths)


def _read_track(track: dict[bytes, memoryview], movie_timescale: int) -> FrameIndex | None:
    media = _children(track[b"mdia"])
    timescale = _timescale(media[b"mdhd"])
    tables = _children(_children(media[b"minf"])[b"stbl"])

    (num_frames,) = struct.unpack_from(">I", tables[b"stsz"], 8)
    if num_frames > MAX_INDEXED_FRAMES:
        return None
    durations = _unroll(tables[b"stts"], ">u4", num_frames)
    pts = np.cumsum(durations) - durations
    if b"ctts" in tables:
        pts += _unroll(tables[b"ctts"], ">i4", num_frames)

    if b"edts" in track:
        edit_list = _children(track[b"edts"])[b"elst"]
        edits = _table(edit_list, ">u8, >i8, >i4" if edit_list[0] == 1 else ">u4, >i4, >i4").tolist()
        delay = edits.pop(0)[0] if edits[0][1] == -1 else 0
        if len(edits) != 1:
            return None
        duration, start, rate = edits[0]
        pts -= start
        # An edit that shows every frame only shifts the clock: that is how a muxer lets B-frames start at zero.
        if rate != 1 << 16 or pts.min() < 0 or pts.max() * movie_timescale >= duration * timescale:
            return None
        pts += round(delay * timescale / movie_timescale)

    is_keyframe = np.ones(num_frames, dtype=bool)
    if b"stss" in tables:
        is_keyframe[:] = False
        is_keyframe[_table(tables[b"stss"], ">u4").astype(np.int64) - 1] = True
    index = FrameIndex.from_stored_order(
        pts, is_keyframe, Fraction(1, timescale), num_frames * timescale / max(int(durations.sum()), 1)
    )
    return index if index is not None and index.keyframes[:1] == [0] else None
