# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""One clock, that of the container: times of frames, segments and rates, where frames do not follow each other evenly."""

import copy
import sys
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from transformers.video_utils import VideoMetadata

from transformers_mvgpt import MobileVideoGPTVideoProcessor
from transformers_mvgpt.video.frame_sampling_mvgpt import sample_frame_indices
from transformers_mvgpt.video.frame_times import has_constant_rate
from transformers_mvgpt.video.video_decoding import SampledVideoMetadata, decode_video
from video_files import read_marks, sample, write_gif, write_marked_video


# Four seconds at 10 frames per second, then one frame per second up to 19 s.
TICKS = [*range(40), *range(40, 191, 10)]
SECONDS = [tick / 10 for tick in TICKS]
PROCESSOR = MobileVideoGPTVideoProcessor()


@pytest.fixture(scope="module", params=["mp4", "mkv"])
def variable(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("variable") / f"variable_rate.{request.param}"
    return write_marked_video(path, len(TICKS), fps=10, ticks=TICKS)


def read(path: Path, backend: str, **options) -> tuple[list[int], SampledVideoMetadata]:
    frames, metadata = decode_video(path, partial(PROCESSOR.sample_frames, **options), backend=backend)
    assert read_marks(frames) == metadata.frames_indices
    return metadata.frames_indices, metadata


@pytest.mark.parametrize(
    "options, seconds",
    [
        ({"start_seconds": 4, "end_seconds": 10}, [4, 5, 6, 7, 8, 9, 10]),
        ({"start_seconds": np.float32(4.5), "end_seconds": np.int64(7)}, [5, 6, 7]),
        ({"start_seconds": 18}, [18, 19]),
        ({"start_seconds": 19.1}, [19]),
        # between two frames: the one that is shown then
        ({"start_seconds": 4.25, "end_seconds": 4.75}, [4]),
        ({"start_seconds": 4.25, "end_seconds": 4.75, "fps": 2}, [4]),
        ({"end_seconds": 0.2}, [0, 0.1, 0.2]),
        ({"fps": 1}, list(range(20))),
        ({"fps": 2, "start_seconds": 3, "end_seconds": 7}, [3, 3.5, 4, 5, 6, 7]),
        ({"sampling": "time"}, [0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13, 15, 16, 17, 19]),
        ({"sampling": "time", "num_frames": 4, "start_seconds": 4}, [4, 9, 14, 19]),
    ],
)
def test_variable_rate(variable: Path, backend: str, options: dict, seconds: list[float]) -> None:
    indices, metadata = read(variable, backend, **options)
    assert metadata.timestamps == pytest.approx(seconds, abs=6e-4)
    assert indices == [SECONDS.index(second) for second in seconds]
    assert metadata.fps == pytest.approx((len(TICKS) - 1) / 19)
    assert 19 <= metadata.duration <= 20


def test_the_published_rule_counts_frames(variable: Path, backend: str) -> None:
    indices, _ = read(variable, backend)
    assert indices == sample_frame_indices(len(TICKS), 55 / 19, 16).tolist()
    assert indices != read(variable, backend, sampling="time")[0]


def test_start_beyond_the_end_of_a_variable_rate(variable: Path, backend: str) -> None:
    message = (
        r"`start_seconds` \(19.5\) lies beyond the end of the video, which has 56 frames at 2.89\d+ frames .*: 19.35 s"
    )
    with pytest.raises(ValueError, match=message):
        read(variable, backend, start_seconds=19.5)


@pytest.mark.parametrize("name", ["late_start.mp4", "late_start.mkv"])
def test_stream_that_begins_late(clip: Callable[[str], Path], backend: str, name: str) -> None:
    """Its first frame is shown at 2.5 s."""
    indices, metadata = read(clip(name), backend, start_seconds=2.4, end_seconds=2.9)
    assert indices == [0, 1, 2, 3, 4] and metadata.timestamps == pytest.approx([2.5, 2.6, 2.7, 2.8, 2.9])
    assert read(clip(name), backend, start_seconds=5.2, end_seconds=5.45)[0] == [27, 28, 29]
    assert read(clip(name), backend, start_seconds=6.4)[0] == [39]
    assert read(clip(name), backend, fps=1)[1].timestamps == pytest.approx([2.5, 3.5, 4.5, 5.5])
    with pytest.raises(ValueError, match=r"`end_seconds` \(2.4\) lies before the first frame .* at 2.50 s: raise it"):
        read(clip(name), backend, end_seconds=2.4)
    with pytest.raises(ValueError, match=r"`start_seconds` \(6.5\) lies beyond the end .* 40 frames .*: 6.50 s"):
        read(clip(name), backend, start_seconds=6.5)


@pytest.mark.parametrize("backend", ["torchcodec", "opencv", "decord"], indirect=True)
def test_without_pyav_a_start_that_is_not_known_is_not_made_up(
    clip: Callable[[str], Path], backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert read(clip("late_start.mp4"), backend, end_seconds=2.55)[1].timestamps == pytest.approx([2.5])
    if backend == "torchcodec":
        indices, metadata = read(clip("late_start.mkv"), backend, start_seconds=3, end_seconds=3.15)
        assert indices == [5, 6] and metadata.timestamps == pytest.approx([3, 3.1])
        return
    with pytest.raises(
        ValueError, match=f"is not for {backend}, which without PyAV beside it does not tell when a stream"
    ):
        read(clip("late_start.mkv"), backend)


def write_late_video(path: Path) -> Path:
    """Sound from where the clock stands at ten seconds, pictures a second later."""
    with av.open(path, "w") as container:
        sound = container.add_stream("mp2", rate=48000)
        pictures = container.add_stream("mpeg2video", rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        for number in range(84):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 48000, 480000 + number * 1152, Fraction(1, 48000)
            container.mux(sound.encode(frame))
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 8, np.uint8), format="rgb24")
            frame.pts, frame.time_base = 275 + number, Fraction(1, 25)
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode())
        container.mux(sound.encode())
    return path


