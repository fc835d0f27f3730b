# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
A stream into a [`LiveVideo`], with a thread that decodes and one that encodes.

    decoder thread   frame -> rate -> newest frame
                                          |
    encoder thread                        +-> image encoder -> window
"""

import time
from collections.abc import Callable
from threading import Condition, Event, Thread
from typing import Any

from ..video.stream_frames import FrameStream, StreamFrame
from .frame_window import FrameRate
from .live_video import LiveVideo


# A source that is being started again accepts connections and closes them, or sends what does not decode: that is a `ValueError`.
_STREAM_ERRORS = (OSError, ValueError)
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 30.0


class LiveFeed:
    """
    A frame that the rate asks for waits until the image encoder has time. If another one comes before, it is dropped.

    Args:
        live ([`LiveVideo`]): where frames go.
        open_stream (`Callable[[], FrameStream]`): opens the stream; again, where it is to be connected to again.
        keeps_time (`bool`): Whether frames are held back until they are due, as of a file that is there already.
        waits (`bool`): Whether the decoder waits for the encoder, so that no frame is dropped.
        reconnects (`bool`): Whether a stream that has ended or broken off is opened again, after a second, then ever more rarely.
        on_frame (`Callable[[float], None]`): Is called in the encoder thread when a frame is in the window, with its time.

    Attributes:
        num_encoded, num_dropped (`int`): Frames so far.
        error (`BaseException`, *optional*): What has ended it.
        is_over (`Event`): Set when no more frames come and the last one is in the window.
    """

    def __init__(
        self,
        live: LiveVideo,
        open_stream: Callable[[], FrameStream],
        *,
        keeps_time: bool = False,
        waits: bool = False,
        reconnects: bool = False,
        on_frame: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self.live = live
        self.num_encoded = self.num_dropped = 0
        self.error: BaseException | None = None
        self.is_over = Event()
        self._open_stream, self._on_frame = open_stream, on_frame
        self._keeps_time, self._waits, self._reconnects = keeps_time, waits, reconnects
        self._rate = FrameRate(live.frames_per_second)
        self._changed = Condition()
        self._newest: tuple[float, StreamFrame] | None = None
        self._is_read = False
        self._stopped = Event()
        self._stream: FrameStream | None = None
        self._began: tuple[float, float] | None = None
        # a decoder that hangs must not hold up the end of the process
        self._decoder = Thread(target=self._run, args=(self._decode,), name="live decoder", daemon=True)
        self._encoder = Thread(target=self._run, args=(self._encode,), name="live encoder", daemon=True)

    def start(self) -> None:
        """
        Opens the stream and begins.

        Raises:
            OSError, ValueError: as [`FrameStream`].
        """
        self._stream = self._open_stream()
        self._decoder.start()
        self._encoder.start()

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Ends it, and waits for a frame that is being encoded."""
        self._stopped.set()
        if (stream := self._stream) is not None:
            stream.stop()
        with self._changed:
            self._changed.notify_all()
        for thread in (self._encoder, self._decoder):
            if thread.is_alive():
                thread.join(timeout_seconds)

    def _run(self, work: Callable[[], None]) -> None:
        """In a thread: what goes wrong ends both."""
        try:
            work()
        except BaseException as error:
            with self._changed:
                if self.error is None and not self._stopped.is_set():
                    self.error = error
            self._stopped.set()
            if (stream := self._stream) is not None:
                stream.stop()
        finally:
            with self._changed:
                self._is_read = self._is_read or work == self._decode
                self._changed.notify_all()
            if work == self._encode:
                self.is_over.set()

    def _decode(self) -> None:
        began = time.monotonic()
        clock = 0.0
        while True:
            try:
                self._read_stream(clock)
            except _STREAM_ERRORS:
                if not self._reconnects:
                    raise
            if not self._reconnects or not self._open_again():
                return
            clock = time.monotonic() - began

    def _open_again(self) -> bool:
        """Whether it is open; not if everything was stopped before."""
        wait = _FIRST_WAIT_SECONDS
        while not self._stopped.wait(wait):
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
            try:
                self._stream = self._open_stream()
                return True
            except _STREAM_ERRORS:
                continue
        return False

    def _read_stream(self, clock: float) -> None:
        stream: Any = self._stream
        with stream:
            for frame in stream:
                seconds = frame.seconds + clock
                if self._keeps_time:
                    self._wait_until_due(seconds)
                if self._stopped.is_set():
                    return
                if self._rate.wants(seconds):
                    self._rate.take(seconds)
                    self._offer(seconds, frame)

    def _wait_until_due(self, seconds: float) -> None:
        now = time.monotonic()
        if self._began is None or seconds < self._began[1]:
            self._began = now, seconds
        due = self._began[0] + seconds - self._began[1]
        if due > now:
            self._stopped.wait(due - now)

    def _offer(self, seconds: float, frame: StreamFrame) -> None:
        with self._changed:
            if self._waits:
                self._changed.wait_for(lambda: self._newest is None or self._stopped.is_set())
            elif self._newest is not None:
                self.num_dropped += 1
            self._newest = seconds, frame
            self._changed.notify_all()

    def _encode(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._is_read or self._stopped.is_set())
                if self._newest is None or self._stopped.is_set():
                    return
                (seconds, frame), self._newest = self._newest, None
                self._changed.notify_all()
            self.live.add_frame(frame.picture().transpose(1, 2, 0), seconds)
            self.num_encoded += 1
            self._on_frame(seconds)
