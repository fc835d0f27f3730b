# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Files from http and https addresses, within limits on bytes, time, redirects and on where the connections lead.

It is done with Python's own client: the address that was checked is the one that is connected to, whatever the name means when
it is looked up again.
"""

import base64
import http.client
import io
import ipaddress
import socket
import ssl
import time
import urllib.parse
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from .limits import UntrustedInput, shorten
from .reading_reports import report_reading


_SILENCE_SECONDS = 30
_BLOCK_BYTES = 1 << 16
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
ERRORS = (OSError, http.client.HTTPException, UnicodeError, ValueError, zlib.error)


class RefusedAddress(ValueError):
    """The message says all."""


def download(url: str, what: str, limits: UntrustedInput) -> bytes:
    """
    Args:
        url (`str`): an http or https address.
        what (`str`): what messages call it, `"video"` or `"image"`.
        limits ([`UntrustedInput`]): how much is taken, and whether from private addresses.

    Raises:
        OSError: if there is nothing, or the connection fails.
        ValueError: if a limit would be passed.
    """
    name = f"The {what} '{shorten(url)}'"
    deadline = Deadline(limits.max_download_seconds)
    try:
        for _ in range(limits.max_redirects + 1):
            with response_to(url, deadline, limits) as response_or_url:
                if not isinstance(response_or_url, str):
                    return _read(response_or_url, limits)
            url = response_or_url
        raise RefusedAddress(
            f"is behind more redirects than are followed ({limits.max_redirects}): pass the address where they end, or raise "
            "`max_redirects` of `untrusted_input=UntrustedInput(...)`"
        )
    except RefusedAddress as error:
        raise ValueError(f"{name} {error}.") from error
    except ERRORS as error:
        if deadline.is_over:
            raise OSError(
                f"{name} could not be downloaded within {limits.max_download_seconds:g} seconds. Save the file and pass its path, "
                "or raise `max_download_seconds` of `untrusted_input=UntrustedInput(...)`."
            ) from error
        reason = shorten(str(error) or type(error).__name__).rstrip(".")
        raise OSError(
            f"{name} could not be downloaded: {reason}. Check the address, or save the file and pass its path."
        ) from error


class Deadline:
    """When all of a download has to be over."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.end

    def seconds_left(self) -> float:
        """For the next wait on the network."""
        if self.is_over:
            raise TimeoutError("it took too long")
        return min(_SILENCE_SECONDS, max(self.end - time.monotonic(), 0.001))


class _TimedSocket(io.RawIOBase):
    """What `http.client` needs of a socket. No single wait, and not all of them together, last longer than the deadline."""

    def __init__(self, connected: socket.socket, deadline: Deadline) -> None:
        self.connected, self.deadline = connected, deadline

    def sendall(self, data: Any) -> None:
        self.connected.settimeout(self.deadline.seconds_left())
        self.connected.sendall(data)

    def makefile(self, *args: Any, **kwargs: Any) -> io.BufferedReader:
        return io.BufferedReader(_TimedSocket(self.connected, self.deadline))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.connected.settimeout(self.deadline.seconds_left())
        return self.connected.recv_into(buffer)


