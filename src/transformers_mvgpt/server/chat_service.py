# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What happens to a request between its text and its answer:

    parse, make the prompt | fetch        | decode       | encode, generate | chunks
    threads                | threads      | threads      | the model's turn | the loop
                           | 8 at a time  | 4 are ahead  | one at a time    |
"""

import asyncio
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from transformers import BatchFeature, PreTrainedModel

from ..processing.vision_language_processor import VisionLanguageProcessor
from ..video.limits import shorten
from .answer_queue import AnswerQueue, Place, Turn
from .answering import Answer, Answerer, PreparedChat
from .chat_cache import ChatCache, EncodedVisual
from .media import FetchedVisual, MediaReader
from .metrics import Metrics
from .request_errors import RequestError, shutting_down, timed_out
from .request_schema import ChatRequest, parse_request
from .settings import ServerSettings


# Requests whose files are held at once, and whose pixels are: what memory they take does not grow with the queue.
_FETCHED_AT_ONCE = 8
_READ_AHEAD = 4


@dataclass(frozen=True)
class _ReadVisual:
    """Pixels, or what was encoded of them before."""

    key: str
    known: EncodedVisual | None = None
    modality: str = ""
    features: BatchFeature | None = None


class ChatService:
    """
    Args:
        model ([`VisionLanguageForConditionalGeneration`]): The model, ready to generate.
        processor ([`VisionLanguageProcessor`]): Its processor.
        settings ([`ServerSettings`]): Of the server.
    """

    def __init__(self, model: PreTrainedModel, processor: VisionLanguageProcessor, settings: ServerSettings) -> None:
        self.settings = settings
        self.cache = ChatCache(settings.max_cached_visuals, settings.max_cached_bytes)
        self.queue = AnswerQueue(settings.max_waiting)
        # of bodies that are not there yet as a whole, and have no place in the queue
        self.num_incoming_bytes = 0
        self.metrics = Metrics(
            lambda: self.queue.num_in_server, lambda: self.cache.num_visuals, lambda: self.cache.num_bytes
        )
        self.answerer = Answerer(model, processor)
        self.reader = MediaReader(processor, settings.limits, settings.media_folders)
        # texts do not wait for videos
        self._parsers = ThreadPoolExecutor(2, thread_name_prefix="mvgpt-parse")
        self._fetchers = ThreadPoolExecutor(_FETCHED_AT_ONCE, thread_name_prefix="mvgpt-fetch")
        self._readers = ThreadPoolExecutor(min(_READ_AHEAD, os.cpu_count() or 1), thread_name_prefix="mvgpt-read")
        self._fetch_places = asyncio.Semaphore(_FETCHED_AT_ONCE)
        self._read_places = asyncio.Semaphore(_READ_AHEAD)

    async def parse(self, body: bytes) -> ChatRequest:
        """
        Raises:
            RequestError: if the request is refused for what it says.
        """
        return await self._in_thread(self._parsers, _parse, body, self.settings.served_model_name)

    async def begin(self, request: ChatRequest, deadline: float, place: Place, stack: ExitStack) -> Turn:
        """
        Brings a request to the end of the model's queue.

        Args:
            request ([`ChatRequest`]): The request.
            deadline (`float`): When it must be answered, by `time.monotonic`.
            place ([`Place`]): Its place in the server.
            stack (`ExitStack`): Is given what is to be done when the request is over.

        Raises:
            RequestError: if it is refused.
        """
        for visual in request.visuals:
            self.reader.check(visual)
        prepared = await self._in_thread(self._parsers, self.answerer.prepare, request)
        places, visuals = [place], []
        if request.visuals:
            async with self._fetch_places:
                fetched: list[FetchedVisual] = []
                for visual in request.visuals:
                    num_bytes = sum(each.num_bytes for each in fetched)
                    seconds_left = deadline - time.monotonic()
                    fetched.append(
                        await self._in_thread(self._fetchers, self.reader.fetch, visual, seconds_left, num_bytes)
                    )
                if not all(self.cache.get(visual.key) for visual in fetched):
                    await self._read_places.acquire()
                    places.append(Place(self._read_places.release))
                    stack.callback(places[-1].give_back)
                # while this one waited, another request may have brought the same
                visuals = [await self._read(visual) for visual in fetched]
        late = timed_out(self.settings.request_seconds)
        turn = Turn(lambda turn: self._answer(turn, prepared, visuals), deadline, late, places)
        self.queue.submit(turn)
        stack.callback(self.queue.cancel, turn)
        return turn

    async def read_ahead(self, read: Callable[..., Any], *args: Any) -> tuple[Any, Place]:
        """
        Has a visual read in a thread, when fewer others than the most are read or wait for the model.

        Returns:
            What `read` returned, and a place that is to be given back when its pixels are needed no more.
        """
        await self._read_places.acquire()
        place = Place(self._read_places.release)
        try:
            return await self._in_thread(self._readers, read, *args), place
        except BaseException:
            place.give_back()
            raise

    def close(self, grace_seconds: float = 0.0) -> None:
        """Takes no more requests; what is being answered has so long to end."""
        self.queue.close(grace_seconds)
        for pool in (self._parsers, self._fetchers, self._readers):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _read(self, fetched: FetchedVisual) -> _ReadVisual:
        if (known := self.cache.get(fetched.key)) is not None:
            return _ReadVisual(fetched.key, known)
        modality, features = await self._in_thread(self._readers, self.reader.read, fetched)
        return _ReadVisual(fetched.key, None, modality, features)

    def _answer(self, turn: Turn, prepared: PreparedChat, visuals: list[_ReadVisual]) -> Answer:
        """In the model's thread."""
        encoded = []
        for visual in visuals:
            known = visual.known or self.cache.get(visual.key)
            if known is None:
                assert visual.features is not None
                known = self.answerer.encode(visual.modality, visual.features)
                self.metrics.encoded.inc()
            else:
                self.metrics.cache_hits.inc()
            self.cache.put(visual.key, known)
            encoded.append(known)
        try:
            answer = self.answerer.answer(prepared, encoded, turn.say, lambda: turn.is_cancelled)
        finally:
            self.cache.trim()
        self.metrics.prompt_tokens.inc(answer.num_prompt_tokens)
        self.metrics.answer_tokens.inc(answer.num_answer_tokens)
        return answer

    async def _in_thread(self, pool: ThreadPoolExecutor, function: Callable[..., Any], *args: Any) -> Any:
        if not self.queue.is_open:
            raise shutting_down()
        return await asyncio.get_running_loop().run_in_executor(pool, function, *args)


def _parse(body: bytes, model_name: str) -> ChatRequest:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else shorten(str(error))
        raise RequestError(f"The body is no JSON: {reason}.") from error
    return parse_request(parsed, model_name)
