# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Where a video or picture comes from: a file, its bytes, an address, an open file, or a folder of frames."""

import base64
import binascii
import contextlib
import dataclasses
import os
import re
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from .containers import Container, recognize_container
from .downloads import download
from .limits import UntrustedInput, shorten
from .regular_files import check_regular, confine, open_regular


# More than one letter, which would be a drive of Windows.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_READ_SCHEMES = ("http", "https", "data", "file")
# FFmpeg takes a path with one of these for the pattern of many pictures' names.
_PATTERN_CHARACTERS = re.compile(r"[%*?{}\[\]]")


@dataclass(frozen=True)
class VideoSource:
    """
    Args:
        name (`str`):
            What messages call it: the path or the address in quotes, or `<N bytes>`.
        content (`str` or `bytes`):
            An absolute path, or the bytes of a file.
        what (`str`, defaults to `"video"`):
            What it is to be, for messages: `"video"` or `"image"`.
    """

    name: str
    content: str | bytes = field(repr=False)
    what: str = "video"

    @property
    def is_folder(self) -> bool:
        return isinstance(self.content, str) and os.path.isdir(self.content)

    def open(self) -> BinaryIO:
        return BytesIO(self.content) if isinstance(self.content, bytes) else open_regular(self.content, self.title)

    @property
    def title(self) -> str:
        """It begins a message."""
        return f"The {self.what} {self.name}"

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

    @contextlib.contextmanager
    def with_plain_name(self) -> Iterator["VideoSource"]:
        """Itself; under another name, by a link, where decoders would take its name for a pattern."""
        if isinstance(self.content, bytes) or not _PATTERN_CHARACTERS.search(self.content):
            yield self
            return
        with tempfile.TemporaryDirectory() as folder:
            link = os.path.join(folder, "video")
            try:
                os.symlink(self.content, link)
            except OSError as error:  # Windows asks for a privilege
                raise ValueError(
                    f"{self.title} has a character in its path that stands for patterns (one of % * ? {{ }} [ ]), and no link to "
                    "it can be made here. Rename it."
                ) from error
            yield dataclasses.replace(self, content=link)

    def container(self) -> str:
        """
        `"mp4"` (and MOV), `"matroska"` (and WebM), `"picture"`, `"other"` or `"unknown"`, from the first bytes.

        Raises:
            ValueError: if it is a playlist, a text, a web page or sound.
        """
        return self._container.name

    @property
    def demuxer_options(self) -> dict[str, str]:
        """Hold FFmpeg to what the file was found to be, and to this one file."""
        return {"format_whitelist": self._container.demuxers, "protocol_whitelist": "file"}

    @cached_property
    def _container(self) -> Container:
        with self.open() as file:
            try:
                return recognize_container(file)
            except ValueError as error:
                raise ValueError(f"{self.title} {error}") from None


def resolve_source(source: Any, untrusted_input: UntrustedInput | None = None, what: str = "video") -> VideoSource:
    """
    Args:
        source:
            A path; an address with `http:`, `https:`, `data:` or `file:`; the bytes of a file; a file object, opened in
            binary mode, which is read from its start; or `{"bytes": ..., "path": ...}`, as `datasets` has files, either of them
            `None`.
        untrusted_input ([`UntrustedInput`], *optional*):
            How much is taken of it, and where it may lead.
        what (`str`, defaults to `"video"`):
            What it is to be, for messages.

    Raises:
        TypeError: for anything else.
        FileNotFoundError: if there is nothing at the path.
        OSError: if the file cannot be opened or the download fails.
        ValueError: if the file is empty, no regular file, outside of `media_folder` or larger than a limit, or if the address is
            of another scheme.
    """
    limits = untrusted_input or UntrustedInput()
    if isinstance(source, Mapping):
        return _of_noted_file(source, limits, what)
    if isinstance(source, (bytes, bytearray, memoryview)):
        resolved = VideoSource(f"<{memoryview(source).nbytes} bytes>", bytes(source), what)
    elif isinstance(source, (str, os.PathLike)):
        address = os.fspath(source)
        if isinstance(address, bytes):
            address = os.fsdecode(address)
        scheme = _SCHEME.match(address) if isinstance(source, str) else None
        resolved = _at_address(scheme[1].lower(), address, limits, what) if scheme else _at_path(address, limits, what)
    elif callable(getattr(source, "read", None)):
        resolved = _of_file_object(source, limits, what)
    else:
        raise TypeError(
            f"{'An image' if what == 'image' else 'A video'} must be a path, an address (http:, https:, data: or file:), a folder "
            f"of frames, an open file or the bytes of a file, not {type(source).__name__}."
        )
    return _not_empty(resolved)


def is_noted_file(source: Any) -> bool:
    """Whether it is a file as `datasets` notes it: `{"bytes": ..., "path": ...}`, or one of the two keys."""
    return isinstance(source, Mapping) and bool(source) and set(source) <= {"bytes", "path"}


def _not_empty(resolved: VideoSource) -> VideoSource:
    if not resolved.is_folder:
        content = resolved.content
        if (len(content) if isinstance(content, bytes) else os.path.getsize(content)) == 0:
            raise ValueError(f"{resolved.title} is empty (0 bytes). Download or copy it again.")
    return resolved


