# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The bytes of a stream as they come, over connections that Python makes: from http, https, tcp and udp addresses, and from a file that is
being written. Where a connection leads is checked as for downloads, and whoever reads the bytes connects to nothing.
"""

import contextlib
import ipaddress
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from .downloads import ERRORS, Deadline, RefusedAddress, connect, response_to
from .limits import UntrustedInput, shorten
from .regular_files import open_regular


# What is waited for at a time: whoever stops a stream waits no longer.
_WAIT_SECONDS = 0.2
_BLOCK_BYTES = 1 << 16
HEAD_BYTES = 4096


class StreamEnded(OSError):
    """A stream broke off, or sent nothing for too long. The message says all."""


class ByteStream:
    """
    What a container is read from. It cannot go back.

    Args:
        receive (`Callable[[int], bytes | None]`):
            Returns at most so many bytes, none at the end, or `None` if there are none yet; or raises a `TimeoutError` then.
        name (`str`): What messages call it.
        silence_seconds (`float`): For how long nothing may come.
        ends_quietly (`bool`): Whether it is over after that, and not broken.
        content_type (`str`): What the server says that it is.
        interrupt (`Callable[[], None]`): Ends a wait in `receive`, from another thread.

    Attributes:
        has_ended (`bool`): Whether the end was read.
        error ([`StreamEnded`], *optional*): What was raised. FFmpeg may have gone on as if this were the end.
    """

    def __init__(
        self,
        receive: Callable[[int], bytes | None],
        name: str,
        silence_seconds: float,
        ends_quietly: bool = False,
        content_type: str = "",
        interrupt: Callable[[], None] = lambda: None,
    ) -> None:
        self.name, self.content_type = name, content_type
        self._receive, self._silence_seconds, self._ends_quietly = receive, silence_seconds, ends_quietly
        self._interrupt = interrupt
        self._head = b""
        self.has_ended = False
        self.error: StreamEnded | None = None
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Ends the stream for whoever reads it, from any thread."""
        self._stopped.set()
        self._interrupt()

    def peek(self) -> bytes:
        """Its first bytes, which [`read`] returns all the same."""
        while len(self._head) < HEAD_BYTES and (block := self._next(HEAD_BYTES)):
            self._head += block
        return self._head

    def read(self, size: int = _BLOCK_BYTES) -> bytes:
        """
        At least one byte and at most `size`; none at the end.

        Raises:
            StreamEnded: if it breaks off.
        """
        if self._head:
            block, self._head = self._head[:size], self._head[size:]
            return block
        return self._next(size)

    def _next(self, size: int) -> bytes:
        try:
            return self._wait_for_block(size)
        except StreamEnded as error:
            self.error = error
            raise

    def _wait_for_block(self, size: int) -> bytes:
        silent_since = time.monotonic()
        # whoever reads may ask several times
        while not (self.has_ended or self._stopped.is_set()):
            try:
                block = self._receive(size)
            except TimeoutError:
                block = None
            except ERRORS as error:
                if self._stopped.is_set():
                    break
                reason = shorten(str(error) or type(error).__name__).rstrip(".")
                raise StreamEnded(f"The stream {self.name} broke off: {reason}.") from error
            if block is not None:
                self.has_ended = not block
                return block
            if time.monotonic() - silent_since >= self._silence_seconds - _WAIT_SECONDS:
                if self._ends_quietly:
                    self.has_ended = True
                    break
                raise StreamEnded(
                    f"The stream {self.name} has sent nothing for {self._silence_seconds:g} seconds: check what sends it, or allow a "
                    f"longer silence, as with `silence_seconds={2 * self._silence_seconds:g}`."
                )
        return b""


@contextlib.contextmanager
def open_address(url: str, limits: UntrustedInput, silence_seconds: float) -> Iterator[ByteStream]:
    """
    Args:
        url (`str`): with `http:`, `https:`, `tcp:` or `udp:`.
        limits ([`UntrustedInput`]): where it may lead.
        silence_seconds (`float`): for how long nothing may come, also until there is a connection.

    Raises:
        OSError: if there is no connection.
        ValueError: if the address is none, or leads where none may lead.
    """
    name = f"'{shorten(without_password(url))}'"
    scheme = urllib.parse.urlsplit(url).scheme.lower()
    connections = {"tcp": _open_tcp, "udp": _open_udp}
    with contextlib.ExitStack() as stack:
        try:
            if scheme in connections:
                receive = stack.enter_context(connections[scheme](url, limits, silence_seconds))
                stream = ByteStream(receive, name, silence_seconds)
            else:
                stream = _open_http(stack, url, name, limits, silence_seconds)
        except RefusedAddress as error:
            raise ValueError(f"The stream {name} {error}.") from error
        except ERRORS as error:
            reason = shorten(str(error) or type(error).__name__).rstrip(".")
            raise OSError(
                f"The stream {name} cannot be opened: {reason}. Check the address, and that it is sent."
            ) from error
        yield stream