@contextmanager
def response_to(url: str, deadline: Deadline, limits: UntrustedInput) -> Iterator[http.client.HTTPResponse | str]:
    """
    What a server answers, or where a redirect leads. The connection is open while it is entered.

    Raises:
        OSError, ValueError, http.client.HTTPException: if there is no answer, or it may not be asked for.
    """
    parts = urllib.parse.urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https"):
        raise RefusedAddress(
            f"leads to '{shorten(url)}', and no redirect may leave http: and https:. Pass the file itself"
        )
    host, port = parts.hostname, parts.port or (443 if scheme == "https" else 80)
    if not host:
        raise ValueError("there is no host in the address")
    target = urllib.parse.quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (
        f"?{urllib.parse.quote(parts.query, safe='/%:@!$&()*+,;=~?[]')}" if parts.query else ""
    )
    host_header = f"[{host}]" if ":" in host else host.encode("idna").decode()
    headers = {
        "Host": host_header if parts.port is None else f"{host_header}:{port}",
        "User-Agent": "transformers-mvgpt",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    if parts.username is not None:
        headers["Authorization"] = _basic(parts)
    proxy = _proxy_for(scheme, host)
    with closing(connect(host, port, proxy, limits, deadline)) as connected:
        secured: socket.socket = connected
        if proxy is not None and scheme == "http":
            target = urllib.parse.urlunsplit((scheme, headers["Host"], target, "", ""))
            if proxy.username is not None:
                headers["Proxy-Authorization"] = _basic(proxy)
        if proxy is not None and scheme == "https":
            _open_tunnel(connected, f"{host_header}:{port}", proxy, deadline)
        if scheme == "https":
            connected.settimeout(deadline.seconds_left())
            secured = ssl.create_default_context().wrap_socket(connected, server_hostname=host)
        with closing(secured):
            connection = http.client.HTTPConnection(host, port)
            connection.sock = _TimedSocket(secured, deadline)
            connection.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
            for key, value in headers.items():
                connection.putheader(key, value)
            connection.endheaders()
            response = connection.getresponse()
            location = response.getheader("Location")
            if response.status in (301, 302, 303, 307, 308) and location:
                # http.client takes the bytes of headers for Latin-1
                yield urllib.parse.urljoin(url, location.encode("latin-1").decode(errors="replace"))
                return
            if not 200 <= response.status < 300:
                raise OSError(f"the server answers {response.status} {response.reason}".rstrip())
            yield response


def _basic(parts: urllib.parse.SplitResult) -> str:
    pair = f"{urllib.parse.unquote(parts.username or '')}:{urllib.parse.unquote(parts.password or '')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _proxy_for(scheme: str, host: str) -> urllib.parse.SplitResult | None:
    """The proxy that the environment names (HTTPS_PROXY, NO_PROXY, ...)."""
    proxies = urllib.request.getproxies()
    address = proxies.get(scheme) or proxies.get("all")
    if not address or urllib.request.proxy_bypass(host):
        return None
    proxy = urllib.parse.urlsplit(address if "://" in address else f"http://{address}")
    if proxy.scheme.lower() != "http" or not proxy.hostname:
        raise ValueError(f"the proxy of the environment is of the kind '{proxy.scheme}', and only 'http' is known")
    return proxy


def connect(
    host: str, port: int, proxy: urllib.parse.SplitResult | None, limits: UntrustedInput, deadline: Deadline
) -> socket.socket:
    """
    To one of the addresses that the host's name means now. A proxy looks the name up itself and decides where it leads; what is
    known here to be private is refused nevertheless.
    """
    try:
        addresses = _addresses(host, port)
    except OSError:
        if proxy is None:
            raise
        addresses = []
    if not limits.allow_private_addresses:
        allowed = [address for address in addresses if _is_global(address)]
        if addresses and not allowed:
            raise RefusedAddress(
                f"leads to {shorten(host)} ({addresses[0]}), an address of this machine or its own network: only public ones are "
                "read. To allow it, set `allow_private_addresses` of `untrusted_input=UntrustedInput(...)`"
            )
        addresses = allowed
    if proxy is not None:
        return socket.create_connection((str(proxy.hostname), proxy.port or 80), timeout=deadline.seconds_left())
    for number, address in enumerate(addresses):
        try:
            return socket.create_connection((address, port), timeout=deadline.seconds_left())
        except OSError:
            if number == len(addresses) - 1:
                raise
    raise OSError(f"{shorten(host)} has no address")


def _addresses(host: str, port: int) -> list[str]:
    """Numeric, each once; also of hosts like `2130706433` and `0x7f.1`, which are numbers in disguise."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def _is_global(address: str) -> bool:
    ip: Any = ipaddress.ip_address(address.partition("%")[0])
    if ip.version == 6:
        # IPv4 addresses that stand in IPv6 ones
        inner = (
            ip.ipv4_mapped or ip.sixtofour or (ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        )
        ip = inner or ip
    return ip.is_global and not (ip.is_multicast or ip.is_reserved)


def _open_tunnel(connected: socket.socket, target: str, proxy: urllib.parse.SplitResult, deadline: Deadline) -> None:
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.username is not None:
        lines.append(f"Proxy-Authorization: {_basic(proxy)}")
    timed = _TimedSocket(connected, deadline)
    timed.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    response = http.client.HTTPResponse(timed, method="CONNECT")  # type: ignore[arg-type]
    response.begin()
    if response.status != 200:
        raise OSError(f"the proxy {proxy.hostname} answers {response.status} {response.reason}")


def _read(response: http.client.HTTPResponse, limits: UntrustedInput) -> bytes:
    largest = limits.max_download_bytes
    too_large = (
        f"than are taken from an address ({largest:,} bytes): save the file and pass its path, or raise `max_download_bytes` of "
        "`untrusted_input=UntrustedInput(...)`"
    )
    if response.length is not None and response.length > largest:
        raise RefusedAddress(f"has {response.length:,} bytes, more {too_large}")
    # the response itself counts down; of a packed one the length is not that of what is kept
    num_bytes = None if response.getheader("Content-Encoding") else response.length
    content = io.BytesIO()
    for block in _decoded(response, largest):
        content.write(block)
        if content.tell() > largest:
            raise RefusedAddress(f"has more bytes {too_large}")
        report_reading("bytes", content.tell(), num_bytes)
    return content.getvalue()


def _decoded(response: http.client.HTTPResponse, largest: int) -> Iterator[bytes]:
    """The blocks of the body, unpacked where the server packs although it was asked not to. Each is at most 64 KB."""
    encoding = (response.getheader("Content-Encoding") or "identity").lower()
    if encoding not in ("identity", "gzip", "x-gzip", "deflate"):
        raise ValueError(f"the server sends it in the encoding '{encoding}', which was not asked for")
    unpacker = None if encoding == "identity" else zlib.decompressobj(zlib.MAX_WBITS | 32)
    promised, received = response.length, 0
    while block := response.read(_BLOCK_BYTES):
        received += len(block)
        if received > largest:
            yield block
        if unpacker is None:
            yield block
            continue
        while block:
            yield unpacker.decompress(block, _BLOCK_BYTES)
            block = unpacker.unconsumed_tail
    if promised is not None and received < promised:
        raise OSError(f"the connection ended after {received:,} of {promised:,} bytes")