def _of_noted_file(source: Mapping[str, Any], limits: UntrustedInput, what: str) -> VideoSource:
    if not is_noted_file(source):
        raise ValueError(
            f"A dictionary in the place of {'an image' if what == 'image' else 'a video'} must have 'bytes' and 'path', got the keys "
            f"{shorten(list(source))}."
        )
    content, path = source.get("bytes"), source.get("path")
    if content is None and path is None:
        raise ValueError(f"The {what} has neither bytes nor a path, both are None: leave it out.")
    if path is not None and not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"The 'path' of the {what} must be a string, not {type(path).__name__}.")
    if content is None:
        return resolve_source(path, limits, what)
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise TypeError(f"The 'bytes' of the {what} must be bytes, not {type(content).__name__}.")
    name = f"<{memoryview(content).nbytes} bytes>" if path is None else f"'{shorten(os.fspath(path))}'"
    return _not_empty(VideoSource(name, bytes(content), what))


def _at_address(scheme: str, address: str, limits: UntrustedInput, what: str) -> VideoSource:
    name = f"'{shorten(address)}'"
    if scheme in ("http", "https"):
        return VideoSource(name, download(address, what, limits), what)
    if scheme == "data":
        return VideoSource(name, _data_of(address, name, limits, what), what)
    if scheme == "file":
        if (path := path_of_address(address)) is None:
            host = shorten(urllib.parse.urlsplit(address).netloc)
            raise ValueError(f"The {what} {name} is on another machine, '{host}': pass a path that leads to it.")
        return _at_path(path, limits, what)
    if _exists(address):
        return _at_path(address, limits, what)
    raise ValueError(
        f"The {what} {name} cannot be read: there is no such file, and addresses with '{shorten(scheme)}:' are not read, only those "
        f"with {', '.join(f'{known}:' for known in _READ_SCHEMES)}. Check the path, or save the {what} and pass its path."
    )


def path_of_address(address: str) -> str | None:
    """
    The path that a `file:` address names; `None` if it is one of another machine.

    Raises:
        ValueError: if it is no address.
    """
    parts = urllib.parse.urlsplit(address)
    return urllib.request.url2pathname(parts.path) if parts.netloc.lower() in ("", "localhost") else None


def _exists(path: str) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # a zero, or half of a surrogate pair
        return False


def _at_path(path: str, limits: UntrustedInput, what: str) -> VideoSource:
    name = f"'{shorten(path)}'"
    title = f"The {what} {name}"
    if not path:
        raise ValueError(f"The path of the {what} is an empty string. Pass the path of a file.")
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"There is no {what} at {name}: no such file or folder ('{shorten(os.path.abspath(path))}'). Check the path."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"{title} has a character in its path that no path has ({shorten(str(error))}). Check it."
        ) from error
    except OSError as error:
        raise OSError(f"{title} cannot be opened: {error.strerror}. Check its path and who may read it.") from error
    check_regular(status, title, or_folder=True)
    # An absolute path, because FFmpeg takes what stands before a colon in a relative one for a protocol.
    return VideoSource(name, confine(os.path.abspath(path), limits, title), what)


def _data_of(address: str, name: str, limits: UntrustedInput, what: str) -> bytes:
    header, comma, data = address.partition(",")
    if not comma:
        raise ValueError(f"The {what} {name} has no comma, behind which its data begin: data:{what}/...;base64,...")
    is_base64 = header.lower().endswith(";base64")
    if len(data) * (0.75 if is_base64 else 1 / 3) > limits.max_download_bytes:
        raise ValueError(_too_large(f"The {what} {name}", limits))
    content = urllib.parse.unquote_to_bytes(data)
    if is_base64:
        content = decode_base64(content, f"The {what} {name}")
    if len(content) > limits.max_download_bytes:
        raise ValueError(_too_large(f"The {what} {name}", limits))
    return content


def decode_base64(data: bytes, title: str) -> bytes:
    """
    Raises:
        ValueError: if it is no base64. `title` begins the message.
    """
    data = b"".join(data.split()).rstrip(b"=")
    try:
        return base64.b64decode(data.translate(bytes.maketrans(b"-_", b"+/")) + b"=" * (-len(data) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"{title} is no valid base64 ({error}). Encode it again.") from error


def _of_file_object(file: Any, limits: UntrustedInput, what: str) -> VideoSource:
    kind = type(file).__name__
    if getattr(file, "closed", False) is True:
        raise ValueError(f"The {what}, a file object ({kind}), is closed: open it again, or pass its path.")
    try:
        if getattr(file, "seekable", bool)():
            file.seek(0)
        content = BytesIO()
        while block := file.read(min(1 << 20, limits.max_download_bytes + 1 - content.tell())):
            if not isinstance(block, (bytes, bytearray, memoryview)):
                if hasattr(block, "close"):
                    block.close()  # a coroutine, which would complain that nobody waited for it
                raise TypeError(
                    f"The {what}, a file object ({kind}), gives {type(block).__name__} and not bytes: open it in binary mode, "
                    "'rb', and not for asynchronous reading."
                )
            content.write(block)
            if content.tell() > limits.max_download_bytes:
                raise ValueError(_too_large(f"The {what}, a file object ({kind}),", limits) + " Or pass its path.")
    except OSError as error:
        raise OSError(
            f"The {what}, a file object ({kind}), cannot be read: {shorten(str(error))}. Pass its path."
        ) from error
    return VideoSource(f"<{content.tell()} bytes of a file object>", content.getvalue(), what)


def _too_large(title: str, limits: UntrustedInput) -> str:
    return (
        f"{title} has more bytes than are taken ({limits.max_download_bytes:,}): save it as a file and pass its path, or raise "
        "`max_download_bytes` of `untrusted_input=UntrustedInput(...)`."
    )