@contextlib.contextmanager
def follow_file(path: str, idle_seconds: float) -> Iterator[ByteStream]:
    """
    A file from its beginning on, and what is written to it meanwhile. It ends when nothing more has come for `idle_seconds`.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it is no regular file.
    """
    name = f"'{shorten(path)}'"
    title = f"The video {name}"
    with open_regular(path, title) as file:

        def receive(size: int) -> bytes | None:
            if block := file.read(size):
                return block
            time.sleep(_WAIT_SECONDS / 4)
            return None

        yield ByteStream(receive, name, idle_seconds, ends_quietly=True)


def _open_http(
    stack: contextlib.ExitStack, url: str, name: str, limits: UntrustedInput, silence_seconds: float
) -> ByteStream:
    for _ in range(limits.max_redirects + 1):
        response = stack.enter_context(response_to(url, _Silence(silence_seconds), limits))
        if isinstance(response, str):
            url = response
            continue
        encoding = (response.getheader("Content-Encoding") or "identity").lower()
        if encoding != "identity":
            raise ValueError(f"the server sends it in the encoding '{shorten(encoding)}', which was not asked for")
        connected = response.fp.raw.connected  # type: ignore[attr-defined]

        def interrupt(connected: socket.socket = connected) -> None:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

        content_type = response.getheader("Content-Type") or ""
        # a wait within a chunk must not be cut short, or the rest would not be understood
        return ByteStream(response.read1, name, silence_seconds, content_type=content_type, interrupt=interrupt)
    raise RefusedAddress(
        f"is behind more redirects than are followed ({limits.max_redirects}): pass the address where they end, or raise "
        "`max_redirects` of `untrusted_input=UntrustedInput(...)`"
    )


class _Silence(Deadline):
    """A deadline that moves on: no single wait lasts longer."""

    def __init__(self, seconds: float) -> None:
        super().__init__(float("inf"))
        self.seconds = seconds

    def seconds_left(self) -> float:
        return self.seconds


@contextlib.contextmanager
def _open_tcp(url: str, limits: UntrustedInput, silence_seconds: float) -> Iterator[Callable[[int], bytes | None]]:
    host, port = _host_and_port(url)
    if not host:
        raise ValueError("there is no host in the address")
    with connect(host, port, None, limits, _Silence(silence_seconds)) as connected:
        connected.settimeout(_WAIT_SECONDS)
        yield connected.recv


@contextlib.contextmanager
def _open_udp(url: str, limits: UntrustedInput, silence_seconds: float) -> Iterator[Callable[[int], bytes | None]]:
    """Listens at a port of this machine, and for a group of multicast joins it: nothing is sent anywhere."""
    host, port = _host_and_port(url)
    address: Any = ipaddress.ip_address(host or "0.0.0.0")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as listening:
        if address.is_multicast:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if address.version == 6:
                group = address.packed + struct.pack("@I", 0)
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
            else:
                group = address.packed + struct.pack("=I", socket.INADDR_ANY)
                listening.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        listening.bind(("" if address.is_multicast else str(address), port))
        listening.settimeout(_WAIT_SECONDS)
        datagram = b""

        def receive(size: int) -> bytes:
            # a datagram that is not taken as a whole is lost
            nonlocal datagram
            while not datagram:
                datagram = listening.recv(_BLOCK_BYTES)
            block, datagram = datagram[:size], datagram[size:]
            return block

        yield receive


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urllib.parse.urlsplit(url)
    if not parts.port:
        raise ValueError("there is no port in the address")
    return parts.hostname or "", parts.port


def without_password(url: str) -> str:
    """An address as messages may show it."""
    with contextlib.suppress(ValueError):
        password = urllib.parse.urlsplit(url).password
        if password is not None:
            return url.replace(f":{password}@", ":***@", 1)
    return url
