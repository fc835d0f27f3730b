# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Answers about the window of a stream: those of the offline path about the same frames, with one pass of each frame."""

import re
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from live_soak.soak import compare, describe, soak
from tiny_families import write_mobilevlm
from tiny_trained import TINYLLAVA
from transformers_mvgpt import FrameSelection, LiveVideo, VideoChat, demo
from transformers_mvgpt.viewing.frame_selection import encode_with_frames


# Of visual tokens, over their standard deviation: of batches of 1 and of 16 frames, for which products of matrices may be computed in
# another order. With one thread they are equal.
TOLERANCE = 1e-4


def load(folder):
    return AutoModelForImageTextToText.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder)


@pytest.fixture(scope="module", params=[demo.CHECKPOINT, TINYLLAVA], ids=["Mobile-VideoGPT", "TinyLLaVA-Video"])
def loaded(request):
    return load(request.param)


@pytest.fixture(scope="module")
def small():
    return load(demo.CHECKPOINT)


def pictures(number: int, height: int = 90, width: int = 160) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (number, height, width, 3), dtype=np.uint8)


def offline(live: LiveVideo, frames: np.ndarray, last_seconds: float) -> VideoChat:
    metadata = describe(len(frames), last_seconds, live)
    return VideoChat(live.model, live.processor, frames, video_metadata=metadata)


def test_answers_are_those_of_the_offline_path(loaded):
    """The short form of `make live-soak`: 40 seconds, a window of 8, and 5 moments, of which the first has few frames."""
    result = soak(*loaded, minutes=40 / 60, window_seconds=8, num_questions=5, size=64)
    assert result.num_frames == result.num_encoded == 160
    assert [asked.seconds for asked in result.comparisons] == [7.75, 15.75, 23.75, 31.75, 39.75]
    assert len({asked.live for asked in result.comparisons}) > 1
    for asked in result.comparisons:
        assert asked.live == asked.offline
        assert asked.has_same_frames
        assert asked.largest_difference < TOLERANCE


@pytest.mark.parametrize("num_frames", [1, 2, 9])
def test_few_frames_are_a_short_video(loaded, num_frames):
    live = LiveVideo(*loaded)
    frames = pictures(num_frames)
    for number, frame in enumerate(frames):
        assert live.add_frame(frame, number / 4)
    snapshot = live.snapshot()
    expected = offline(live, frames, (num_frames - 1) / 4)
    has_same_frames, difference = compare(snapshot.video, expected.video)
    assert has_same_frames and difference < TOLERANCE
    assert live.ask("What is there?", snapshot=snapshot, max_new_tokens=8) == expected.ask(
        "What is there?", max_new_tokens=8
    )


@pytest.mark.parametrize("sampling", ["frames", "time"])
def test_frames_of_variable_rate(small, sampling):
    """As where some were dropped."""
    live = LiveVideo(*small, window_seconds=60, sampling=sampling)
    times = np.array([*np.arange(20) / 4, *np.arange(5, 35)])
    frames = pictures(50)
    for frame, seconds in zip(frames, times, strict=True):
        assert live.add_frame(frame, seconds)
    metadata = describe(50, 34.0, live)
    metadata.frame_times, metadata.fps = times, 49 / 34
    expected = VideoChat(*small, frames, video_metadata=metadata, sampling=sampling)
    snapshot = live.snapshot()
    has_same_frames, difference = compare(snapshot.video, expected.video)
    assert has_same_frames and difference < TOLERANCE
    assert snapshot.metadata.timestamps == [times[index] for index in snapshot.metadata.frames_indices]


def test_the_window_moves_in_memory_that_is_taken_once(small):
    live = LiveVideo(*small, window_seconds=2, frames_per_second=4)
    assert (live.num_frames, live.num_bytes) == (0, 0)
    frames = pictures(30)
    num_bytes = set()
    for number, frame in enumerate(frames):
        live.add_frame(frame, 100 + number / 4)
        num_bytes.add(live.num_bytes)
        assert live.num_frames == min(number + 1, 8)
    assert len(num_bytes) == 1
    snapshot = live.snapshot()
    assert (snapshot.start_seconds, snapshot.end_seconds) == (105.5, 107.25)
    has_same_frames, difference = compare(snapshot.video, offline(live, frames[-8:], 107.25).video)
    assert has_same_frames and difference < TOLERANCE
    # after a gap, the last frame alone is left
    live.add_frame(frames[0], 200)
    assert live.num_frames == 1
    assert len(num_bytes | {live.num_bytes}) == 1


def test_frames_beyond_the_rate_are_skipped(small):
    """At 30 frames per second the rate is 4, not that of every eighth frame."""
    live = LiveVideo(*small, window_seconds=10)
    frame = pictures(1)[0]
    taken = [number / 30 for number in range(300) if live.wants(number / 30) and live.add_frame(frame, number / 30)]
    assert len(taken) == 40
    assert np.allclose(taken, np.ceil(np.arange(40) / 4 * 30 - 1e-9) / 30)
    assert not live.add_frame(frame, taken[-1])
    assert not live.add_frame(frame, taken[-1] + 0.1)


