# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A conversation about one visual: its turns, and answers in pieces that can be stopped."""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from transformers.generation import StoppingCriteriaList

from ..modeling.generation_inputs import context_length
from .answer_text import AnswerText, StopsWhen
from .turn_cache import TurnCache
from .video_chat import MAX_NEW_TOKENS, VideoChat


class ContextFullError(ValueError):
    """The context of the language model has no room for another turn."""


@dataclass
class _Answering:
    """
    An answer while it is made, which a thread of its own does.

    Args:
        messages (`list[dict]`): The chat that ends with the question.
        max_new_tokens (`int`): Longest answer.
        text ([`AnswerText`]): What is there of it.
        pieces (`queue.SimpleQueue`): The same in pieces, and `None` at the end, whatever happens.
        is_closed (`threading.Event`): Whether nobody reads it any more.
    """

    messages: list[dict[str, Any]]
    max_new_tokens: int
    text: AnswerText
    pieces: "queue.SimpleQueue[str | None]"
    is_closed: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None


class Conversation:
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
        finish_reason (`str`, *optional*): How the last answer ended: `"stop"`, `"length"` where it was cut off, or `"cancelled"`.

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
        self.video_chat = video_chat
        self.system_prompt = system_prompt
        self.sees_earlier_turns = sees_earlier_turns
        self.finish_reason: Literal["stop", "length", "cancelled"] | None = None
        self._turns: list[tuple[str, str]] = []
        self._turn_cache = TurnCache()
        self._is_answering = False

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The chat so far, as new dictionaries with `role` and `content`. The visual is not in it."""
        messages = self._first_messages()
        for question, answer in self._turns:
            messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return messages

    @property
    def num_turns(self) -> int:
        """Questions that have an answer."""
        return len(self._turns)

    @property
    def num_cached_bytes(self) -> int:
        """What keys and values take in memory, beside the encoded video."""
        return self.video_chat.num_cached_bytes + self._turn_cache.num_bytes

    def reset(self) -> None:
        """Begins anew, with the same video."""
        self._refuse_second_answer()
        self._turns, self.finish_reason = [], None
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
        earlier = self.messages if self.sees_earlier_turns else self._first_messages()
        messages = [*earlier, {"role": "user", "content": question}]
        answering = self._prepare(messages, generate_kwargs)
        is_over = StopsWhen(lambda: answering.is_closed.is_set() or is_cancelled())
        options = {
            "num_beams": 1,  # beams cannot be streamed
            **generate_kwargs,
            "max_new_tokens": answering.max_new_tokens,
            "stopping_criteria": StoppingCriteriaList([*generate_kwargs.get("stopping_criteria", []), is_over]),
        }
        return self._read(question, answering, is_over, options)

    def _first_messages(self) -> list[dict[str, Any]]:
        return [] if self.system_prompt is None else [{"role": "system", "content": self.system_prompt}]

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
        return _Answering(messages, min(wanted, room), AnswerText(chat.processor, (), pieces.put), pieces)

    def _read(
        self, question: str, answering: _Answering, is_over: StopsWhen, options: dict[str, Any]
    ) -> Iterator[str]:
        self._refuse_second_answer()
        self._is_answering = True
        # one that is left behind by the end of the process must not hold it up
        thread = threading.Thread(target=self._answer, args=(answering, options), name="answer", daemon=True)
        try:
            thread.start()
            while (piece := answering.pieces.get()) is not None:
                yield piece
        finally:
            answering.is_closed.set()
            thread.join()
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
            self.finish_reason = "length"
        else:
            self.finish_reason = "cancelled" if is_over.has_ended and not is_whole else "stop"
        answer = answering.text.whole()
        if answer or self.finish_reason != "cancelled":
            self._turns.append((question, answer))
