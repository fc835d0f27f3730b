# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Makes small clips in which every frame shows its own number, so that a test can tell which frame it got."""

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import torch
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image


# What is imported for each backend.
PACKAGES = {"pyav": "av", "torchcodec": "torchcodec", "opencv": "cv2", "decord": "decord"}

MARK_COLUMNS, MARK_ROWS = 4, 3  # one bit of the number in each field
NUM_FRAMES = 40
GROUP_SIZE = 8  # frames from one keyframe to the next

# Groups of fixed size with B-frames: stored in another order than shown.
H264_OPTIONS = {
    "preset": "ultrafast",
    "x264-params": f"keyint={GROUP_SIZE}:min-keyint={GROUP_SIZE}:scenecut=0:bframes=2:b-adapt=0:cabac=1",
}
OPEN_GOP_OPTIONS = H264_OPTIONS | {"x264-params": H264_OPTIONS["x264-params"] + ":open-gop=1"}
VP9_OPTIONS = {"g": str(GROUP_SIZE), "deadline": "realtime", "cpu-used": "8"}


def _fields(width: int, height: int) -> list[tuple[slice, slice]]:
    return [
        (
            slice(row * height // MARK_ROWS, (row + 1) * height // MARK_ROWS),
            slice(column * width // MARK_COLUMNS, (column + 1) * width // MARK_COLUMNS),
        )
        for row in range(MARK_ROWS)
        for column in range(MARK_COLUMNS)
    ]


def marked_picture(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """uint8 RGB of shape `(height, width, 3)` whose dark and bright fields are the bits of `number`."""
    picture = np.empty((height, width, 3), dtype=np.uint8)
    for bit, field in enumerate(_fields(width, height)):
        picture[field] = 210 if number >> bit & 1 else 40
    return picture


def read_mark(frame: torch.Tensor) -> int:
    """The number shown by a frame of shape `(3, height, width)`."""
    _, height, width = frame.shape
    number = 0
    for bit, (rows, columns) in enumerate(_fields(width, height)):
        inner = frame[:, rows.start + 3 : rows.stop - 3, columns.start + 3 : columns.stop - 3]
        number |= int(inner.float().mean() > 125) << bit
    return number


def read_marks(frames: torch.Tensor) -> list[int]:
    return [read_mark(frame) for frame in frames]


def write_video(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    fps: int | Fraction = 10,
    ticks: Sequence[int] | None = None,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    title: str = "",
    pixel_format: str = "yuv420p",
    colorspace: Colorspace | None = None,
    color_range: ColorRange | None = None,
) -> Path:
    """
    Encodes RGB pictures. `ticks` are their times in units of `1 / fps`, by default one after the other. With a
    `colorspace` and `color_range` the pictures are converted to it and the stream says so.
    """
    with av.open(path, "w", options=container_options or {}) as container:
        container.metadata["title"] = title
        stream = container.add_stream(codec, rate=fps, options=H264_OPTIONS if options is None else options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixel_format
        if colorspace is not None:
            stream.codec_context.colorspace = {Colorspace.ITU709: 1, Colorspace.ITU601: 6}[colorspace]
            stream.codec_context.color_range = color_range
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format=pixel_format, dst_colorspace=colorspace, dst_color_range=color_range)
            frame.pts = number if ticks is None else ticks[number]
            frame.time_base = 1 / Fraction(fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_marked_video(
    path: Path, num_frames: int = NUM_FRAMES, *, width: int = 64, height: int = 48, **kwargs
) -> Path:
    return write_video(path, [marked_picture(number, width, height) for number in range(num_frames)], **kwargs)


def write_heavy_video(path: Path, num_frames: int = NUM_FRAMES, **kwargs) -> Path:
    """Marks under noise: the frames take up enough bytes to cut the file in the middle of them."""
    noise = np.random.default_rng(0)
    pictures = [
        np.clip(marked_picture(number).astype(int) + noise.integers(-8, 9, (48, 64, 3)), 0, 255).astype(np.uint8)
        for number in range(num_frames)
    ]
    return write_video(path, pictures, options=H264_OPTIONS | {"qp": "12"}, **kwargs)


def write_rotated_video(path: Path, clockwise: int, num_frames: int = NUM_FRAMES) -> Path:
    """An MP4 whose frames are stored lying, and whose header asks players to turn them by so many degrees."""
    pictures = [np.rot90(marked_picture(number), clockwise // 90) for number in range(num_frames)]
    write_video(path, [np.ascontiguousarray(picture) for picture in pictures])
    one = 1 << 16
    a, b, c, d = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}[clockwise]
    patch_mp4(path, b"tkhd", 40, struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30))
    return path


def write_trimmed_video(path: Path, num_hidden: int, num_frames: int = NUM_FRAMES) -> Path:
    """An MP4 whose edit list hides the first frames, as a cut without re-encoding does."""
    write_marked_video(path, num_frames, fps=10)
    data = path.read_bytes()
    (timescale,) = struct.unpack_from(">I", data, data.index(b"mdhd") + 16)
    duration_milliseconds, start = struct.unpack_from(">Ii", data, data.index(b"elst") + 12)
    edit = struct.pack(">Ii", duration_milliseconds - 100 * num_hidden, start + num_hidden * timescale // 10)
    patch_mp4(path, b"elst", 8, edit)
    return path


def patch_mp4(path: Path, box: bytes, offset: int, content: bytes) -> None:
    """Overwrites what is `offset` bytes after the name of the first such box."""
    data = bytearray(path.read_bytes())
    position = data.index(box) + 4 + offset
    data[position : position + len(content)] = content
    path.write_bytes(data)


def repeat_video(path: Path, source: Path, times: int) -> Path:
    """The packets of a clip over and over again, without encoding anything."""
    with av.open(source) as short, av.open(path, "w") as long:
        stream = short.streams.video[0]
        repeated = long.add_stream_from_template(stream)
        packets = [packet for packet in short.demux(stream) if packet.size]
        span = max(packet.pts + packet.duration for packet in packets)
        for repetition in range(times):
            for packet in packets:
                copy = av.Packet(bytes(packet))
                copy.pts, copy.dts = packet.pts + repetition * span, packet.dts + repetition * span
                copy.time_base, copy.duration = stream.time_base, packet.duration
                copy.is_keyframe, copy.stream = packet.is_keyframe, repeated
                long.mux(copy)
    return path


def add_late_stream(transport_stream: bytes) -> bytes:
    """Puts packets of another MPEG-TS stream so far to the end that a demuxer does not know of it when it starts."""
    picture = b"\0\0\1\xe0\0\0\x80\x80\x05\x21\0\1\0\1" + b"\0\0\0\1\x09\xf0"
    packets = b"".join(bytes([0x47, 0x5A, 0xBC, 0x10 + number]) + picture.ljust(184, b"\xff") for number in range(2))
    position = len(transport_stream) * 9 // 10 // 188 * 188
    return transport_stream[:position] + packets + transport_stream[position:]


def write_headless_video(path: Path, num_lost: int = 3) -> Path:
    """A clip without its first packets, as a recording that begins between keyframes."""
    with av.open(write_marked_video(path.with_name(f"whole_{path.name}"))) as whole, av.open(path, "w") as headless:
        stream = headless.add_stream_from_template(whole.streams.video[0])
        for number, packet in enumerate(whole.demux(video=0)):
            if packet.size and number >= num_lost:
                packet.stream = stream
                headless.mux(packet)
    return path


def write_two_tracks(path: Path) -> Path:
    """Two video streams in one file, of which the longer one is the video."""
    parts = [
        write_marked_video(path.with_name("long_track.mp4")),
        write_marked_video(path.with_name("short_track.mp4"), NUM_FRAMES // 2, width=96),
    ]
    with av.open(parts[0]) as long, av.open(parts[1]) as short, av.open(path, "w") as both:
        streams = [both.add_stream_from_template(part.streams.video[0]) for part in (long, short)]
        for part, stream in zip((long, short), streams, strict=True):
            for packet in part.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    both.mux(packet)
    return path


def write_audio(path: Path) -> Path:
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=44100)
        samples = np.zeros((1, 44100), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_gif(path: Path, milliseconds: Sequence[int]) -> Path:
    """One frame for each duration. Frames after the first store only what changes."""
    images = [Image.fromarray(marked_picture(number)) for number in range(len(milliseconds))]
    images[0].save(path, save_all=True, append_images=images[1:], duration=list(milliseconds), loop=0)
    return path


def write_folder(folder: Path, names: Sequence[str]) -> Path:
    """Images under these names, marked by their place in the list."""
    folder.mkdir()
    for number, name in enumerate(names):
        Image.fromarray(marked_picture(number)).save(folder / name)
    return folder


VARIABLE_TICKS = np.cumsum([0, *[1, 1, 5, 2] * 10])[:NUM_FRAMES].tolist()  # thirtieths of a second

write_vp9 = partial(write_marked_video, codec="libvpx-vp9", options=VP9_OPTIONS)

# How each clip is made, by its name.
CLIPS: dict[str, Callable[[Path], Path]] = {
    "h264.mp4": write_marked_video,
    "h264.mkv": write_marked_video,
    "header_first.mp4": partial(write_marked_video, container_options={"movflags": "faststart"}),
    "open_gops.mp4": partial(write_marked_video, options=OPEN_GOP_OPTIONS),
    "open_gops.mkv": partial(write_marked_video, options=OPEN_GOP_OPTIONS),
    "mpeg4.mp4": partial(write_marked_video, codec="mpeg4", options={"g": "8", "bf": "2"}),
    "vp9.webm": write_vp9,
    "ntsc.mp4": partial(write_marked_video, fps=Fraction(30000, 1001)),
    "ntsc.mkv": partial(write_marked_video, fps=Fraction(30000, 1001)),
    "variable.mp4": partial(write_marked_video, fps=30, ticks=VARIABLE_TICKS),
    "variable.mkv": partial(write_marked_video, fps=30, ticks=VARIABLE_TICKS),
    "late_start.mp4": partial(write_marked_video, ticks=range(25, 25 + NUM_FRAMES)),
    "late_start.mkv": partial(write_marked_video, ticks=range(25, 25 + NUM_FRAMES)),
    "rotated_90.mp4": partial(write_rotated_video, clockwise=90),
    "rotated_180.mp4": partial(write_rotated_video, clockwise=180),
    "rotated_270.mp4": partial(write_rotated_video, clockwise=270),
    "odd_size.webm": partial(write_vp9, width=65, height=49),
    "narrow.mp4": partial(write_marked_video, width=48, height=64),
    "one_frame.mp4": partial(write_marked_video, num_frames=1),
    "two_frames.mkv": partial(write_marked_video, num_frames=2),
    "fragments.mp4": partial(write_marked_video, container_options={"movflags": "frag_keyframe+empty_moov"}),
    "trimmed.mp4": partial(write_trimmed_video, num_hidden=5),
    "two_tracks.mp4": write_two_tracks,
    "h264.ts": write_marked_video,
    "h264.flv": write_marked_video,
    "h264.avi": write_marked_video,
    "mpeg4.avi": partial(write_marked_video, codec="mpeg4", options={"g": "8", "bf": "2"}),
    "raw.h264": partial(write_marked_video, fps=25),
    "heavy.mp4": partial(write_heavy_video, container_options={"movflags": "faststart"}),
    "heavy.mkv": write_heavy_video,
    "heavy.avi": write_heavy_video,
    "headless.mkv": write_headless_video,
    "headless.mp4": write_headless_video,
    "headless.flv": write_headless_video,
    "audio.m4a": write_audio,
    "audio.mka": write_audio,
    "minute.mp4": lambda path: repeat_video(path, write_marked_video(path.with_name("part.mp4"), 60, fps=30), 30),
    "hour.mp4": lambda path: repeat_video(path, write_marked_video(path.with_name("part.mp4"), 60, fps=30), 1800),
}
WHOLE_CLIPS = [name for name in CLIPS if not name.startswith(("heavy", "headless", "audio", "minute", "hour"))]

# What a backend refuses, since it would return wrong frames.
OTHER_CONTAINERS = {"h264.ts", "h264.flv", "h264.avi", "mpeg4.avi", "raw.h264"}
REFUSED = {
    "pyav": set(),
    "torchcodec": OTHER_CONTAINERS,
    "opencv": set(),
    "decord": OTHER_CONTAINERS | {"fragments.mp4", "trimmed.mp4", "two_tracks.mp4"},
}


def sample(*indices: int) -> Callable[..., list[int]]:
    """A `sample_indices_fn` that returns these indices, whatever the video."""
    return lambda metadata: list(indices)
