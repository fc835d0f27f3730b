# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Where a video comes from: a file, its bytes, an address, or a folder of frames."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from huggingface_hub.utils import httpx


DOWNLOAD_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class VideoSource:
    """
    Args:
        name (`str`):
            What messages call it: the path or the address in quotes, or `<N bytes>`.
        content (`str` or `bytes`):
            An absolute path, or the bytes of a file.
    """

    name: str
    content: str | bytes = field(repr=False)

    @property
    def is_folder(self) -> bool:
        return isinstance(self.content, str) and os.path.isdir(self.content)

    def open(self) -> BinaryIO:
        return BytesIO(self.content) if isinstance(self.content, bytes) else open(self.content, "rb")

    def path_or_stream(self) -> str | BinaryIO:
        """For decoders that read from either."""
        return BytesIO(self.content) if isinstance(self.content, bytes) else self.content

    @contextlib.contextmanager
    def as_path(self) -> Iterator[str]:
        """For decoders that read from nothing but a path. A file written for that is removed afterwards."""
        if isinstance(self.content, str):
            yield self.content
            return
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "video")
            Path(path).write_bytes(self.content)
            yield path

    def container(self) -> str:
        """`"mp4"` (and MOV), `"matroska"` (and WebM), `"gif"` or `"other"`, from the first bytes."""
        with self.open() as file:
            header = file.read(12)
        if header[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"):
            return "mp4"
        if header.startswith(b"\x1a\x45\xdf\xa3"):
            return "matroska"
        return "gif" if header.startswith((b"GIF87a", b"GIF89a")) else "other"


def resolve_source(source: str | os.PathLike | bytes) -> VideoSource:
    """
    Raises:
        `TypeError`: for anything but a path, an address or bytes.
        `FileNotFoundError`: if there is nothing at the path.
        `OSError`: if the download fails.
        `ValueError`: if the file is empty.
    """
    name: str
    content: str | bytes
    if isinstance(source, bytes):
        name, content = f"<{len(source)} bytes>", source
    elif isinstance(source, str) and source.startswith(("http://", "https://")):
        name, content = f"'{source}'", _download(source)
    elif isinstance(source, (str, os.PathLike)):
        path = os.fsdecode(source)
        # An absolute path, because FFmpeg takes what stands before a colon in a relative one for a protocol.
        name, content = f"'{path}'", os.path.abspath(path)
        if not os.path.exists(path):
            raise FileNotFoundError(
                f"There is no video at {name}: no such file or folder ('{os.path.abspath(path)}'). Check the path."
            )
    else:
        raise TypeError(
            f"A video must be a path, an http(s) address, a folder of frames or the bytes of a file, not "
            f"{type(source).__name__}."
        )
    resolved = VideoSource(name, content)
    if not resolved.is_folder and (len(content) if isinstance(content, bytes) else os.path.getsize(content)) == 0:
        raise ValueError(f"The video {name} is empty (0 bytes). Download or copy it again.")
    return resolved


def _download(url: str) -> bytes:
    try:
        response = httpx.get(url, follow_redirects=True, timeout=DOWNLOAD_TIMEOUT_SECONDS)
        response.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error).partition("\n")[0]
        raise OSError(
            f"The video '{url}' could not be downloaded: {reason}. Check the address, or save the file and pass its "
            f"path."
        ) from error
    return response.content
