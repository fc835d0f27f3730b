# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What happens to a visitor's video and questions: the web page has the same queue, cache and limits as the API, and each visitor one video
and one conversation.
"""

import asyncio
import logging
import os
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..processing.chat_messages import check_question
from ..video.error_text import describe_error, limits_as_option
from ..video.limits import shorten
from ..video.memory_errors import is_memory_error
from ..viewing.frame_selection import FrameSelection, ReadVisual
from .answer_queue import Place, Turn
from .answering import Answer
from .chat_cache import EncodedVisual
from .chat_service import ChatService
from .request_errors import RequestError, internal_error, out_of_memory, timed_out
from .request_schema import ChatRequest
from .web_reading import encode_file, read_file
from .web_uploads import UploadFolder, file_title


logger = logging.getLogger(__name__)

# Visitors of whom something is kept; beyond them, whoever came first starts anew.
MAX_VISITORS = 500
# How often a visitor who waits is told how many come before.
_POLL_SECONDS = 0.5
_CANCELLED = "cancelled"
BUSY = "busy"
_MAX_MESSAGES = 200


@dataclass
class _Visitor:
    file: Path
    messages: list[dict[str, Any]] = field(default_factory=list)
    turn: Turn | None = None
    is_asking: bool = False


@dataclass(frozen=True)
class Progress:
    """
    Args:
        text (`str`): The answer as far as it is there.
        num_before (`int`, *optional*): How many are answered before it begins.
        is_stopped (`bool`): Whether the visitor has stopped it.
    """

    text: str = ""
    num_before: int | None = None
    is_stopped: bool = False


class PageAnswers:
    """
    Args:
        service ([`ChatService`]): Of the API, with the model.
        uploads ([`UploadFolder`]): Where videos lie.
        max_video_seconds (`float`): Length of a video.
    """

    def __init__(self, service: ChatService, uploads: UploadFolder, max_video_seconds: float) -> None:
        self.service, self.uploads, self.max_video_seconds = service, uploads, max_video_seconds
        self.takes_videos = service.reader.takes_videos
        self._visitors: OrderedDict[str, _Visitor] = OrderedDict()
        # the pictures of what the cache holds encoded
        self._selections: OrderedDict[str, FrameSelection] = OrderedDict()

    async def look(self, name: str, path: Any) -> AsyncIterator[Progress | FrameSelection]:
        """
        Makes a file the visitor's video, encodes it, and starts a new conversation.

        Args:
            name (`str`): The visitor.
            path: What the page says where the file is.

        Yields:
            [`Progress`], and at last [`FrameSelection`].

        Raises:
            RequestError: if it is refused.
        """
        self.forget(name)
        file = self.uploads.find(path)
        if file is None:
            raise _gone()
        visitor = self._add(name, file)
        selection = self._selections.get(_key(file))
        if selection is not None and self.service.cache.get(_key(file)) is not None:
            yield selection
            return
        place = self.service.queue.enter()
        try:
            read, read_place = await self._read(name, visitor, file)
            async for step in self._run(visitor, lambda turn: self._encode(file, read)[1], file, [place, read_place]):
                yield step
        finally:
            place.give_back()

    async def ask(self, name: str, question: str, remembers: bool) -> AsyncIterator[Progress]:
        """
        Answers a question about the visitor's video.

        Args:
            name (`str`): The visitor.
            question (`str`): The question.
            remembers (`bool`): Whether earlier questions and answers are part of it.

        Raises:
            RequestError: if it is refused.
        """
        visitor = self._visitors.get(name)
        if visitor is None:
            raise RequestError(f"There is nothing to ask about yet: choose {self.kind} first.")
        self._visitors.move_to_end(name)
        file = visitor.file
        if visitor.is_asking or visitor.turn is not None:
            raise RequestError("Your last question is still being answered: wait for it, or stop it.", code=BUSY)
        try:
            check_question(question)
        except ValueError as error:
            raise RequestError("The question is empty: write what you want to know.") from error
        # before anything is waited for: of two questions at once, one is refused
        visitor.is_asking = True
        try:
            messages = [*(visitor.messages if remembers else []), {"role": "user", "content": question}]
            first, *others = messages
            modality = "video" if self.takes_videos else "image"
            content = [{"type": modality}, {"type": "text", "text": first["content"]}]
            request = ChatRequest([{**first, "content": content}, *others], [])
            try:
                prepared = await asyncio.to_thread(self.service.answerer.prepare, request)
            except RequestError as error:
                if error.code != "context_length_exceeded":
                    raise
                raise RequestError(
                    f"Question and conversation are longer than the model's {self.service.answerer.context_length:,} tokens: ask less, or "
                    "start a new conversation."
                ) from error

            place = self.service.queue.enter()
            text, is_stopped = "", False
            try:
                places, read = [place], None
                if self.service.cache.get(_key(file)) is None:  # it had to make room for others
                    read, read_place = await self._read(name, visitor, file)
                    places.append(read_place)

                def work(turn: Turn) -> Answer:
                    encoded = self.service.cache.get(_key(file)) or self._encode(file, read)[0]
                    self.service.cache.put(_key(file), encoded)
                    try:
                        return self.service.answerer.answer(prepared, [encoded], turn.say, lambda: turn.is_cancelled)
                    finally:
                        self.service.cache.trim()

                async for step in self._run(visitor, work, file, places):
                    text = step.text
                    if not isinstance(step, Answer):
                        yield step
            except RequestError as error:
                if error.code != _CANCELLED:
                    raise
                is_stopped = True
            finally:
                place.give_back()
            # it belongs to this video and this conversation, which may be gone
            if self._visitors.get(name) is not visitor:
                return
            visitor.messages += [{"role": "user", "content": question}, {"role": "assistant", "content": text}]
            del visitor.messages[:-_MAX_MESSAGES]
            yield Progress(text, is_stopped=is_stopped)
        finally:
            visitor.is_asking = False

    def messages(self, name: str) -> list[dict[str, Any]]:
        """The visitor's conversation."""
        visitor = self._visitors.get(name)
        return [] if visitor is None else [*visitor.messages]

    @property
    def kind(self) -> str:
        """What visitors bring."""
        return "a video" if self.takes_videos else "an image"

    def stop(self, name: str) -> None:
        """Ends what is being done for a visitor. What there is of an answer stays."""
        visitor = self._visitors.get(name)
        if visitor is not None and visitor.turn is not None:
            self.service.queue.cancel(visitor.turn)
            # one that waited says nothing more by itself
            visitor.turn.events.put_nowait(("error", _stopped()))

    def reset(self, name: str) -> None:
        """Forgets the conversation, and keeps the video."""
        self.stop(name)
        if (visitor := self._visitors.get(name)) is not None:
            self._visitors[name] = _Visitor(visitor.file)

    def forget(self, name: str) -> None:
        """Ends what is being done for a visitor who has left, or looks at something else, and deletes what he has sent."""
        self.stop(name)
        self._visitors.pop(name, None)
        self.uploads.claim(None, name)

    def _add(self, name: str, file: Path) -> _Visitor:
        """A visitor with a file. Whoever has to make room for him is one who has little to lose."""
        while len(self._visitors) >= MAX_VISITORS:
            idle = [
                other for other, visitor in self._visitors.items() if visitor.turn is None and not visitor.is_asking
            ]
            if not idle:
                raise RequestError("Too many others are here: try again in a few minutes.", status=429)
            # of several, the first of them, who was here longest ago
            self.forget(min(idle, key=self._loss))
        self._visitors[name] = _Visitor(file)
        self.uploads.claim(file, name)
        return self._visitors[name]

    def _loss(self, name: str) -> tuple[bool, bool]:
        visitor = self._visitors[name]
        return visitor.file.parent != self.uploads.examples, bool(visitor.messages)

    async def _read(self, name: str, visitor: _Visitor, file: Path) -> tuple[ReadVisual, Place]:
        """Its pixels, and their place in memory."""
        seconds = self.service.settings.request_seconds
        if not file.is_file():
            raise _gone()
        try:
            async with asyncio.timeout(seconds):
                read, place = await self.service.read_ahead(
                    read_file, self.service.reader.processor, file, self.max_video_seconds
                )
        except TimeoutError as error:
            raise timed_out(seconds) from error
        except Exception as error:
            raise self._refusal(error, file, is_reading=True) from error
        if self._visitors.get(name) is not visitor:  # who has left meanwhile
            place.give_back()
            raise _stopped()
        return read, place

    async def _run(
        self, visitor: _Visitor, work: Callable[[Turn], Any], file: Path, places: Sequence[Place]
    ) -> AsyncIterator[Any]:
        """The steps of a turn, and at last its result."""
        seconds = self.service.settings.request_seconds
        deadline = time.monotonic() + seconds
        turn = Turn(work, deadline, timed_out(seconds), places)
        visitor.turn = turn
        text = ""
        try:
            self.service.queue.submit(turn)
            while True:
                try:
                    kind, value = await asyncio.wait_for(turn.events.get(), _POLL_SECONDS)
                except TimeoutError:
                    if time.monotonic() > deadline + _POLL_SECONDS:
                        raise timed_out(seconds) from None
                    if not text:
                        yield Progress(num_before=self.service.queue.num_before(turn))
                    continue
                if kind == "error":
                    raise self._refusal(value, file)
                if kind == "done":
                    yield value
                    return
                text += value
                yield Progress(text)
        finally:
            if visitor.turn is turn:
                visitor.turn = None
            self.service.queue.cancel(turn)
            for place in places:
                place.give_back()

    def _encode(self, file: Path, read: ReadVisual | None) -> tuple[EncodedVisual, FrameSelection]:
        """In the model's thread."""
        known, selection = self.service.cache.get(_key(file)), self._selections.get(_key(file))
        if known is not None and selection is not None:  # of another visitor, meanwhile
            return known, selection
        if read is None:  # it made room for others between two looks at the cache
            read = read_file(self.service.reader.processor, file, self.max_video_seconds)
        encoded, selection = encode_file(self.service.answerer, read)
        self.service.metrics.encoded.inc()
        self.service.cache.put(_key(file), encoded)
        self.service.cache.trim()
        self._selections[_key(file)] = selection
        self._selections.move_to_end(_key(file))
        while len(self._selections) > max(self.service.settings.max_cached_visuals, 1):
            self._selections.popitem(last=False)
        return encoded, selection

    def _refusal(self, error: Exception, file: Path, *, is_reading: bool = False) -> RequestError:
        if isinstance(error, RequestError):
            return error
        if is_memory_error(error):
            # what was encoded before is the most that can be given up
            self.service.cache.clear()
            logger.warning("Out of memory: %s", error)
            return out_of_memory(str(error))
        if isinstance(error, (ValueError, OSError)):
            message = describe_error(error, lambda text: limits_as_option(self._without_paths(text, file)))
            return RequestError(message, code="unusable_media")
        if is_reading:
            # a decoder's, which is about this file all the same
            logger.warning("A visitor's file could not be read", exc_info=error)
            message = f"'{file_title(file)}' could not be read ({type(error).__name__}). Check that it plays."
            return RequestError(message, code="unusable_media")
        logger.error("A visitor's request failed", exc_info=error)
        return internal_error()

    def _without_paths(self, text: str, file: Path) -> str:
        """Visitors know the name of their file, and not where it lies here."""
        # as a message may hold it: messages shorten long paths, and letters that do not print
        for path in (str(file), shorten(str(file))):
            text = text.replace(path, file_title(file))
        return text.replace(f"{self.uploads.path}{os.sep}", "")


def _key(file: Path) -> str:
    # an upload lies in a folder that is named by its content
    return f"page {file}"


def _stopped() -> RequestError:
    return RequestError("Stopped.", status=499, code=_CANCELLED)


def _gone() -> RequestError:
    return RequestError("The file is not here any more: choose it again.")
