# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A conversation about one visual: its turns, and answers in pieces that can be stopped."""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from transformers.generation import StoppingCriteriaList

from ..modeling.generation_inputs import context_length
from .answer_text import AnswerText, StopsWhen
from .turn_cache import TurnCache
from .turns import ContextFullError, Turns
from .video_chat import MAX_NEW_TOKENS, VideoChat


# Windows runs no handler of a signal while a thread waits without an end.
_POLL_SECONDS = 0.5


@dataclass
class _Answering:
    """
    An answer while it is made, which a thread of its own does.

    Args:
        messages (`list[dict]`): The chat that ends with the question.
        max_new_tokens (`int`): Longest answer.
        is_short_of_room (`bool`): Whether a longer one is wanted, and there is no room for it.
        text ([`AnswerText`]): What is there of it.
        pieces (`queue.SimpleQueue`): The same in pieces, and `None` at the end, whatever happens.
        is_closed (`threading.Event`): Whether nobody reads it any more.
    """

    messages: list[dict[str, Any]]
    max_new_tokens: int
    is_short_of_room: bool
    text: AnswerText
    pieces: "queue.SimpleQueue[str | None]"
    is_closed: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


class Conversation(Turns):
    r"""
    Questions and answers about one video; with each question, the model sees the earlier turns. What the language model has made of these is kept: the
    prefill of a question is its own tokens, however long the conversation is.

    It is for one thread at a time; the model's work is done in another one, while an answer is read.

    Args:
        video_chat ([`VideoChat`]):
            The video, or with a model that takes images alone the image, with its model.
        system_prompt (`str`, *optional*):
            The chat's first message, instead of the chat template's own.
        sees_earlier_turns (`bool`, defaults to `True`):
            Whether the model sees the earlier questions and answers. To one that was trained on single questions, such as the small one
            of this package, they are a distraction.

    Attributes:
        finish_reason (`str`, *optional*):
            How the last answer ended: `"stop"`; `"length"` or `"context"` where it was cut off, as it had `max_new_tokens` or there was no
            more room; or `"cancelled"`.

    Example:

    ```python
    >>> conversation = Conversation(VideoChat(model, processor, "clip.mp4"))
    >>> for piece in conversation.stream("What is happening?"):
    ...     print(piece, end="", flush=True)
    >>> "".join(conversation.stream("Why?"))
    '...'
    ```"""

    def __init__(
        self, video_chat: VideoChat, *, system_prompt: str | None = None, sees_earlier_turns: bool = True
    ) -> None:
        super().__init__(system_prompt=system_prompt, sees_earlier_turns=sees_earlier_turns)
        self.video_chat = video_chat
        self._turn_cache = TurnCache()
        self._is_answering = False

    @property
    def num_cached_bytes(self) -> int:
        """What keys and values take in memory, beside the encoded video."""
        return self.video_chat.num_cached_bytes + self._turn_cache.num_bytes

    def reset(self) -> None:
        """Begins anew, with the same video."""
        self._refuse_second_answer()
        super().reset()
        self._turn_cache.clear()

    def stream(
        self, question: str, *, is_cancelled: Callable[[], bool] = lambda: False, **generate_kwargs: Any
    ) -> Iterator[str]:
        r"""
        Answers a question, in pieces as the answer is made. Together with its answer it becomes a turn of the conversation.

        An answer that is stopped, by `is_cancelled` or as the iterator is closed, stays as far as it came. The question is forgotten if
        nothing of an answer came, or an error ended it.

        Args:
            question (`str`):
                The question.
            is_cancelled (`Callable[[], bool]`):
                Is asked after each token, in the thread that makes them, whether the answer is to end.
            generate_kwargs:
                As [`VideoChat.ask`] takes them. `max_new_tokens` is lowered to what there is room for.

        Returns:
            `Iterator[str]`: The pieces. No piece has half a character.

        Raises:
            ContextFullError: if there is no room for the question and an answer. The conversation stays as it is.
            RuntimeError: if an answer is still being made.
            ValueError: as [`VideoChat.ask`]. What goes wrong while the answer is made is raised where it is read.
        """
        self._refuse_second_answer()
        if "streamer" in generate_kwargs:
            raise ValueError("`stream` does not take 'streamer': it returns the pieces. Use `VideoChat.ask`.")
        answering = self._prepare(self._chat_with(question), generate_kwargs)
        is_over = StopsWhen(lambda: answering.is_closed.is_set() or is_cancelled())
        options = {
            "num_beams": 1,  # beams cannot be streamed
            **generate_kwargs,
            "max_new_tokens": answering.max_new_tokens,
            "stopping_criteria": StoppingCriteriaList([*generate_kwargs.get("stopping_criteria", []), is_over]),
        }
        return self._read(question, answering, is_over, options)

    def _refuse_second_answer(self) -> None:
        if self._is_answering:
            raise RuntimeError("An answer is still being made: read it to its end, or close it.")

    def _prepare(self, messages: list[dict[str, Any]], generate_kwargs: dict[str, Any]) -> _Answering:
        chat = self.video_chat
        names = chat.processor.chat_variables() & generate_kwargs.keys()
        num_tokens = chat.num_prompt_tokens(messages, **{name: generate_kwargs[name] for name in names})
        limit = context_length(chat.model.config)
        room = limit - num_tokens
        if room < 1:
            raise ContextFullError(
                f"The conversation has {num_tokens} tokens with this question, and the language model takes at most {limit} "
                "(`text_config.max_position_embeddings`): begin a new one, or ask a shorter question."
            )
        config = generate_kwargs.get("generation_config") or chat.model.generation_config
        wanted = generate_kwargs.get("max_new_tokens") or config.max_new_tokens or MAX_NEW_TOKENS
        pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        text = AnswerText(chat.processor, (), pieces.put)
        return _Answering(messages, min(wanted, room), room < wanted, text, pieces)

    def _read(
        self, question: str, answering: _Answering, is_over: StopsWhen, options: dict[str, Any]
    ) -> Iterator[str]:
        self._refuse_second_answer()
        self._is_answering = True
        # one that is left behind by the end of the process must not hold it up
        thread = threading.Thread(target=self._answer, args=(answering, options), name="answer", daemon=True)
        try:
            thread.start()
            yield from _until_none(answering.pieces)
        finally:
            answering.is_closed.set()
            while thread.is_alive():
                thread.join(_POLL_SECONDS)
            self._is_answering = False
            self._take(question, answering, is_over)
        if answering.error is not None:
            raise answering.error

    def _answer(self, answering: _Answering, options: dict[str, Any]) -> None:
        """In the thread."""
        try:
            self.video_chat.answer_turn(answering.messages, self._turn_cache, streamer=answering.text, **options)
        except BaseException as error:  # the reader raises it
            answering.error = error
        finally:
            answering.pieces.put(None)

    def _take(self, question: str, answering: _Answering, is_over: StopsWhen) -> None:
        """Makes a turn of question and answer."""
        self.finish_reason = None
        if answering.error is not None:
            return
        ids, eos = answering.text.token_ids, self.video_chat.model.generation_config.eos_token_id
        is_whole = bool(ids) and ids[-1] in ({eos} if isinstance(eos, int) else set(eos or ()))
        if not is_whole and len(ids) >= answering.max_new_tokens:
            self.finish_reason = "context" if answering.is_short_of_room else "length"
        else:
            self.finish_reason = "cancelled" if is_over.has_ended and not is_whole else "stop"
        self._add(question, answering.text.whole())


def _until_none(pieces: "queue.SimpleQueue[str | None]") -> Iterator[str]:
    while True:
        try:
            piece = pieces.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            continue
        if piece is None:
            return
        yield piece
