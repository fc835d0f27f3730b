# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`POST /v1/chat/completions`: its body within limits, its client watched, its answer at once or in chunks."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.requests import ClientDisconnect

from ..video.memory_errors import is_memory_error
from .answer_queue import Turn
from .answering import Answer
from .chat_service import ChatService
from .request_errors import RequestError, internal_error, out_of_memory, timed_out
from .responses import AnswerObjects, error_event


logger = logging.getLogger(__name__)

# How often it is looked whether a client that waits is still there.
_POLL_SECONDS = 0.2
# How long a body may pause.
_SILENCE_SECONDS = 30
_LEFT = 499  # the status that logs show of a client that has left


async def answer_chat(service: ChatService, request: Request) -> Response:
    """
    Raises:
        RequestError: if the request is refused.
    """
    exchange = _Exchange(service, request)
    status: int | None = 500
    try:
        response = await exchange.respond()
        # chunks end the exchange themselves
        status = None if isinstance(response, _Chunks) else response.status_code
        return response
    except RequestError as error:
        status = error.status
        raise
    except asyncio.CancelledError:
        status = _LEFT
        raise
    finally:
        if status is not None:
            exchange.end(status)
        if status in (413, 429):
            await _drain(request, service.settings.max_request_bytes)


class _Exchange:
    """One request and its answer."""

    def __init__(self, service: ChatService, request: Request) -> None:
        self.service, self.request = service, request
        self.begun = time.monotonic()
        self.deadline = self.begun + service.settings.request_seconds
        self.stack = ExitStack()
        self._looked = self.begun
        self._has_ended = False

    def end(self, status: int) -> None:
        """Gives everything back, and stops an answer that nobody waits for."""
        if self._has_ended:
            return
        self._has_ended = True
        self.stack.close()
        metrics = self.service.metrics
        metrics.requests.labels(str(status)).inc()
        metrics.request_seconds.observe(time.monotonic() - self.begun)
        if status == _LEFT:
            metrics.left.inc()

    async def respond(self) -> Response:
        self.service.queue.check_place()  # before a body is sent in vain
        try:
            body = await self._read_body()
        except ClientDisconnect:
            return Response(status_code=_LEFT)
        # only now: who sends a byte a second must not keep others out
        place = self.service.queue.enter()
        self.stack.callback(place.give_back)
        try:
            asked = await self._watched(self.service.parse(body))
            is_streamed = asked.stream
            objects = AnswerObjects(self.service.settings.served_model_name, asked.include_usage)
            turn = await self._watched(self.service.begin(asked, self.deadline, place, self.stack))
            # they hold the videos of the request
            del body, asked
            # what fails before the first text has a status of its own
            kind, value = await self._next(turn)
            self.service.metrics.first_text_seconds.observe(time.monotonic() - self.begun)
            if is_streamed:
                return _Chunks(self._chunks(turn, kind, value, objects), self.end)
            while kind == "text":
                kind, value = await self._next(turn)
        except _ClientLeft:
            return Response(status_code=_LEFT)
        return JSONResponse(objects.whole(value))

    async def _chunks(self, turn: Turn, kind: str, value: Any, objects: AnswerObjects) -> AsyncIterator[bytes]:
        yield objects.first_chunk()
        try:
            while kind == "text":
                yield objects.text_chunk(value)
                kind, value = await self._next(turn)
        except RequestError as error:
            yield error_event(error)
            self.end(error.status)
            return
        except _ClientLeft:
            return
        assert isinstance(value, Answer)
        yield objects.last_chunks(value)
        self.end(200)

    async def _next(self, turn: Turn) -> tuple[str, Any]:
        """
        The next event of a turn, `"text"` or `"done"`.

        Raises:
            RequestError: instead of an error of any kind.
        """
        # also where there is always an event
        await self._look_for_client()
        if not turn.events.empty():
            kind, value = turn.events.get_nowait()
        else:
            kind, value = await self._watched(turn.events.get())
        if kind == "error":
            raise self._refusal(value)
        return kind, value

    async def _watched(self, awaitable: Awaitable[Any]) -> Any:
        """
        Its result, while the client waits and the time is not over.

        Raises:
            _ClientLeft: if the client has left.
            RequestError: instead of an error of any kind, and if the time is over.
        """
        task = asyncio.ensure_future(awaitable)
        try:
            while not task.done():
                left = self.deadline - time.monotonic()
                if left <= 0:
                    raise timed_out(self.service.settings.request_seconds)
                await asyncio.wait({task}, timeout=min(_POLL_SECONDS, left))
                await self._look_for_client()
            try:
                return task.result()
            except Exception as error:
                raise self._refusal(error) from error
        finally:
            task.cancel()

    async def _look_for_client(self) -> None:
        """Every now and then."""
        if time.monotonic() - self._looked >= _POLL_SECONDS:
            self._looked = time.monotonic()
            if await self.request.is_disconnected():
                raise _ClientLeft

    def _refusal(self, error: Exception) -> RequestError:
        if isinstance(error, RequestError):
            return error
        if is_memory_error(error):
            # what was encoded before is the most that can be given up
            self.service.cache.clear()
            logger.warning("Out of memory: %s", error)
            return out_of_memory(str(error))
        logger.error("A request failed", exc_info=error)
        return internal_error()

    async def _read_body(self) -> bytes:
        limit = self.service.settings.max_request_bytes
        too_large = RequestError(
            f"The body has more than the {limit:,} bytes that are taken (`--max-request-bytes`): send an http address, or a smaller "
            "file.",
            status=413,
            code="request_too_large",
        )
        length = self.request.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > limit:
            raise too_large
        body, blocks = bytearray(), self.request.stream()
        try:
            while True:
                seconds = min(_SILENCE_SECONDS, self.deadline - time.monotonic())
                try:
                    block = await asyncio.wait_for(anext(blocks), seconds)
                except StopAsyncIteration:
                    return bytes(body)
                except TimeoutError:
                    raise RequestError(
                        f"The body stopped after {len(body):,} bytes: send it in time.", status=408, code="timeout"
                    ) from None
                body += block
                self.service.num_incoming_bytes += len(block)
                if len(body) > limit:
                    raise too_large
                if self.service.num_incoming_bytes > (self.service.settings.max_waiting + 1) * limit:
                    raise RequestError(
                        f"Bodies of {self.service.num_incoming_bytes:,} bytes are on their way to the server, which is more than it takes "
                        "(`--max-waiting` times `--max-request-bytes`): try again in a second.",
                        status=429,
                        code="queue_full",
                        retry_after=1,
                    )
        finally:
            self.service.num_incoming_bytes -= len(body)


class _ClientLeft(Exception):
    """Nobody waits for the answer any more."""


class _Chunks(StreamingResponse):
    """Server-sent events. However it ends, also before it begins, `on_end` is called."""

    def __init__(self, chunks: AsyncIterator[bytes], on_end: Callable[[int], None]) -> None:
        super().__init__(chunks, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        self._on_end = on_end

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end(_LEFT)  # unless it has ended


async def _drain(request: Request, most: int) -> None:
    """Reads on for a moment: a client that still sends would not see the answer."""
    with contextlib.suppress(TimeoutError, ClientDisconnect, RuntimeError):
        async with asyncio.timeout(5):
            async for block in request.stream():
                most -= len(block)
                if most < 0:
                    return
