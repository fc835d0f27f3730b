# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the header of a file says about its frames."""

import struct
from pathlib import Path

import pytest

from measured_runs import run_measured
from transformers_mvgpt.video import frame_index, stream_properties
from transformers_mvgpt.video.frame_index import average_fps, read_mp4_index
from transformers_mvgpt.video.video_decoding import decode_video
from video_files import NUM_FRAMES, VARIABLE_TICKS, patch_mp4


def test_mp4_index(clip) -> None:
    with open(clip("open_gops.mp4"), "rb") as file:
        index = read_mp4_index(file)
    assert index.keyframes == [0, 8, 16, 24, 32] and index.has_open_gops and index.has_constant_rate
    assert index.times.tolist() == pytest.approx([number / 10 for number in range(NUM_FRAMES)])
    with open(clip("variable.mp4"), "rb") as file:
        index = read_mp4_index(file)
    assert not index.has_open_gops and not index.has_constant_rate
    assert index.times.tolist() == pytest.approx([tick / 30 for tick in VARIABLE_TICKS])


@pytest.mark.parametrize("name", ["trimmed.mp4", "fragments.mp4", "two_tracks.mp4", "audio.m4a", "h264.mkv"])
def test_mp4_index_is_none_where_the_tables_do_not_settle_it(clip, name: str) -> None:
    with open(clip(name), "rb") as file:
        assert read_mp4_index(file) is None


@pytest.mark.parametrize(
    "box, offset, content",
    [
        (b"stsz", 8, b"\xff\xff\xff\xff"),  # four billion frames
        (b"stts", 4, b"\xff\xff\xff\xff"),  # a table that is longer than the file
        (b"stss", 8, b"\xff\xff\xff\xff"),  # a keyframe beyond the last frame
        (b"mdhd", 12, b"\x00\x00\x00\x00"),  # no timescale
        (b"moov", -8, b"\x7f\xff\xff\xff"),  # a header that is longer than the file
        (b"stbl", -8, b"\x00\x00\x00\x01"),  # a long box without its length
        (b"ctts", 8, b"\x00\x00\x00\x00"),  # fewer times than frames
    ],
    ids=["count", "table", "keyframe", "timescale", "moov", "box", "runs"],
)
def test_mp4_index_survives_forged_tables(clip, tmp_path: Path, box: bytes, offset: int, content: bytes) -> None:
    path = tmp_path / "forged.mp4"
    path.write_bytes(clip("header_first.mp4").read_bytes())
    patch_mp4(path, box, offset, content)
    with open(path, "rb") as file:
        assert read_mp4_index(file) is None


def test_mp4_index_is_none_for_edits_that_hide_or_stretch_frames(clip, tmp_path: Path) -> None:
    path = tmp_path / "edited.mp4"
    for name, offset, content in [
        ("h264.mp4", 8, b"\x00\x00\x03\xe8"),  # one second of four is shown
        ("h264.mp4", 16, b"\x00\x02\x00\x00"),  # at double speed
        ("late_start.mp4", 8, b"\x7f\xff\xff\xff\x00\x00\x00\x00"),  # two edits that show something
    ]:
        path.write_bytes(clip(name).read_bytes())
        with open(path, "rb") as file:
            assert len(read_mp4_index(file)) == NUM_FRAMES
        patch_mp4(path, b"elst", offset, content)
        with open(path, "rb") as file:
            assert read_mp4_index(file) is None


def test_mp4_index_of_too_many_frames_is_not_made(clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_index, "MAX_INDEXED_FRAMES", NUM_FRAMES - 1)
    with open(clip("h264.mp4"), "rb") as file:
        assert read_mp4_index(file) is None


def test_a_stream_of_too_many_packets_is_refused(clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_properties, "MAX_INDEXED_FRAMES", NUM_FRAMES - 1)
    with pytest.raises(ValueError, match=rf"The video '.*h264\.mkv' has more than {NUM_FRAMES - 1} frames\. Cut it"):
        decode_video(clip("h264.mkv"), lambda metadata: [0], backend="pyav")


def test_average_fps_prefers_a_true_declaration() -> None:
    assert average_fps(301, 10.010, 30000 / 1001) == 30000 / 1001
    assert average_fps(301, 20.0, 30000 / 1001) == 15
    assert average_fps(301, 10.005, 30.0) == 300 / 10.005
    assert average_fps(1, 0.0, 25.0) == 25.0
    assert average_fps(1, 0.0, None) is None


def test_huge_header_is_not_read(tmp_path) -> None:
    path = tmp_path / "huge.mp4"
    with open(path, "wb") as file:
        file.write(struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + struct.pack(">I4s", 3_000_000_000, b"moov"))
        file.truncate(3_000_000_016)  # no bytes are written for it
    with open(path, "rb") as file:
        assert read_mp4_index(file) is None
        assert file.tell() < 100
    run = run_measured(lambda: decode_video(path))
    assert run.error.startswith("ValueError: ") and run.grown_bytes < 100e6 and run.seconds < 10
