# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What stands between visitors and Gradio. Gradio has about seventy routes, of which the page needs fifteen: the others are not there.
"""

import asyncio
import contextlib
import hmac
import html
import json
import logging
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..video.error_text import describe_error
from ..video.limits import shorten
from .other_sites import comes_from_other_host, comes_from_other_page
from .web_uploads import UploadFolder


logger = logging.getLogger(__name__)

# A question, or which file is looked at.
_MAX_EVENT_BYTES = 256 * 1024
# What a form has around its file.
_FORM_BYTES = 8 * 1024
_DRAIN_SECONDS = 5
_UPLOAD_SECONDS = 900
# How long an upload, which has its room from the first byte on, may pause.
_SILENCE_SECONDS = 10
# Browsers give a host's cookies to all its ports: another page of this kind must not take its place.
_COOKIE = "mvgpt_web_{port}"
_API = re.compile(r"/(health|metrics|v1/.*)")
_UPLOAD = "/gradio_api/upload"
_FILE = "/gradio_api/file="
_READ = re.compile(
    r"/|/config/?|/theme\.css|/favicon\.ico|/robots\.txt|/(assets|static|svelte)/.*"
    r"|/gradio_api/(theme\.css|startup-events|queue/data|upload_progress|app_id/?|heartbeat/\w+|file=.*)"
)
_WRITTEN = re.compile(r"/gradio_api/(queue/join|cancel|reset/?)")
_HEADERS = {
    # nothing is asked of other hosts, whatever an answer or a file name holds
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; frame-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    # with no-referrer, browsers would not say either which page a form is of
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


class PageGate:
    """
    Lets through what the page asks, refuses all else, and leaves the paths of the API alone, which has checks of its own.

    Args:
        app (`ASGIApp`): What is behind it.
        uploads ([`UploadFolder`]): Where uploads lie. No other file is sent, or taken as one that a visitor has sent.
        api_key (`str`, *optional*): What visitors must enter.
        is_local (`bool`): Whether it listens to this machine alone. A page of another host that leads its name to this machine
            (DNS rebinding) is then refused.
    """

    def __init__(self, app: ASGIApp, *, uploads: UploadFolder, api_key: str | None, is_local: bool) -> None:
        self.app, self.uploads, self.api_key, self.is_local = app, uploads, api_key, is_local
        # of one process: whoever has entered the key has it no more than the page does
        self._pass = secrets.token_urlsafe(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"The page takes no {scope['type']} connections.")
        if _API.fullmatch(scope["path"]):
            await self.app(scope, receive, send)
            return
        try:
            self._check_visitor(scope)
            if scope["path"] == "/login" and self.api_key is not None:
                raise _Refused(await self._log_in(scope, receive))
            if scope["path"] == _UPLOAD and scope["method"] == "POST":
                await self._upload(scope, receive, send)
                return
            receive = await self._checked(scope, receive)
        except _Refused as refused:
            refused.response.headers.update(_HEADERS)
            await refused.response(scope, receive, send)
            if refused.response.status_code == 413:
                await _drain(receive)
            return
        await self._ask_page(scope, receive, send)

    def _check_visitor(self, scope: Scope) -> None:
        """Refuses who must not be here."""
        headers = Headers(scope=scope)
        if self.is_local and comes_from_other_host(headers):
            raise _refuse(
                403, "This page is for this machine alone: open it as http://127.0.0.1, or start it with `--host`."
            )
        if comes_from_other_page(headers):
            raise _refuse(403, "Requests of other pages are refused.")
        if self.api_key is not None and scope["path"] != "/login" and not self._has_pass(scope):
            if scope["path"] == "/":
                raise _Refused(_login_page())
            raise _refuse(401, "Enter the key first, on the page itself.")

    async def _upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses it before anything is read, and passes on no more than it says that it has."""
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        # in chunks, it may have any size beside the length that it says
        if not length.isdecimal() or "transfer-encoding" in headers:
            raise _refuse(411, "Uploads say how large they are.")
        num_bytes = max(int(length) - _FORM_BYTES, 0)
        if (reason := self.uploads.refusal(num_bytes)) is not None:
            raise _refuse(413, reason)
        try:
            async with asyncio.timeout(_UPLOAD_SECONDS):
                await self._ask_page(scope, _at_most(int(length), receive), send)
        except TimeoutError:
            raise _refuse(
                408, f"The file took more than {_UPLOAD_SECONDS / 60:g} minutes: send a smaller one."
            ) from None
        finally:
            self.uploads.arrived(num_bytes)

    async def _ask_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gradio fails on requests that its page does not make, which is no fault of the server: a line says so."""
        try:
            await self.app(scope, receive, _with_headers(send, refuses=scope["method"] == "POST"))
        except ClientDisconnect:
            # who has left is not answered
            pass
        except Exception as error:
            logger.warning("%s %s: %s", scope["method"], shorten(scope["path"]), describe_error(error))
            logger.debug("It came from here", exc_info=error)

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        """Refuses what the page does not ask. Returns what reads the body."""
        path, method = scope["path"], scope["method"]
        if method in ("GET", "HEAD"):
            if not _READ.fullmatch(path) or (path.startswith(_FILE) and self.uploads.find(path[len(_FILE) :]) is None):
                raise _refuse(404, "There is nothing here.")
            return receive
        if method != "POST" or not _WRITTEN.fullmatch(path):
            raise _refuse(404, "There is nothing here.")
        body = await _read(receive, _MAX_EVENT_BYTES)
        if body is None:
            raise _refuse(413, f"More than {_MAX_EVENT_BYTES:,} characters are not taken: ask a shorter question.")
        try:
            names_uploads = self._names_uploads(json.loads(body))
        except (ValueError, RecursionError):
            raise _refuse(400, "This is no JSON that the page sends.") from None
        if not names_uploads:
            raise _refuse(403, "This file is not here (any more): choose it again.")
        return _replay(body, receive)

    def _names_uploads(self, value: Any) -> bool:
        """Whether all files that an event names are uploads. Gradio would fetch an address."""
        if isinstance(value, list):
            return all(map(self._names_uploads, value))
        if not isinstance(value, dict):
            return True
        if "path" in value and self.uploads.find(value["path"]) is None:
            return False
        return all(map(self._names_uploads, value.values()))

    def _has_pass(self, scope: Scope) -> bool:
        # as browsers write them: one of another program need not be as the standard says
        value = cookie_parser(Headers(scope=scope).get("cookie", "")).get(_cookie_name(scope), "")
        return hmac.compare_digest(value.encode(), self._pass.encode())

    async def _log_in(self, scope: Scope, receive: Receive) -> Response:
        if scope["method"] != "POST":
            return RedirectResponse("/", 303)
        body = await _read(receive, _FORM_BYTES) or b""
        given = parse_qs(body.decode("utf-8", "replace")).get("key", [""])[0]
        assert self.api_key is not None
        if not hmac.compare_digest(given.strip().encode(), self.api_key.encode()):
            return _login_page("That is not the key.")
        response = RedirectResponse("/", 303)
        response.set_cookie(
            _cookie_name(scope), self._pass, httponly=True, samesite="strict", secure=scope["scheme"] == "https"
        )
        return response


def _cookie_name(scope: Scope) -> str:
    return _COOKIE.format(port=scope["server"][1])


class _Refused(Exception):
    """With an answer instead of the page's."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def _refuse(status: int, message: str) -> _Refused:
    # Gradio's page shows `detail`, and of uploads the text
    return _Refused(JSONResponse({"detail": message}, status) if status != 413 else PlainTextResponse(message, status))


