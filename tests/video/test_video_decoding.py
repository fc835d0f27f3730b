# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Every backend must return the very same frames of every file, or say why it cannot."""

import copy
import gc
import importlib
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import ColorRange, Colorspace
from transformers.video_utils import VideoMetadata

from transformers_mvgpt.video import reader_pyav
from transformers_mvgpt.video.video_decoding import VIDEO_BACKENDS, available_video_backends, decode_video
from video_files import (
    NUM_FRAMES,
    PACKAGES,
    REFUSED,
    VARIABLE_TICKS,
    WHOLE_CLIPS,
    add_late_stream,
    read_marks,
    sample,
    write_marked_video,
    write_video,
)


READABLE = [(backend, name) for backend in VIDEO_BACKENDS for name in WHOLE_CLIPS if name not in REFUSED[backend]]


@pytest.mark.parametrize("backend, name", READABLE, indirect=["backend"])
def test_numbers_frames_in_the_order_they_are_shown(clip, backend: str, name: str) -> None:
    path = clip(name)
    frames, metadata = decode_video(path, backend=backend)

    num_hidden = 5 if name == "trimmed.mp4" else 0
    num_frames = {"one_frame.mp4": 1, "two_frames.mkv": 2}.get(name, NUM_FRAMES)
    assert read_marks(frames) == list(range(num_hidden, num_frames))
    assert metadata.total_num_frames == num_frames - num_hidden
    assert metadata.frames_indices == list(range(num_frames - num_hidden))
    assert frames.shape[2:] == (metadata.height, metadata.width)
    assert (metadata.width, metadata.height) == {"odd_size.webm": (65, 49), "narrow.mp4": (48, 64)}.get(name, (64, 48))
    assert frames.dtype == torch.uint8 and frames.is_contiguous() and metadata.video_backend == backend

    fps = {"ntsc.mp4": 30000 / 1001, "ntsc.mkv": 30000 / 1001, "raw.h264": 25}.get(name, 10)
    times = np.arange(num_frames - num_hidden) / fps
    if name.startswith("variable"):
        times = np.array(VARIABLE_TICKS) / 30
        fps = (NUM_FRAMES - 1) / times[-1]
    # On the clock of the container. Without an edit list the two frames that an encoder of B-frames waits for delay the first.
    times += {"late_start": 2.5, "fragments": 0.2, "h264.flv": 0.2}.get(name if name.endswith("flv") else path.stem, 0)
    # Only Matroska rounds times, to milliseconds, and that matters only where they have to tell the rate.
    assert metadata.fps == pytest.approx(fps, rel=2e-4 if name == "variable.mkv" else 1e-6)
    assert metadata.duration == pytest.approx(metadata.total_num_frames / metadata.fps)
    assert metadata.timestamps == pytest.approx(times.tolist(), abs=6e-4)


