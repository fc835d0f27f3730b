# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Answers as OpenAI's clients read them: whole, or in chunks as server-sent events."""

import json
import secrets
import time
from typing import Any

from .answering import Answer
from .request_errors import RequestError


class AnswerObjects:
    """
    The objects of one answer.

    Args:
        model_name (`str`): The name of the model that is served.
        include_usage (`bool`): Whether the last chunk counts tokens.
    """

    def __init__(self, model_name: str, include_usage: bool = False) -> None:
        self.include_usage = include_usage
        self._common = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": model_name}

    def whole(self, answer: Answer) -> dict[str, Any]:
        """The body of an answer that comes at once."""
        message = {"role": "assistant", "content": answer.text, "refusal": None, **_frames(answer)}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}
        return {**self._common, "object": "chat.completion", "choices": [choice], "usage": _usage(answer)}

    def first_chunk(self) -> bytes:
        return self._chunk({"role": "assistant", "content": ""})

    def text_chunk(self, text: str) -> bytes:
        return self._chunk({"content": text})

    def last_chunks(self, answer: Answer) -> bytes:
        """The reason of the end and the selected frames, then the counts if they are wanted."""
        chunks = self._chunk(_frames(answer), answer.finish_reason)
        if self.include_usage:
            chunks += _event(
                {**self._common, "object": "chat.completion.chunk", "choices": [], "usage": _usage(answer)}
            )
        return chunks + b"data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        usage = {"usage": None} if self.include_usage else {}
        return _event({**self._common, "object": "chat.completion.chunk", "choices": [choice], **usage})


def error_event(error: RequestError) -> bytes:
    """An error after an answer has begun: clients raise it."""
    return _event(error.body)


def _event(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


def _frames(answer: Answer) -> dict[str, Any]:
    return {} if answer.selected_frames is None else {"selected_frames": answer.selected_frames}


def _usage(answer: Answer) -> dict[str, int]:
    return {
        "prompt_tokens": answer.num_prompt_tokens,
        "completion_tokens": answer.num_answer_tokens,
        "total_tokens": answer.num_prompt_tokens + answer.num_answer_tokens,
    }