@pytest.mark.parametrize("container", ["ts", "mpg"])
@pytest.mark.parametrize("backend", ["pyav", "opencv"], indirect=True)
def test_clock_that_runs_on_from_anywhere(tmp_path: Path, backend: str, container: str) -> None:
    """Where the clock of the file begins is zero, as players show it."""
    path = write_late_video(tmp_path / f"late.{container}")
    with av.open(path) as file:
        assert file.start_time > 9e6
    _, metadata = decode_video(path, sample(0, 5), backend=backend)
    # An encoder of sound begins a little before its first sample.
    assert metadata.timestamps == pytest.approx([1, 1.2], abs=0.06)
    assert metadata.timestamps == pytest.approx(decode_video(path, sample(0, 5), backend="pyav")[1].timestamps)


def test_times_of_a_gif(tmp_path: Path) -> None:
    path = write_gif(tmp_path / "slow.gif", [100, 100, 1000, 1000, 1000, 100])
    frames, metadata = decode_video(path, partial(PROCESSOR.sample_frames, start_seconds=1, end_seconds=3))
    assert read_marks(frames) == [3, 4][: len(frames)] and metadata.timestamps == pytest.approx([1.2, 2.2])
    with pytest.raises(ValueError, match=r"`start_seconds` \(3.31\) lies beyond the end .*: 3.30 s"):
        decode_video(path, partial(PROCESSOR.sample_frames, start_seconds=3.31))


@pytest.mark.parametrize("start, end", [(5, 5), (4.35, 2.5), (float("inf"), float("inf"))])
def test_segment_that_does_not_end_after_its_start(start: float, end: float) -> None:
    message = rf"`start_seconds` \({start}\) must be less than `end_seconds` \({end}\): swap them, raise `end_seconds`"
    for options in ({}, {"fps": 1}):
        with pytest.raises(ValueError, match=message):
            PROCESSOR.sample_frames(VideoMetadata(100, fps=10), start_seconds=start, end_seconds=end, **options)


@pytest.mark.parametrize("seconds", ["0:05", "5", [5], True])
def test_seconds_that_are_no_number(seconds: object) -> None:
    with pytest.raises(ValueError, match=r"`end_seconds` \(.*\) must be a number of seconds, such as 5 or 62.5\.$"):
        PROCESSOR.sample_frames(VideoMetadata(100, fps=10), end_seconds=seconds)


