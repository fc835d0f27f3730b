# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The application in a process of its own, until it is told to end."""

import gc
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from fastapi import FastAPI


# What answers that are being given have to end after SIGTERM.
GRACE_SECONDS = 5


class _Server(uvicorn.Server):
    on_start: Callable[[str], None] | None = None
    on_stop: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.on_start is not None:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self.on_start(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.on_stop is not None:
            self.on_stop()
        # what waits is refused now; uvicorn would let it all be answered
        self.config.app.state.service.close(GRACE_SECONDS)  # type: ignore[union-attr]
        await super().shutdown(sockets)


def run_app(
    app: FastAPI,
    host: str,
    port: int,
    *,
    on_start: Callable[[str], None] | None = None,
    on_stop: Callable[[], None] | None = None,
    **options: Any,
) -> None:
    """
    Serves the application of [`create_app`] until SIGTERM or SIGINT, which are raised again at the end.

    Args:
        app (`FastAPI`): The application.
        host (`str`), port (`int`): Where it listens.
        on_start (`Callable[[str], None]`, *optional*): Is called with the address when it listens.
        on_stop (`Callable[[], None]`, *optional*): Is called when it is told to end, to end responses that would not end by themselves.
        options: Of `uvicorn.Config`.
    """
    # a moment longer, so that a client learns why its answer ends
    config = uvicorn.Config(app, host=host, port=port, timeout_graceful_shutdown=GRACE_SECONDS + 3, **options)
    # what is loaded stays to the end: the garbage collector need not look through it, which at the end alone takes seconds
    gc.collect()
    gc.freeze()
    server = _Server(config)
    server.on_start, server.on_stop = on_start, on_stop
    server.run()