def _login_page(problem: str = "") -> Response:
    page = Path(__file__).with_name("web_files").joinpath("login.html").read_text("utf-8")
    return HTMLResponse(page.replace("{problem}", html.escape(problem)), 401)


async def _read(receive: Receive, most: int) -> bytes | None:
    """A body, or nothing if it is larger or does not end."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _at_most(num_bytes: int, receive: Receive) -> Receive:
    """Of what has more bytes, or pauses, the rest is as if the visitor had left."""
    seconds: float | None = _SILENCE_SECONDS

    async def read() -> Message:
        nonlocal num_bytes, seconds
        try:
            message = await asyncio.wait_for(receive(), seconds)
        except TimeoutError:
            return {"type": "http.disconnect"}
        if not message.get("more_body", False):
            # what is read then is only whether the visitor is still there
            seconds = None
        num_bytes -= len(message.get("body", b""))
        return message if num_bytes >= 0 else {"type": "http.disconnect"}

    return read


async def _drain(receive: Receive) -> None:
    """Reads on for a moment: a browser that still sends would not see the answer."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass


def _replay(body: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def read() -> Message:
        return messages.pop() if messages else await receive()

    return read


def _with_headers(send: Send, *, refuses: bool) -> Callable[[Message], Any]:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_HEADERS)
            if refuses and message["status"] == 500:
                message["status"] = 400
        await send(message)

    return send_with_headers