@pytest.mark.parametrize("as_bytes", [False, True], ids=["path", "bytes"])
@pytest.mark.parametrize("backend, name", READABLE, indirect=["backend"])
def test_sampled_frames_are_those_of_the_whole_video(clip, backend: str, name: str, as_bytes: bool) -> None:
    path = clip(name)
    everything, whole = decode_video(path, backend=backend)
    last = len(everything) - 1
    indices = [last, last // 2, 0, last // 2, last // 3, min(last, 9)]
    frames, metadata = decode_video(path.read_bytes() if as_bytes else path, sample(*indices), backend=backend)
    assert torch.equal(frames, everything[indices])
    assert metadata.frames_indices == indices
    assert metadata.timestamps == [whole.timestamps[index] for index in indices]
    assert metadata.total_num_frames == whole.total_num_frames and metadata.fps == whole.fps


@pytest.mark.parametrize(
    "backend, name",
    [(backend, name) for backend in VIDEO_BACKENDS for name in sorted(REFUSED[backend])],
    indirect=["backend"],
)
def test_refuses_files_whose_frames_it_would_mistake(clip, backend: str, name: str) -> None:
    take_pyav = r"take pyav \(`video_backend=\"pyav\"`, `pip install av`\)"
    with pytest.raises(ValueError, match=f"{name}' is not for {backend}, which reads .* only: {take_pyav}"):
        decode_video(clip(name), backend=backend)


def test_each_single_frame_of_open_groups_is_found(clip, backend: str) -> None:
    for name in ("open_gops.mp4", "open_gops.mkv", "mpeg4.mp4"):
        marks = [decode_video(clip(name), sample(number), backend=backend)[0] for number in range(NUM_FRAMES)]
        assert read_marks(torch.cat(marks)) == list(range(NUM_FRAMES))


def test_the_sampler_is_told_about_the_video(clip, backend: str) -> None:
    seen = []

    def first_frames(metadata: VideoMetadata) -> np.ndarray:
        seen.append(copy.copy(metadata))
        return np.arange(2)

    decode_video(clip("vp9.webm"), first_frames, backend=backend)
    assert seen[0].total_num_frames == NUM_FRAMES and seen[0].fps == 10 and seen[0].duration == 4
    assert (seen[0].width, seen[0].height) == (64, 48) and seen[0].frames_indices is None


@pytest.mark.parametrize("backend", ["pyav", "opencv"], indirect=True)
def test_stream_that_begins_late_is_passed_over(clip, backend: str) -> None:
    frames, _ = decode_video(add_late_stream(clip("h264.ts").read_bytes()), backend=backend)
    assert read_marks(frames) == list(range(NUM_FRAMES))


@pytest.mark.parametrize("suffix, text_of_stream", [(".mkv", b"00:00:00.300000000"), (".mp4", b"VideoHandler")])
def test_titles_that_are_not_utf8(tmp_path: Path, backend: str, suffix: str, text_of_stream: bytes) -> None:
    data = write_marked_video(tmp_path / f"titled{suffix}", 3, title="MY TITLE").read_bytes()
    for text in (b"MY TITLE", text_of_stream):
        assert text in data
        data = data.replace(text, b"\xe9t\xe9 \xff\xfe\xe8\xe7"[: len(text)].ljust(len(text), b"\xe9"))
    frames, _ = decode_video(data, backend=backend)
    assert read_marks(frames) == [0, 1, 2]


COLORS = {
    "bt601": (Colorspace.ITU601, ColorRange.MPEG),
    "bt601-full": (Colorspace.ITU601, ColorRange.JPEG),
    "bt709": (Colorspace.ITU709, ColorRange.MPEG),
    "bt709-full": (Colorspace.ITU709, ColorRange.JPEG),
    "untold": (None, None),
}


@pytest.mark.parametrize("color", COLORS)
def test_colors_are_those_that_were_encoded(tmp_path: Path, backend: str, color: str) -> None:
    patches = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    picture = patches.repeat(16, axis=0).repeat(16, axis=1)
    colorspace, color_range = COLORS[color]
    path = write_video(
        tmp_path / "colors.mp4", [picture] * 3, options={"qp": "1"}, colorspace=colorspace, color_range=color_range
    )
    frames, _ = decode_video(path, backend=backend)
    inner = frames[0].reshape(3, 3, 16, 4, 16)[:, :, 5:11, :, 5:11].float().mean(dim=(2, 4))
    difference = (inner - torch.from_numpy(patches).permute(2, 0, 1)).abs()
    assert difference.mean() < 2 and difference.max() < 4

    # All of them convert colours with the same code, so that no picture differs from another by more than rounding.
    reference, _ = decode_video(path, backend="pyav")
    assert (frames.float() - reference.float()).abs().max() <= 1


def test_colors_of_odd_sizes_differ_only_at_edges(tmp_path: Path, backend: str) -> None:
    rows, columns = np.mgrid[:49, :65]
    picture = np.stack([rows * 5, columns * 3, 255 - rows - columns], axis=-1).astype(np.uint8)
    path = write_video(tmp_path / "colors.webm", [picture] * 3, codec="libvpx-vp9", options={"crf": "4", "b": "4M"})
    frames, _ = decode_video(path, backend=backend)
    reference, _ = decode_video(path, backend="pyav")
    assert (frames.float() - reference.float()).abs().mean() < 2


def spread(metadata: VideoMetadata) -> list[int]:
    return np.linspace(0, metadata.total_num_frames - 1, 16).astype(int).tolist()


@pytest.fixture
def count_pyav_frames(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each frame decoded, and one more than any test allows for each scan of the packets."""
    counted: list[int] = []
    decode = reader_pyav._Video.decode

    def counting_decode(self, **kwargs):
        for frame in decode(self, **kwargs):
            counted.append(1)
            yield frame

    def failing_scan(self):
        raise AssertionError("looked at all packets")

    monkeypatch.setattr(reader_pyav._Video, "decode", counting_decode)
    monkeypatch.setattr(reader_pyav._Video, "scan", failing_scan)
    return counted


@pytest.mark.parametrize("name, num_frames", [("minute.mp4", 1800), ("hour.mp4", 108000)])
def test_pyav_decodes_only_the_groups_of_sampled_frames(clip, count_pyav_frames, name: str, num_frames: int) -> None:
    frames, metadata = decode_video(clip(name), spread, backend="pyav")
    assert metadata.total_num_frames == num_frames
    assert read_marks(frames) == [index % 60 for index in metadata.frames_indices]
    # A group of 8 frames for each of 16, and what the decoder's threads read ahead.
    assert 16 <= len(count_pyav_frames) < 16 * 8 + 64


@pytest.mark.parametrize("name", ["minute.mp4", "h264.ts", "headless.mp4"])
def test_pyav_leaves_no_decoder_to_the_garbage_collector(clip, name: str) -> None:
    """A process forked meanwhile would wait for ever for the threads of one."""

    def num_alive() -> int:
        return sum(type(thing) in (av.VideoFrame, av.VideoCodecContext) for thing in gc.get_objects())

    path = clip(name)
    gc.collect()
    gc.disable()
    try:
        before = num_alive()
        decode_video(path, spread, backend="pyav")
        assert num_alive() == before
    finally:
        gc.enable()


@pytest.mark.parametrize("name", ["h264.mp4", "trimmed.mp4", "fragments.mp4", "vp9.webm", "variable.mkv", "h264.ts"])
def test_pyav_counts_frames_without_decoding(clip, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(self) -> None:
        raise AssertionError("decoded everything")

    monkeypatch.setattr(reader_pyav._Video, "count_and_read", fail)
    num_frames = NUM_FRAMES - 5 if name == "trimmed.mp4" else NUM_FRAMES
    frames, metadata = decode_video(clip(name), sample(num_frames - 1), backend="pyav")
    assert read_marks(frames) == [NUM_FRAMES - 1] and metadata.total_num_frames == num_frames


@pytest.mark.parametrize("name, num_frames", [("minute.mp4", 1800), ("hour.mp4", 108000)])
def test_long_videos_are_not_scanned(
    clip, backend: str, monkeypatch: pytest.MonkeyPatch, name: str, num_frames: int
) -> None:
    if backend == "torchcodec":
        decoders = importlib.import_module("torchcodec.decoders")
        real = decoders.VideoDecoder

        def approximate_only(*args, seek_mode: str, **kwargs):
            assert seek_mode == "approximate", "looked at all packets"
            return real(*args, seek_mode=seek_mode, **kwargs)

        monkeypatch.setattr(decoders, "VideoDecoder", approximate_only)
    frames, metadata = decode_video(clip(name), spread, backend=backend)
    assert metadata.total_num_frames == num_frames and metadata.fps == 30
    assert read_marks(frames) == [index % 60 for index in metadata.frames_indices]
    assert metadata.timestamps == pytest.approx([index / 30 for index in metadata.frames_indices])


def test_unknown_backend(clip) -> None:
    with pytest.raises(
        ValueError, match="Unknown video backend 'vlc'. Choose one of: pyav, torchcodec, opencv, decord"
    ):
        decode_video(clip("h264.mp4"), backend="vlc")


def test_the_first_usable_backend_is_chosen(clip, monkeypatch: pytest.MonkeyPatch) -> None:
    usable = available_video_backends()
    assert usable == [name for name in VIDEO_BACKENDS if name in usable]
    for name in usable:
        assert decode_video(clip("h264.mp4"), sample(0))[1].video_backend == name
        monkeypatch.setitem(sys.modules, PACKAGES[name], None)
        assert name not in available_video_backends()
    with pytest.raises(ImportError, match="none of pyav, .* with `pip install 'av>=15.0'` or `pip install 'torchc"):
        decode_video(clip("h264.mp4"))


def test_backend_that_is_not_installed(clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "decord", None)
    with pytest.raises(
        ImportError, match="'decord' cannot be used: .*`pip install 'decord>=0.6'`, or choose .* here: pyav"
    ):
        decode_video(clip("h264.mp4"), backend="decord")


@pytest.mark.parametrize(
    "code, reason",
    [
        ("raise RuntimeError('Could not load libtorchcodec.\\nFFmpeg 8: ...')", "Could not load libtorchcodec"),
        ("raise OSError('libavutil.so.60: cannot open')", "libavutil.so.60: cannot open"),
        (
            "__version__, ffmpeg_major_version = '0.16.0', None",
            "it finds no FFmpeg, which comes apart from it \\(`apt install ffmpeg`",
        ),
        (
            "__version__ = '0.10.0+cpu'",
            "its version 0.10.0\\+cpu is older than 0.11 and gets colors or rotations wrong",
        ),
    ],
    ids=["runtime", "os", "images-only", "old"],
)
def test_unusable_torchcodec_is_not_available(
    clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "torchcodec"]:
        monkeypatch.delitem(sys.modules, module)
    (tmp_path / "torchcodec").mkdir()
    (tmp_path / "torchcodec/__init__.py").write_text(code)
    (tmp_path / "torchcodec/decoders.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert "torchcodec" not in available_video_backends()
    with pytest.raises(ImportError, match=f"'torchcodec' cannot be used: {reason}.*`pip install 'torchcodec>=0.11'`"):
        decode_video(clip("h264.mp4"), backend="torchcodec")
    for module in [name for name in sys.modules if name.partition(".")[0] == "torchcodec"]:
        monkeypatch.delitem(sys.modules, module)
