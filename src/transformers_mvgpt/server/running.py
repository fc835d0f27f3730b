# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The application in a process of its own, until it is told to end."""

import socket
from typing import Any

import uvicorn
from fastapi import FastAPI


# What answers that are being given have to end after SIGTERM.
GRACE_SECONDS = 5


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # what waits is refused now; uvicorn would let it all be answered
        self.config.app.state.service.close(GRACE_SECONDS)  # type: ignore[union-attr]
        await super().shutdown(sockets)


def run_app(app: FastAPI, host: str, port: int, **options: Any) -> None:
    """
    Serves the application of [`create_app`] until SIGTERM or SIGINT, which are raised again at the end.

    Args:
        app (`FastAPI`): The application.
        host (`str`), port (`int`): Where it listens.
        options: Of `uvicorn.Config`.
    """
    # a moment longer, so that a client learns why its answer ends
    config = uvicorn.Config(app, host=host, port=port, timeout_graceful_shutdown=GRACE_SECONDS + 3, **options)
    _Server(config).run()
