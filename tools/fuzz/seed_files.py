# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Whole files to mutate: small ones, of many containers and codecs, made by the encoders that come with PyAV and Pillow."""

from fractions import Fraction
from io import BytesIO
from typing import NamedTuple

import av
import numpy as np
from PIL import Image


SIZE = 96, 64  # width, height
SAMPLE_RATE = 16_000


class VideoFormat(NamedTuple):
    """A muxer of FFmpeg's, one of its encoders, and what that needs."""

    muxer: str
    codec: str
    pixel_format: str = "yuv420p"
    size: tuple[int, int] = SIZE
    fps: int = 12
    num_frames: int = 24
    options: dict[str, str] = {}
    container_options: dict[str, str] = {}
    sound: str | None = None  # an encoder for a second stream


_H264 = {"preset": "veryfast", "g": "8", "bf": "2"}
_HEVC = {"preset": "ultrafast", "x265-params": "log-level=none"}
_VPX = {"deadline": "realtime", "cpu-used": "8", "g": "8"}

VIDEO_FORMATS = {
    "h264.mp4": VideoFormat("mp4", "libx264", options=_H264, sound="aac"),
    "fragmented.mp4": VideoFormat(
        "mp4", "libx264", options=_H264, container_options={"movflags": "frag_keyframe+empty_moov"}
    ),
    "hevc.mp4": VideoFormat("mp4", "libx265", options=_HEVC),
    "mpeg4.mp4": VideoFormat("mp4", "mpeg4"),
    "h263.3gp": VideoFormat("3gp", "h263", size=(128, 96), fps=25),
    "mjpeg.mov": VideoFormat("mov", "mjpeg", "yuvj420p"),
    "png.mov": VideoFormat("mov", "png", "rgba"),
    "prores.mov": VideoFormat("mov", "prores_ks", "yuva444p10le"),
    "qtrle.mov": VideoFormat("mov", "qtrle", "argb"),
    "h264.mkv": VideoFormat("matroska", "libx264", options=_H264, sound="flac"),
    "ffv1.mkv": VideoFormat("matroska", "ffv1"),
    "vp8.webm": VideoFormat("webm", "libvpx", options=_VPX),
    "vp9.webm": VideoFormat("webm", "libvpx-vp9", options=_VPX),
    "mpeg4.avi": VideoFormat("avi", "mpeg4", sound="mp2"),
    "mjpeg.avi": VideoFormat("avi", "mjpeg", "yuvj420p"),
    "raw.avi": VideoFormat("avi", "rawvideo", num_frames=6),
    "h264.ts": VideoFormat("mpegts", "libx264", options=_H264, sound="mp2"),
    "mpeg2.ts": VideoFormat("mpegts", "mpeg2video", fps=25),
    "mpeg2.vob": VideoFormat("vob", "mpeg2video", fps=25),
    "mpeg1.mpg": VideoFormat("mpeg", "mpeg1video", fps=25),
    "flv1.flv": VideoFormat("flv", "flv"),
    "h264.flv": VideoFormat("flv", "libx264", options=_H264),
    "wmv2.wmv": VideoFormat("asf", "wmv2"),
    "vp8.ogv": VideoFormat("ogg", "libvpx", options=_VPX),
    "mpeg2.mxf": VideoFormat("mxf", "mpeg2video", fps=25),
    "mpeg4.nut": VideoFormat("nut", "mpeg4"),
    "vp9.ivf": VideoFormat("ivf", "libvpx-vp9", options=_VPX),
    "raw.y4m": VideoFormat("yuv4mpegpipe", "rawvideo", num_frames=6),
    "dv.dv": VideoFormat("dv", "dvvideo", size=(720, 576), fps=25, num_frames=3),
    "raw.h264": VideoFormat("h264", "libx264", options=_H264),
    "raw.hevc": VideoFormat("hevc", "libx265", options=_HEVC),
    "raw.m2v": VideoFormat("mpeg2video", "mpeg2video", fps=25),
}

# Formats of Pillow's. Those that move are read as videos, the others as images.
MOVING_PICTURES = ("gif", "webp", "apng")
STILL_PICTURES = ("png", "jpeg", "bmp", "tiff", "ppm")


def make_seed_files() -> dict[str, bytes]:
    """One file of each format, by its name."""
    files = {name: _encode_video(video_format) for name, video_format in VIDEO_FORMATS.items()}
    pictures = [Image.fromarray(_picture(number, *SIZE)) for number in range(8)]
    for suffix in MOVING_PICTURES:
        file = BytesIO()
        pictures[0].save(
            file, "png" if suffix == "apng" else suffix, save_all=True, append_images=pictures[1:], duration=80
        )
        files[f"moving.{suffix}"] = file.getvalue()
    for suffix in STILL_PICTURES:
        file = BytesIO()
        pictures[0].save(file, suffix)
        files[f"still.{suffix}"] = file.getvalue()
    return files


def _picture(number: int, width: int, height: int) -> np.ndarray:
    """uint8 RGB (height, width, 3): a bar that moves over a slope, so that frames differ in part."""
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    picture[..., 0] = np.linspace(0, 255, width)
    picture[:, number * 5 % width :][:, :9, 1] = 220
    return picture


def _encode_video(video_format: VideoFormat) -> bytes:
    file = BytesIO()
    with av.open(file, "w", format=video_format.muxer, options=video_format.container_options) as container:
        stream = container.add_stream(video_format.codec, rate=video_format.fps, options=video_format.options)
        stream.width, stream.height = video_format.size
        stream.pix_fmt = video_format.pixel_format
        sound = container.add_stream(video_format.sound, rate=SAMPLE_RATE) if video_format.sound else None
        for number in range(video_format.num_frames):
            frame = av.VideoFrame.from_ndarray(_picture(number, *video_format.size), format="rgb24")
            container.mux(stream.encode(frame))
        if sound is not None:
            container.mux(sound.encode(_silence(video_format.num_frames / video_format.fps)))
            container.mux(sound.encode())
        container.mux(stream.encode())
    return file.getvalue()


def _silence(seconds: float) -> av.AudioFrame:
    samples = np.zeros((1, int(seconds * SAMPLE_RATE)), dtype=np.int16)
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate, frame.pts = SAMPLE_RATE, 0
    frame.time_base = Fraction(1, SAMPLE_RATE)
    return frame
