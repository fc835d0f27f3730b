# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The line in front of the model."""

import asyncio
import threading
import time

import pytest

from transformers_mvgpt.server.answer_queue import AnswerQueue, Place, Turn
from transformers_mvgpt.server.request_errors import RequestError, timed_out


LATE = timed_out(1)


def turn(work, seconds=60.0, places=()):
    return Turn(work, time.monotonic() + seconds, LATE, places)


async def events(turn):
    found = []
    while not found or found[-1][0] == "text":
        found.append(await asyncio.wait_for(turn.events.get(), 10))
    return found


def test_turns_come_one_after_the_other():
    async def main():
        queue, running, most = AnswerQueue(5), [], []

        def work(turn):
            running.append(turn)
            turn.say("a")
            time.sleep(0.01)
            most.append(len(running))
            running.remove(turn)
            return len(most)

        turns = [turn(work) for _ in range(4)]
        for each in turns:
            queue.submit(each)
        assert [await events(each) for each in turns] == [[("text", "a"), ("done", number)] for number in (1, 2, 3, 4)]
        assert most == [1, 1, 1, 1]
        queue.close()

    asyncio.run(main())


def test_errors_end_a_turn_and_not_the_line():
    async def main():
        queue = AnswerQueue(5)
        broken, exits, whole = turn(lambda turn: 1 / 0), turn(lambda turn: exit(3)), turn(lambda turn: "answer")
        for each in (broken, exits, whole):
            queue.submit(each)
        [(kind, error)] = await events(broken)
        assert (kind, type(error)) == ("error", ZeroDivisionError)
        [(kind, error)] = await events(exits)
        assert (kind, error.status) == ("error", 500)
        assert await events(whole) == [("done", "answer")]
        assert queue.is_open
        queue.close()

    asyncio.run(main())


def test_places():
    async def main():
        queue = AnswerQueue(1)
        first, second = queue.enter(), queue.enter()
        with pytest.raises(
            RequestError, match=r"2 requests are in the server, .* \(`--max-waiting 1`\): try again in 1 "
        ) as caught:
            queue.enter()
        assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "1"})
        first.give_back()
        first.give_back()
        assert queue.num_in_server == 1
        queue.enter()
        over = turn(lambda turn: None, places=[second])
        queue.submit(over)
        await events(over)
        await asyncio.sleep(0)
        # although nobody has said that the client has read it
        assert queue.num_in_server == 1
        queue.close()

    asyncio.run(main())


def test_a_place_is_given_back_once():
    given_back = []
    place = Place(lambda: given_back.append(1))
    place.give_back()
    place.give_back()
    assert given_back == [1]


def wait_until_cancelled(begun):
    def work(turn):
        begun.set()
        while not turn.is_cancelled:
            time.sleep(0.005)

    return work


def test_cancelled_turns():
    async def main():
        queue, begun, was_run = AnswerQueue(5), threading.Event(), []
        running, waiting = turn(wait_until_cancelled(begun)), turn(was_run.append)
        queue.submit(running)
        queue.submit(waiting)
        await asyncio.to_thread(begun.wait)
        queue.cancel(waiting)
        queue.cancel(running)
        [(kind, error)] = await events(running)
        assert (kind, error.status) == ("error", 499)
        last = turn(lambda turn: "last")
        queue.submit(last)
        assert await events(last) == [("done", "last")]
        assert was_run == []
        queue.close()

    asyncio.run(main())


def test_time_ends_a_turn():
    async def main():
        queue = AnswerQueue(5)
        late = turn(wait_until_cancelled(threading.Event()), seconds=0.05)
        queue.submit(late)
        assert await events(late) == [("error", LATE)]
        queue.close()

    asyncio.run(main())


def test_the_end_of_the_server():
    async def main():
        queue, begun = AnswerQueue(5), threading.Event()
        running, waiting = turn(wait_until_cancelled(begun)), turn(lambda turn: "never")
        queue.submit(running)
        queue.submit(waiting)
        await asyncio.to_thread(begun.wait)
        queue.close(grace_seconds=0.05)
        for each in (waiting, running):
            [(kind, error)] = await events(each)
            assert (kind, error.status, error.code) == ("error", 503, "shutting_down")
        for refused in (queue.enter, lambda: queue.submit(turn(lambda turn: None))):
            with pytest.raises(RequestError, match="The server is shutting down: try again later."):
                refused()
        queue.join(5)
        assert not queue.is_open and not queue._thread.is_alive()

    asyncio.run(main())
