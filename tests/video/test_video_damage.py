# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Files that are damaged, cut short or no videos: an error that says so, never another frame."""

from pathlib import Path

import av
import numpy as np
import pytest

from transformers_mvgpt.video.video_decoding import decode_video
from video_files import NUM_FRAMES, read_mark, read_marks, sample, write_marked_video


@pytest.mark.parametrize("name", ["audio.m4a", "audio.mka"])
def test_no_video_stream(clip, backend: str, name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}' .*(no video stream|without a video stream)"):
        decode_video(clip(name), backend=backend)


@pytest.mark.parametrize("start", [b"", b"\0\0\0\x18ftypmp42", b"\x1a\x45\xdf\xa3"], ids=["none", "mp4", "matroska"])
def test_garbage(backend: str, start: bytes) -> None:
    garbage = start + np.random.default_rng(0).bytes(5000)
    with pytest.raises(
        ValueError, match=rf"video <{len(garbage)} bytes> could not be read by {backend}: .*is damaged"
    ):
        decode_video(garbage, backend=backend)


def test_file_without_its_header(clip, backend: str) -> None:
    data = clip("h264.mp4").read_bytes()
    data = data[: data.index(b"moov") - 4]
    with pytest.raises(ValueError, match=rf"<{len(data)} bytes> could not be read by {backend}: .*cut short"):
        decode_video(data, backend=backend)


def test_file_without_frames(clip, backend: str) -> None:
    data = clip("fragments.mp4").read_bytes()
    data = data[: data.index(b"moof") - 4]
    with pytest.raises(ValueError, match=rf"<{len(data)} bytes> (could not be read by {backend}|has no frames)"):
        decode_video(data, backend=backend)


@pytest.mark.parametrize("percent", [45, 52, 60, 68])
def test_truncated_file_never_gives_another_frame(clip, backend: str, percent: int) -> None:
    data = clip("heavy.mp4").read_bytes()
    data = data[: len(data) * percent // 100]
    name = f"<{len(data)} bytes>"
    if backend == "decord":
        with pytest.raises(ValueError, match=f"{name} could not be read by decord: it does not open"):
            decode_video(data, sample(0), backend=backend)
        return
    num_failed = 0
    for number in range(NUM_FRAMES):
        try:
            frames, metadata = decode_video(data, sample(number), backend=backend)
        except ValueError as error:
            num_failed += 1
            assert f"Frame {number} of {name} could not be decoded by {backend}: the file promises 40 fr" in str(error)
        else:
            assert read_mark(frames[0]) == number and metadata.total_num_frames == NUM_FRAMES
    assert NUM_FRAMES * (100 - percent) // 100 - 5 < num_failed < NUM_FRAMES * (100 - percent) // 100 + 8


@pytest.mark.parametrize("backend", ["pyav", "torchcodec", "opencv"], indirect=True)  # decord does not open it
def test_cut_that_loses_frames_before_the_last_one(clip, backend: str) -> None:
    """Where decoders go on with the next frame they have."""
    path = clip("heavy.mp4")
    with av.open(path) as container:
        stream = container.streams.video[0]
        stored = [
            (round(packet.pts * stream.time_base * 10), packet) for packet in container.demux(stream) if packet.size
        ]
    ahead = next(place for place in range(20, NUM_FRAMES) if stored[place][0] > stored[place + 1][0])
    last, packet = stored[ahead]
    data = path.read_bytes()[: packet.pos + packet.size]
    lost = [number for number, _ in stored[ahead + 1 :] if number < last]
    assert lost
    for number in lost:
        with pytest.raises(ValueError, match=rf"Frame {number} of <\d+ bytes> could not be decoded by {backend}"):
            decode_video(data, sample(number), backend=backend)
        with pytest.raises(ValueError, match=rf"Frame {number} of <\d+ bytes> could not be decoded by {backend}"):
            decode_video(data, sample(number, last), backend=backend)


@pytest.mark.parametrize("percent", [45, 52, 60, 68])
def test_what_is_left_of_a_file_that_promises_nothing_is_the_video(clip, backend: str, percent: int) -> None:
    data = clip("heavy.mkv").read_bytes()
    frames, metadata = decode_video(data[: len(data) * percent // 100], backend=backend)
    marks = read_marks(frames)
    # Of the last frames stored, some are shown after ones that are lost.
    assert marks[:-2] == list(range(len(marks) - 2)) and marks == sorted(set(marks))
    assert metadata.total_num_frames == len(marks) and len(marks) < NUM_FRAMES
    assert marks == read_marks(decode_video(data[: len(data) * percent // 100], backend="pyav")[0])


@pytest.mark.parametrize("backend", ["pyav", "torchcodec", "opencv"], indirect=True)  # decord may crash
def test_damage_in_the_middle_is_reported_by_frame(clip, backend: str) -> None:
    data = bytearray(clip("heavy.mp4").read_bytes())
    start = len(data) // 4
    data[start : start + 1500] = np.random.default_rng(0).bytes(1500)
    # The groups of pictures before and after it are whole.
    frames, _ = decode_video(bytes(data), sample(3, 38), backend=backend)
    assert read_marks(frames) == [3, 38]
    with pytest.raises(ValueError, match=r"Frame (1\d|2\d) of <\d+ bytes> could not be decoded"):
        decode_video(bytes(data), sample(*range(10, 30)), backend=backend)


def test_damage_where_nothing_numbers_the_frames(clip) -> None:
    data = bytearray(clip("heavy.avi").read_bytes())
    start = len(data) // 4
    data[start : start + 1500] = np.random.default_rng(0).bytes(1500)
    frames, metadata = decode_video(bytes(data), backend="pyav")
    marks = read_marks(frames)
    assert NUM_FRAMES - 8 < len(marks) == metadata.total_num_frames < NUM_FRAMES
    assert marks[:4] == [0, 1, 2, 3] and marks[-20:] == list(range(NUM_FRAMES - 20, NUM_FRAMES))


@pytest.mark.parametrize("name", ["headless.mkv", "headless.mp4", "headless.flv"])
def test_frames_before_the_first_keyframe_do_not_count(clip, backend: str, name: str) -> None:
    path = clip(name)
    if backend in ("torchcodec", "decord"):
        with pytest.raises(ValueError, match=f"{name}' (is not for|could not be read by) {backend}.* take pyav"):
            decode_video(path, sample(20), backend=backend)
        return
    frames, metadata = decode_video(path, backend=backend)
    assert read_marks(frames) == list(range(8, NUM_FRAMES)) and metadata.total_num_frames == NUM_FRAMES - 8
    sampled, metadata = decode_video(path, sample(20, 31), backend=backend)
    assert read_marks(sampled) == [28, 39] and metadata.total_num_frames == NUM_FRAMES - 8


def test_size_that_changes(tmp_path: Path) -> None:
    small = write_marked_video(tmp_path / "small.h264", 10)
    large = write_marked_video(tmp_path / "large.h264", 10, width=96, height=80)
    both = small.read_bytes() + large.read_bytes()
    with pytest.raises(ValueError, match=r"Frame 10 of <\d+ bytes> is 96x80, but the video is 64x48"):
        decode_video(both, backend="pyav")
    assert read_marks(decode_video(both, sample(4), backend="pyav")[0]) == [4]
