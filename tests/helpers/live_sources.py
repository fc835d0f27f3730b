# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Streams on 127.0.0.1, and files that FFmpeg is writing."""

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest


@contextlib.contextmanager
def served(pieces: Sequence[bytes], *, pause: float = 0.0, end: str = "close", connections: int = 1) -> Iterator[int]:
    """
    Sends the pieces to whoever connects, with pauses between them, and gives the port. Then it closes the connection (`"close"`), breaks
    it off (`"reset"`), or sends nothing more (`"stall"`).
    """
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send() -> None:
            for _ in range(connections):
                with contextlib.suppress(OSError), server.accept()[0] as connection:
                    if b"".join(pieces).startswith(b"HTTP"):
                        connection.recv(65536)  # what is not read would break the connection off
                    for piece in pieces:
                        connection.sendall(piece)
                        time.sleep(pause)
                    if end == "stall":
                        is_over.wait(30)
                    elif end == "reset":
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        thread = threading.Thread(target=send, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            is_over.set()
    thread.join(10)


def http_answer(content: bytes, content_type: str = "video/mp2t", status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n{headers}\r\n".encode() + content


def as_chunks(content: bytes, size: int = 1000) -> bytes:
    """As servers send what they do not know the length of."""
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


@contextlib.contextmanager
def ffmpeg(*arguments: str) -> Iterator[subprocess.Popen]:
    """FFmpeg's own command, which runs meanwhile. The test is skipped where there is none."""
    path = shutil.which("ffmpeg")
    if path is None:
        if "FAIL_WITHOUT_FFMPEG" in os.environ:
            pytest.fail("There is no ffmpeg, although FAIL_WITHOUT_FFMPEG says that there is one")
        pytest.skip("needs the command ffmpeg")
    process = subprocess.Popen(
        [path, "-hide_banner", "-loglevel", "error", "-y", *arguments], stdin=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for_bytes(path: Path, number: int = 1, seconds: float = 20) -> None:
    """Until a file has so many."""
    end = time.monotonic() + seconds
    while not path.exists() or path.stat().st_size < number:
        assert time.monotonic() < end, f"{path} does not grow"
        time.sleep(0.02)