def test_a_stream_that_begins_anew(small):
    live = LiveVideo(*small)
    frames = pictures(8)
    for number, frame in enumerate(frames):
        live.add_frame(frame, 50 + number / 4)
    assert live.add_frame(frames[0], 0.0)
    assert live.num_frames == 1
    assert live.add_frame(frames[1], 0.25)
    assert live.snapshot().end_seconds == 0.25
    live.clear()
    with pytest.raises(ValueError, match="There is no frame in the window yet"):
        live.ask("What is there?")


@pytest.mark.parametrize("method", [None, "uniform", "rarest"])
def test_the_choice_of_frames(small, method):
    live = LiveVideo(*small, frame_selection=method)
    frames = pictures(20)
    for number, frame in enumerate(frames):
        live.add_frame(frame, number / 4)
    snapshot = live.snapshot()
    metadata = describe(20, 19 / 4, live)
    features, expected = encode_with_frames(*small, frames, frame_selection=method, video_metadata=metadata)
    assert torch.equal(snapshot.video.selected_frames, features.selected_frames)
    shown = FrameSelection.from_description(snapshot.frame_selection, snapshot.images)
    assert shown.method == expected.method == (method or "scores")
    for frame, other in zip(shown.frames, expected.frames, strict=True):
        assert (frame.index, frame.seconds, frame.is_selected) == (other.index, other.seconds, other.is_selected)
        assert frame.score == pytest.approx(other.score, rel=1e-4)
        assert frame.image.size == (48, 27)


def test_tinyllava_selects_no_frames():
    model, processor = load(TINYLLAVA)
    with pytest.raises(
        ValueError, match="selects no frames, it looks at all that it is given: leave `frame_selection`"
    ):
        LiveVideo(model, processor, frame_selection="rarest")
    live = LiveVideo(model, processor)
    for number, frame in enumerate(pictures(20)):
        live.add_frame(frame, number / 4)
    snapshot = live.snapshot()
    shown = FrameSelection.from_description(snapshot.frame_selection, snapshot.images)
    assert len(shown.selected) == len(shown.frames) == model.config.num_frames
    assert (shown.method, shown.frames_per_chunk, shown.frames[0].score) == (None, None, None)


def test_forms_of_frames(small):
    live = LiveVideo(*small)
    frame = pictures(1, 60, 100)[0]
    forms = [
        frame,
        torch.from_numpy(frame),
        Image.fromarray(frame),
        frame.transpose(2, 0, 1),
        Image.fromarray(frame).convert("RGBA"),
    ]
    # three lines of pixels: the documented shape, where the array could have another one
    narrow = pictures(1, 3, 64)[0]
    for number, form in enumerate((narrow, torch.from_numpy(narrow), Image.fromarray(narrow))):
        live.add_frame(form, 100 + number)
    assert [image.size for image in live.snapshot().images] == [(48, 2)] * 3
    assert all(torch.equal(pixels, live.snapshot().pixels[0]) for pixels in live.snapshot().pixels)
    live.clear()
    for number, form in enumerate(forms):
        live.add_frame(form, number)
    # other sizes are resized by themselves
    live.add_frame(pictures(1, 200, 50)[0], len(forms))
    snapshot = live.snapshot()
    pixels = dict(zip(snapshot.metadata.frames_indices, snapshot.pixels, strict=True))
    assert all(torch.equal(pixels[number], pixels[0]) for number in range(len(forms)))
    assert {image.size for image in snapshot.images} == {(48, 29), (12, 48)}


@pytest.mark.parametrize(
    ("frame", "seconds", "message"),
    [
        (np.zeros((8, 8, 3), np.float32), 0, "Frames must be uint8 pixels from 0 to 255, got float32"),
        (np.zeros((8, 8, 2), np.uint8), 0, "Frames must have the shape"),
        (np.zeros((0, 8, 3), np.uint8), 0, "Frames must have the shape"),
        (np.zeros((8, 8, 3), np.uint8), float("nan"), "`seconds` (nan) must be the time"),
        (np.zeros((8, 8, 3), np.uint8), 1e308, "`seconds` (1e+308) must be the time"),
        (np.zeros((8, 8, 3), np.uint8), -1e308, "`seconds` (-1e+308) must be the time"),
        (None, 0, "A frame must be a picture (`PIL.Image.Image`) or an array of uint8 pixels"),
        ("frame.png", 0, "of shape (height, width, 3), got frame.png"),
    ],
)
def test_frames_that_do_not_fit(small, frame, seconds, message):
    live = LiveVideo(*small)
    live.add_frame(pictures(1)[0], 0)
    with pytest.raises(ValueError, match=re.escape(message)):
        live.add_frame(frame, seconds + 1)
    with pytest.raises(ValueError, match=re.escape("`seconds` (None) must be the time")):
        live.add_frame(pictures(1)[0], None)
    assert live.num_frames == 1


