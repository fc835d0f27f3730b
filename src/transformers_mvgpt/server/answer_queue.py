# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The queue in front of the model: bounded, first come first served, and one at a time."""

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from .request_errors import RequestError, internal_error, shutting_down


logger = logging.getLogger(__name__)

_MAX_RETRY_SECONDS = 60


class Place:
    """A place that is taken, and given back once, however often that is said."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back: Callable[[], None] | None = give_back

    def give_back(self) -> None:
        if self._give_back is not None:
            self._give_back()
            self._give_back = None


class Turn:
    """
    A request's turn with the model. Its work runs in the model's thread; what it says is read from `events` in the loop: any number of
    `("text", str)`, and at last `("done", result)` or `("error", exception)`, whatever happens.

    Args:
        work (`Callable[[Turn], Any]`): What to do.
        deadline (`float`), late (`Exception`): When it is cancelled by itself, by `time.monotonic`, and what its last event says then.
        places (`Sequence[Place]`): Are given back at its end, which the client need not have read.
    """

    def __init__(
        self,
        work: Callable[["Turn"], Any],
        deadline: float,
        late: Exception,
        places: Sequence[Place] = (),
    ) -> None:
        self.events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._work: Callable[[Turn], Any] | None = work
        self._deadline, self._late = deadline, late
        self._places = places
        self._loop = asyncio.get_running_loop()
        self._reason: Exception = RequestError("The request was cancelled.", status=499, code="cancelled")
        self._is_cancelled = threading.Event()

    @property
    def is_cancelled(self) -> bool:
        if not self._is_cancelled.is_set() and time.monotonic() > self._deadline:
            self.cancel(self._late)
        return self._is_cancelled.is_set()

    def cancel(self, reason: Exception | None = None) -> None:
        """Ends it at the next token, or before it begins. The reason is what its last event says."""
        if not self._is_cancelled.is_set():
            self._reason = reason or self._reason
            self._is_cancelled.set()

    def say(self, text: str) -> None:
        self._put("text", text)

    def run(self) -> None:
        """In the model's thread."""
        # what it holds is free afterwards, also while its events are read
        work, self._work = self._work, None
        try:
            result = None if self.is_cancelled or work is None else work(self)
        except Exception as error:
            self._put("error", error)
            return
        except BaseException:
            self._put("error", internal_error())
            raise
        if self.is_cancelled:
            self._put("error", self._reason)
        else:
            self._put("done", result)

    def _put(self, kind: str, value: Any) -> None:
        # the loop is gone where the process ends
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.events.put_nowait, (kind, value))
            if kind != "text":
                for place in self._places:
                    self._loop.call_soon_threadsafe(place.give_back)


class AnswerQueue:
    """
    Args:
        max_waiting (`int`): Requests that may be in the server beside the one that is answered.
    """

    def __init__(self, max_waiting: int) -> None:
        self.max_waiting = max_waiting
        self.num_in_server = 0
        self._turns: deque[Turn] = deque()
        self._running: Turn | None = None
        self._seconds_per_turn = 1.0
        self._is_closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run_turns, name="mvgpt-model", daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        return self._thread.is_alive() and not self._is_closing

    def enter(self) -> Place:
        """
        Takes a place.

        Raises:
            RequestError: if all places are taken, with the seconds after which one is likely to be free.
        """
        self.check_place()
        self.num_in_server += 1
        return Place(self._leave)

    def check_place(self) -> None:
        """Raises what [`enter`] would."""
        if self._is_closing:
            raise shutting_down()
        if self.num_in_server > self.max_waiting:
            seconds = min(max(math.ceil(self._seconds_per_turn), 1), _MAX_RETRY_SECONDS)
            raise RequestError(
                f"{self.num_in_server} requests are in the server, which is all that it takes (`--max-waiting {self.max_waiting}`): "
                f"try again in {seconds} seconds.",
                status=429,
                code="queue_full",
                retry_after=seconds,
            )

    def _leave(self) -> None:
        self.num_in_server -= 1

    def submit(self, turn: Turn) -> None:
        """Puts a turn at the end of the queue."""
        with self._changed:
            if self._is_closing:
                raise shutting_down()
            self._turns.append(turn)
            self._changed.notify()

    def num_before(self, turn: Turn) -> int:
        """How many turns come before one that is waiting, or 0 when it is being done."""
        with self._changed:
            waiting = list(self._turns)
        return waiting.index(turn) + (self._running is not None) if turn in waiting else 0

    def cancel(self, turn: Turn) -> None:
        """Ends a turn that nobody waits for. What it holds is free at once, or after its next token."""
        turn.cancel()
        with self._changed, contextlib.suppress(ValueError):
            self._turns.remove(turn)

    def close(self, grace_seconds: float = 0.0) -> None:
        """Takes nothing more, refuses what waits, and ends what is being answered after `grace_seconds`. Returns at once."""
        with self._changed:
            waiting, self._is_closing = list(self._turns), True
            self._turns.clear()
            self._changed.notify()
        for turn in waiting:
            turn.cancel(shutting_down())
            turn.run()  # which says so
        timer = threading.Timer(grace_seconds, self._cancel_running)
        timer.daemon = True
        timer.start()

    def join(self, seconds: float) -> None:
        """Waits for the model's thread to end, after [`close`]."""
        self._thread.join(seconds)

    def _cancel_running(self) -> None:
        if (turn := self._running) is not None:
            turn.cancel(shutting_down())

    def _run_turns(self) -> None:
        while (turn := self._next()) is not None:
            begun = time.monotonic()
            try:
                turn.run()
            except BaseException:
                # nothing that a request does ends the thread
                logger.exception("A request broke off")
            if not turn.is_cancelled:
                self._seconds_per_turn += 0.2 * (time.monotonic() - begun - self._seconds_per_turn)
            # what it holds is not kept until the next one comes
            turn = self._running = None

    def _next(self) -> Turn | None:
        with self._changed:
            self._changed.wait_for(lambda: self._turns or self._is_closing)
            self._running = self._turns.popleft() if self._turns else None
            return self._running