@pytest.mark.parametrize("options", [{}, {"fps": 1}, {"sampling": "time"}])
def test_segment_of_one_frame_is_that_frame(clip: Callable[[str], Path], options: dict) -> None:
    processor = MobileVideoGPTVideoProcessor(num_frames=4, do_normalize=False)
    options = {"start_seconds": 1.02, "end_seconds": 1.08, "return_metadata": True} | options
    features = processor(clip("h264.mp4"), **options)
    assert features["video_metadata"][0].frames_indices == [10]
    assert read_marks(features["pixel_values_videos"][0][:1] * 255) == [10]
    assert not torch.as_tensor(features["pixel_values_videos"][0][1:]).any()


def test_sampling_by_time_of_a_constant_rate() -> None:
    by_time = PROCESSOR.sample_frames(VideoMetadata(900, fps=30), sampling="time")
    assert by_time.tolist() == PROCESSOR.sample_frames(VideoMetadata(900, fps=30)).tolist()
    assert PROCESSOR.sample_frames(VideoMetadata(5, fps=30), sampling="time").tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("num_frames", [1, 5, 16])
def test_sampling_by_time_takes_as_many_as_wanted_or_all_there_are(num_frames: int) -> None:
    generator = np.random.default_rng(0)
    for total in (1, 2, 7, 16, 40):
        times = np.cumsum(generator.choice([0.04, 0.5, 30], total))
        metadata = SampledVideoMetadata(total, fps=1.0, frame_times=times)
        indices = sample_frame_indices(total, 1.0, num_frames, frame_times=metadata.frame_times, sampling="time")
        assert len(indices) == min(num_frames, total) and np.all(np.diff(indices) > 0)


def test_sampling_by_time_needs_times() -> None:
    with pytest.raises(ValueError, match=r'Sampling by time \(`sampling="time"`\) needs the frame rate .* not known'):
        PROCESSOR.sample_frames(VideoMetadata(100), sampling="time")
    with pytest.raises(ValueError, match=r"`sampling` \(seconds\) must be one of: frames, time"):
        PROCESSOR.sample_frames(VideoMetadata(100, fps=1), sampling="seconds")


def test_sampling_is_an_option_of_the_processor(variable: Path) -> None:
    expected = [0, 6, 12, 19]
    by_option = MobileVideoGPTVideoProcessor(num_frames=4)(variable, sampling="time", return_metadata=True)
    by_default = MobileVideoGPTVideoProcessor(num_frames=4, sampling="time")(variable, return_metadata=True)
    for features in (by_option, by_default):
        assert features["video_metadata"][0].timestamps == pytest.approx(expected, abs=6e-4)


def test_times_of_all_frames_are_no_part_of_the_mapping(variable: Path) -> None:
    _, metadata = decode_video(variable, sample(3))
    assert metadata.frame_times == pytest.approx(SECONDS, abs=6e-4)
    assert "frame_times" not in dict(metadata) and "frame_times" not in repr(metadata)
    assert copy.deepcopy(metadata) == metadata


@pytest.mark.parametrize("form", [lambda metadata: metadata, lambda metadata: [metadata]], ids=["alone", "list"])
def test_frames_that_were_read_before_keep_their_times(variable: Path, form: Callable) -> None:
    frames, metadata = decode_video(variable)
    options = {"start_seconds": 4, "end_seconds": 10, "return_metadata": True}
    [given] = PROCESSOR(frames, video_metadata=form(metadata), **options)["video_metadata"]
    assert given.timestamps == pytest.approx([4, 5, 6, 7, 8, 9, 10])
    frames, metadata = decode_video(variable, sample(50, 51))
    features = PROCESSOR(frames, video_metadata=form(metadata), do_sample_frames=False, return_metadata=True)
    assert features["video_metadata"][0].timestamps == pytest.approx([14, 15])


def test_rate_is_constant_but_for_what_containers_round() -> None:
    exact = np.arange(1000) * 1001 / 30000 + 5
    assert has_constant_rate(30000 / 1001, exact) and has_constant_rate(30000 / 1001, exact.round(3))
    assert has_constant_rate(30, None)
    assert not has_constant_rate(None, exact)
    assert not has_constant_rate(30000 / 1001, np.where(np.arange(1000) == 500, exact + 0.01, exact))