def test_options_that_do_not_fit(small, tmp_path):
    for options, message in (
        ({"window_seconds": 0}, "`window_seconds` (0) must be a number above 0"),
        ({"window_seconds": None}, "`window_seconds` (None) must be a number above 0"),
        ({"window_seconds": "3"}, "`window_seconds` (3) must be a number above 0"),
        ({"frames_per_second": float("inf")}, "`frames_per_second` (inf) must be a number above 0"),
        ({"window_seconds": 3600}, "has more than 10,000 frames: lower one of them"),
        ({"sampling": "seconds"}, "`sampling` (seconds) must be one of: frames, time"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            LiveVideo(*small, **options)
    with pytest.raises(
        ValueError, match="A MobileVLMForConditionalGeneration takes images, no videos: `LiveVideo` needs"
    ):
        LiveVideo(*load(write_mobilevlm(tmp_path)))


def test_frames_go_on_while_an_answer_is_made(small):
    live = LiveVideo(*small, window_seconds=5)
    frames = pictures(400)
    for number in range(20):
        live.add_frame(frames[number], number / 4)
    snapshot = live.snapshot()
    expected = live.ask("Describe the video.", snapshot=snapshot, max_new_tokens=40, min_new_tokens=40)

    added = []
    is_over = threading.Event()

    def add_frames() -> None:
        for number in range(20, 400):
            if is_over.is_set():
                break
            live.add_frame(frames[number], number / 4)
            added.append(time.monotonic())

    thread = threading.Thread(target=add_frames)
    thread.start()
    try:
        pieces, times = [], []
        options = {"max_new_tokens": 40, "min_new_tokens": 40}
        for piece in live.stream("Describe the video.", snapshot=snapshot, **options):
            pieces.append(piece)
            times.append(time.monotonic())
    finally:
        is_over.set()
        thread.join()
    assert "".join(pieces) == expected
    assert sum(times[0] < seconds < times[-1] for seconds in added) >= 3
    assert live.snapshot().end_seconds > snapshot.end_seconds


def test_a_question_is_about_its_moment(small):
    live = LiveVideo(*small)
    for number, frame in enumerate(pictures(20)):
        live.add_frame(frame, number / 4)
    expected = live.ask("What is there?", max_new_tokens=8)
    pieces = live.stream("What is there?", max_new_tokens=8)
    for number in range(20, 150):
        live.add_frame(np.zeros((8, 8, 3), np.uint8), number / 4)
    assert "".join(pieces) == expected
    # an answer can be ended
    assert (
        len(list(live.stream("What is there?", max_new_tokens=20, min_new_tokens=20, is_cancelled=lambda: True))) <= 1
    )


def test_questions_take_turns(small):
    live = LiveVideo(*small)
    for number, frame in enumerate(pictures(20)):
        live.add_frame(frame, number / 4)
    expected = live.ask("What is there?", max_new_tokens=12, min_new_tokens=12)
    answers = []

    def ask() -> None:
        answers.append(live.ask("What is there?", max_new_tokens=12, min_new_tokens=12))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [expected] * 3


def test_answers_that_nobody_reads_hold_up_nothing(small):
    """Left unread, read in turn, and with questions asked between their pieces."""
    live = LiveVideo(*small)
    for number, frame in enumerate(pictures(20)):
        live.add_frame(frame, number / 4)
    options = {"max_new_tokens": 12, "min_new_tokens": 12}
    expected = live.ask("What is there?", **options)
    unread = live.stream("What is there?", **options)
    begun = next(unread)
    assert live.ask("What is there?", **options) == expected
    assert live.add_frame(pictures(1)[0], 100)
    assert begun + "".join(unread) == expected
    snapshot = live.snapshot()
    expected = live.ask("What is there?", snapshot=snapshot, **options)
    streams = [live.stream("What is there?", snapshot=snapshot, **options) for _ in range(2)]
    pieces = [(next(streams[0], ""), next(streams[1], "")) for _ in range(14)]
    assert ["".join(answer) for answer in zip(*pieces, strict=True)] == [expected] * 2
    for _ in live.stream("What is there?", **options):
        assert live.ask("What is there?", snapshot=snapshot, **options) == expected
        break


def test_no_question_while_the_next_token_is_made(small):
    live = LiveVideo(*small)
    live.add_frame(pictures(1)[0], 0)
    for work in (lambda: live.ask("Where?"), lambda: live.add_frame(pictures(1)[0], 1)):
        with pytest.raises(RuntimeError, match="The model is at work in this thread"):
            list(live.stream("What is there?", is_cancelled=work))
    assert live.ask("What is there?", max_new_tokens=2)
