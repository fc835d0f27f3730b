# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A stream into a window: its pace, frames that are dropped, and how it ends."""

import threading
import time

import numpy as np
import pytest

from transformers_mvgpt.chat.live_feed import LiveFeed
from transformers_mvgpt.video.stream_frames import StreamFrame


class Stream:
    """Frames at these times, as fast as they are taken."""

    def __init__(self, times, error=None) -> None:
        self.times, self.error, self.is_stopped, self.is_closed = times, error, False, False

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.is_closed = True

    def __iter__(self):
        for seconds in self.times:
            if self.is_stopped:
                return
            yield StreamFrame(seconds, lambda: np.zeros((3, 4, 6), np.uint8))
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        self.is_stopped = True


class Window:
    """A `LiveVideo` that takes so long for a frame."""

    frames_per_second = 4.0

    def __init__(self, encoding_seconds: float = 0.0, error=None) -> None:
        self.encoding_seconds, self.error, self.times = encoding_seconds, error, []

    def add_frame(self, frame, seconds) -> bool:
        assert (frame.shape, frame.dtype) == ((4, 6, 3), np.uint8)
        time.sleep(self.encoding_seconds)
        if self.error is not None:
            raise self.error
        self.times.append(seconds)
        return True


def run(stream, window, **options) -> LiveFeed:
    feed = LiveFeed(window, lambda: stream, **options)
    feed.start()
    assert feed.is_over.wait(20)
    feed.stop()
    return feed


AT_30_PER_SECOND = [number / 30 for number in range(90)]
TAKEN = [0, 8, 15, 23, 30, 38, 45, 53, 60, 68, 75, 83]


def test_a_stream_that_waits():
    stream, window, seen = Stream(AT_30_PER_SECOND), Window(0.005), []
    feed = run(stream, window, waits=True, on_frame=seen.append)
    assert seen == window.times == [number / 30 for number in TAKEN]
    assert (feed.num_encoded, feed.num_dropped, feed.error) == (12, 0, None)
    assert stream.is_closed


def test_frames_are_dropped_for_newer_ones():
    window = Window(0.3)
    feed = run(Stream(AT_30_PER_SECOND), window)
    # all come while the first is encoded, or before that: the newest is left
    assert feed.num_encoded <= 2 and feed.num_encoded + feed.num_dropped == 12
    assert window.times[-1] == 83 / 30


def test_a_file_keeps_its_time():
    window = Window()
    began = time.monotonic()
    feed = run(Stream([5 + number / 20 for number in range(20)]), window, keeps_time=True)
    assert 0.7 < time.monotonic() - began < 15
    assert feed.num_dropped == 0 and len(window.times) == 4


@pytest.mark.parametrize("where", ["stream", "window"])
def test_errors_end_it(where):
    error = OSError("The stream broke off.")
    stream = Stream(
        AT_30_PER_SECOND if where == "stream" else iter(lambda: time.sleep(0.01) or time.monotonic(), None)
    )
    window = Window()
    (stream if where == "stream" else window).error = error
    feed = run(stream, window)
    assert feed.error is error
    assert stream.is_closed


def test_it_connects_again(monkeypatch):
    monkeypatch.setattr("transformers_mvgpt.chat.live_feed._FIRST_WAIT_SECONDS", 0.05)
    streams = [
        Stream([0, 0.01], OSError("It broke off.")),
        OSError("Nobody is there."),
        ValueError("It is empty: nothing has come."),
        Stream([0, 0.01], ValueError("Not one frame of it decodes.")),
        Stream([0]),
    ]
    opened = []

    def open_stream():
        if len(opened) == len(streams):
            raise OSError("Nobody is there.")
        opened.append(streams[len(opened)])
        if isinstance(opened[-1], Exception):
            raise opened[-1]
        return opened[-1]

    window = Window()
    window.frames_per_second = 100.0
    feed = LiveFeed(window, open_stream, waits=True, reconnects=True)
    feed.start()
    end = time.monotonic() + 20
    while len(window.times) < 5 and time.monotonic() < end:
        time.sleep(0.01)
    feed.stop()
    assert feed.error is None and feed.is_over.is_set()
    # on one clock, which runs on meanwhile
    assert window.times[:2] == [0, 0.01] and window.times[2] > 0.1 and window.times == sorted(window.times)
    assert len(opened) == 5


def test_stopping():
    stream = Stream(iter(lambda: time.sleep(0.01) or time.monotonic(), None))
    window = Window(0.05)
    feed = LiveFeed(window, lambda: stream)
    feed.start()
    threading.Event().wait(0.3)
    feed.stop()
    number = len(window.times)
    assert number > 0 and stream.is_closed and feed.is_over.is_set() and feed.error is None
    time.sleep(0.1)
    assert len(window.times) == number
