# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Chromium, and a server for the files of a page."""

import functools
import http.server
import importlib.util
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from transformers_mvgpt.runtime.web_packages import are_complete


WEB_PACKAGES = Path(__file__).parents[2] / "build" / "web-packages"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium(*, needs_web_packages: bool = True) -> str:
    """
    Where Chromium is. Without it, or what the page in the browser runs on, the test is skipped; with FAIL_WITHOUT_CHROMIUM, for a job that
    must not pass by skipping, it fails.
    """
    chromium = next(filter(None, map(shutil.which, _NAMES)), None)
    if chromium is None:
        _leave_out("there is no Chromium on PATH")
    if importlib.util.find_spec("playwright") is None:
        _leave_out("playwright is not installed")
    if needs_web_packages and not are_complete(WEB_PACKAGES):
        _leave_out(
            f"the packages of the page are not in {WEB_PACKAGES}, where `make {WEB_PACKAGES.parent.name}/web-packages/.fetched` puts them"
        )
    assert chromium is not None
    return chromium


def _leave_out(reason: str) -> None:
    if "FAIL_WITHOUT_CHROMIUM" in os.environ:
        pytest.fail(f"{reason}, although FAIL_WITHOUT_CHROMIUM says that it must not be missing")
    pytest.skip(reason)


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serves the files of a folder at the address that is given."""
    handler = functools.partial(_QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()
