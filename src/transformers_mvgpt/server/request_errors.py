# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Requests that are refused, as errors and in the form that OpenAI's clients read."""

from typing import Any

from ..video.limits import shorten


_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class RequestError(Exception):
    """
    What a client is told instead of an answer.

    Args:
        message (`str`): one sentence that names the value, the limit and the way out.
        param (`str`, *optional*): the field, as a path: `messages.0.content.1.video_url.url`.
        status (`int`, defaults to 400): HTTP status code.
        code (`str`, *optional*): a word for programs.
        retry_after (`int`, *optional*): seconds until it is worth another try.
    """

    def __init__(
        self,
        message: str,
        param: str | None = None,
        status: int = 400,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.param, self.status, self.code, self.retry_after = message, param, status, code, retry_after

    @property
    def body(self) -> dict[str, Any]:
        """OpenAI's error object."""
        default = "server_error" if self.status >= 500 else "invalid_request_error"
        kind = _TYPES.get(self.status, default)
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    @property
    def headers(self) -> dict[str, str]:
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return headers | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})


def internal_error() -> RequestError:
    """What a client is told of a fault of the server. What it was stands in the server's log."""
    return RequestError(
        "The server failed on this request. Its log says why; other requests are answered.",
        status=500,
        code="internal_error",
    )


def out_of_memory(message: str) -> RequestError:
    """Memory ran out for this request."""
    return RequestError(shorten(message.partition("\n")[0]), status=503, code="out_of_memory", retry_after=5)


def timed_out(seconds: float) -> RequestError:
    """The request took longer than the server allows."""
    return RequestError(
        f"The request took more than {seconds:g} seconds: ask for less, or raise `--request-seconds` of the server.",
        status=504,
        code="timeout",
    )


def shutting_down() -> RequestError:
    """The server was told to end."""
    return RequestError("The server is shutting down: try again later.", status=503, code="shutting_down")
