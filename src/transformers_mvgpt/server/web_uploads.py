# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Files that visitors of the web page send: in a folder of their own, up to a size, and no longer than they are needed."""

import contextlib
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from ..video.limits import shorten


MIB = 1024**2
# Of the largest upload, how many the folder holds.
_MAX_UPLOADS_HELD = 20
# A file that no visitor's page names is one that is being sent, or one that nobody wants.
_SECONDS_UNNAMED = 120
# What the page itself shows is never deleted before the end.
_OWN_FOLDER = "examples"


class UploadFolder:
    """
    A temporary folder for uploads. It is a context manager, which removes the folder at the end.

    Args:
        max_upload_bytes (`int`): Size of one upload.

    Attributes:
        path (`Path`): The folder, without links.
        max_bytes (`int`): What all uploads may take together.
    """

    def __init__(self, max_upload_bytes: int) -> None:
        self.max_upload_bytes = max_upload_bytes
        self.max_bytes = _MAX_UPLOADS_HELD * max_upload_bytes
        self.path = Path(tempfile.mkdtemp(prefix="mvgpt-web-")).resolve()
        (self.path / _OWN_FOLDER).mkdir()
        self._visitors: dict[Path, set[str]] = {}
        self._num_incoming_bytes = 0
        self._lock = threading.Lock()

    def __enter__(self) -> "UploadFolder":
        return self

    def __exit__(self, *_: Any) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def examples(self) -> Path:
        """For files that the page shows to everyone."""
        return self.path / _OWN_FOLDER

    def find(self, path: Any) -> Path | None:
        """The file that a page names, without links; `None` where that is no file of this folder."""
        if not isinstance(path, str):
            return None
        try:
            file = Path(os.path.realpath(path))
            return file if file.is_relative_to(self.path) and file.is_file() else None
        except (ValueError, OSError):  # a zero in a path, or one that is too long
            return None

    def claim(self, file: Path | None, visitor: str) -> None:
        """This is the file that a visitor looks at now, and what he looked at before is not."""
        with self._lock:
            for other in [each for each, visitors in self._visitors.items() if visitor in visitors]:
                if other != file:
                    self._drop(other, visitor)
            if file is not None and file.parent != self.examples:
                # a copy of the same content has the same path
                self._visitors.setdefault(file, set()).add(visitor)

    def refusal(self, num_bytes: int) -> str | None:
        """Why an upload of so many bytes is not taken. Otherwise there is room for it, until [`arrived`]."""
        if num_bytes > self.max_upload_bytes:
            return (
                f"The file has {_megabytes(num_bytes)} MB, and at most {_megabytes(self.max_upload_bytes)} MB are taken: cut it shorter, "
                "or raise `--max-upload-mb` of `mvgpt web`."
            )
        self.sweep()
        with self._lock:
            if self.num_bytes() + self._num_incoming_bytes + num_bytes > self.max_bytes:
                return "Other visitors' uploads take all the room that there is for them: try again in a few minutes."
            self._num_incoming_bytes += num_bytes
        return None

    def arrived(self, num_bytes: int) -> None:
        """An upload of so many bytes is there, or will not be."""
        with self._lock:
            self._num_incoming_bytes -= num_bytes

    def num_bytes(self) -> int:
        """What the files of visitors take."""
        return sum(size for _, size, _ in self._uploads())

    def sweep(self) -> None:
        """Deletes what was left over: no page names it, and nothing was written to it for a while."""
        oldest = time.time() - _SECONDS_UNNAMED
        with self._lock:
            for file, _, changed in self._uploads():
                if file not in self._visitors and changed < oldest:
                    _delete(file)

    def _uploads(self) -> list[tuple[Path, int, float]]:
        """Files of visitors, their bytes, and when they were changed."""
        found = []
        for folder, _, names in os.walk(self.path):
            if Path(folder) != self.examples:
                for name in names:
                    file = Path(folder, name)
                    try:
                        status = file.lstat()
                    except OSError:  # deleted in between
                        continue
                    found.append((file, status.st_size, status.st_mtime))
        return found

    def _drop(self, file: Path, visitor: str) -> None:
        self._visitors[file].discard(visitor)
        if not self._visitors[file]:
            del self._visitors[file]
            _delete(file)


def file_title(file: Path) -> str:
    """The name of an upload as text, for messages."""
    return shorten(file.name)


def _delete(file: Path) -> None:
    # the system's cleaning may have been here before; on Windows, what is being read stays until the next sweep
    with contextlib.suppress(OSError):
        file.unlink()
    # Gradio makes a folder for each file; one that is not empty stays
    with contextlib.suppress(OSError):
        file.parent.rmdir()


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / MIB:,.1f}".removesuffix(".0")
