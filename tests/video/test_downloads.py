# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Addresses: how much is taken of them, and where they may lead."""

import base64
import gzip
import re
import socket
import threading
import time
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from transformers_mvgpt import UntrustedInput
from transformers_mvgpt.video import downloads
from transformers_mvgpt.video.downloads import download
from transformers_mvgpt.video.sources import resolve_source
from transformers_mvgpt.video.video_decoding import decode_video
from video_files import read_marks, sample


def limits(**given) -> UntrustedInput:
    return UntrustedInput(**{"allow_private_addresses": True, "max_download_bytes": 100_000, **given})


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers))
        name = self.path.rpartition("/")[2]
        headers, blocks = {}, [self.server.content]
        if self.path.startswith(("/to?", "/loop")):
            self.send_response(302)
            self.send_header("Location", urllib.parse.unquote(self.path[4:]) if name != "loop" else "/loop")
            self.end_headers()
            return
        if name == "long":
            blocks = [bytes(1000)] * 200
        elif name == "promised":
            headers["Content-Length"] = "100001"
        elif name == "short":
            headers["Content-Length"] = str(len(self.server.content) + 1)
        elif name == "gzip":
            headers["Content-Encoding"], blocks = "gzip", [gzip.compress(self.server.content)]
        elif name == "bomb":
            headers["Content-Encoding"], blocks = "gzip", [gzip.compress(bytes(200_000_000), 1)[:90_000]]
        elif name == "brotli":
            headers["Content-Encoding"] = "br"
        elif name == "page":
            blocks = [b"<!doctype html><title>Please sign in</title>"]
        elif name == "empty":
            blocks = []
        elif name in ("drip", "drip_headers"):
            blocks = []
        self.send_response(200)
        for key, value in headers.items():
            self.send_header(key, value)
        if name == "drip_headers":
            self.flush_headers()
            return self._drip(b"X-Header: 1\r\n")
        self.end_headers()
        if name == "drip":
            self._drip(b"x")
        for block in blocks:
            try:
                self.wfile.write(block)
            except OSError:
                return

    def _drip(self, what: bytes) -> None:
        for _ in range(60):
            try:
                self.wfile.write(what)
            except OSError:
                return
            time.sleep(0.05)

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def server(clip, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.content, server.requests = clip("h264.mp4").read_bytes(), []
        server.address = f"http://127.0.0.1:{server.server_port}"
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["clip", "gzip", "to?clip", "to?/to%3Fclip", "sp%20ace ä.mp4?a=b c#part"])
def test_what_is_there_is_taken(server, name: str) -> None:
    assert download(f"{server.address}/{name}", "video", limits()) == server.content
    assert download(f"HTTP{server.address[4:]}/{name}", "video", limits()) == server.content
    assert server.requests[-1][1]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "name, error",
    [
        ("long", r"has more bytes than are taken from an address \(100,000 bytes\): .* raise `max_download_bytes`"),
        ("promised", r"has 100,001 bytes, more than are taken from an address \(100,000 bytes\)"),
        ("bomb", r"has more bytes than are taken from an address \(100,000 bytes\)"),
        ("loop", r"is behind more redirects than are followed \(2\): .* raise `max_redirects`"),
        ("to?/to%3F/to%253F/clip", r"is behind more redirects than are followed \(2\)"),
        ("to?file:///etc/passwd", "leads to 'file:///etc/passwd', and no redirect may leave http: and https:"),
        ("to?ftp://a.example/b", "leads to 'ftp://a.example/b', and no redirect"),
    ],
)
def test_limits(server, name: str, error: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"The video '{server.address}/{name[:4]}") + f".*' {error}"):
        download(f"{server.address}/{name}", "video", limits(max_redirects=2))


@pytest.mark.parametrize(
    "name, error",
    [
        ("short", r"the connection ended after [\d,]+ of [\d,]+ bytes"),
        ("brotli", "the server sends it in the encoding 'br', which was not asked for"),
    ],
)
def test_failed_downloads(server, name: str, error: str) -> None:
    with pytest.raises(OSError, match=f"could not be downloaded: {error}. Check the address, or save"):
        download(f"{server.address}/{name}", "video", limits())


@pytest.mark.parametrize("name", ["drip", "drip_headers"])
def test_the_whole_time_is_limited(server, name: str) -> None:
    start = time.monotonic()
    with pytest.raises(OSError, match=r"could not be downloaded within 1 seconds. Save .* `max_download_seconds`"):
        download(f"{server.address}/{name}", "video", limits(max_download_seconds=1))
    assert time.monotonic() - start < 2


def test_what_is_no_video_is_called_what_it_is(server) -> None:
    with pytest.raises(ValueError, match=r"/page' could not be read: it is a web page \(HTML\), not a video"):
        decode_video(f"{server.address}/page", untrusted_input=limits())
    with pytest.raises(ValueError, match=r"/empty' is empty \(0 bytes\)"):
        decode_video(f"{server.address}/empty", untrusted_input=limits())


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "0.0.0.0", "2130706433", "0x7f.1", "017700000001", "10.1.2.3", "192.168.0.1"),
        *(
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:a00:1]",
            "[fe80::1]",
        ),
        *("[fd00::1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "user:password@127.0.0.1", "[::127.0.0.1]"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "HTTPS"])
def test_private_addresses_are_refused(monkeypatch, scheme: str, host: str) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(socket, "create_connection", lambda *args, **kwargs: pytest.fail("connected"))
    with pytest.raises(
        ValueError, match=r"an address of this machine or its own network: only public .* `allow_private_addresses`"
    ):
        download(f"{scheme}://{host}:8080/clip.mp4", "video", UntrustedInput())


def test_each_redirect_is_checked(server, monkeypatch) -> None:
    """A public address, here a name for this machine, leads to a private one."""
    real = downloads._addresses
    monkeypatch.setattr(
        downloads, "_addresses", lambda host, port: real("127.0.0.1" if host == "a.example" else host, port)
    )
    monkeypatch.setattr(downloads, "_is_global", lambda address: len(server.requests) == 0)
    with pytest.raises(ValueError, match=r"leads to 127.0.0.1 \(127.0.0.1\), an address of this machine"):
        download(
            f"http://a.example:{server.server_port}/to?{urllib.parse.quote(server.address + '/clip')}",
            "video",
            UntrustedInput(),
        )
    assert len(server.requests) == 1


def test_the_address_that_was_checked_is_connected_to(monkeypatch) -> None:
    """A name that means another address when it is looked up again."""
    monkeypatch.setenv("NO_PROXY", "*")
    answers = iter(["93.184.215.14", "127.0.0.1"])
    connected = []

    def look_up(host, port, **kwargs):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    def connect(address, timeout):
        connected.append(address)
        raise OSError("not connected in this test")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(OSError, match="not connected in this test"):
        download("http://rebinding.example/clip.mp4", "video", UntrustedInput())
    assert connected == [("93.184.215.14", 80)]


def test_a_proxy_of_the_environment_is_used(server, monkeypatch) -> None:
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", server.address.replace("//", "//me:secret@"))

    def look_up(host, port):
        if host == "inside.example":
            return ["10.0.0.7"]
        raise OSError("unknown here")

    monkeypatch.setattr(downloads, "_addresses", look_up)
    assert download("http://known-to-the-proxy.example/clip", "video", UntrustedInput()) == server.content
    [(target, headers)] = server.requests
    assert target == "http://known-to-the-proxy.example/clip" and headers["Host"] == "known-to-the-proxy.example"
    assert headers["Proxy-Authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()
    with pytest.raises(ValueError, match=r"leads to inside.example \(10.0.0.7\)"):
        download("http://inside.example/clip", "video", UntrustedInput())
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(
        OSError, match="the proxy of the environment is of the kind 'socks5', and only 'http' is known"
    ):
        download("http://known-to-the-proxy.example/clip", "video", UntrustedInput())


def test_a_tunnel_is_asked_of_the_proxy_for_https(monkeypatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(connection.recv(1000))
                connection.sendall(b"HTTP/1.1 403 No\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setattr(downloads, "_addresses", lambda host, port: ["93.184.215.14"])
        with pytest.raises(OSError, match="the proxy 127.0.0.1 answers 403 No"):
            download("https://a.example/clip.mp4", "video", UntrustedInput())
        thread.join()
    assert asked == [b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"]


@pytest.mark.parametrize(
    "url", ["http://", "https:///clip.mp4", "http://[::1/a", "http://a:b/c", "http://\x00/", "http:a.mp4"]
)
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(OSError, match=r"could not be downloaded: .*Check the address"):
        download(url, "video", UntrustedInput())


def test_data_addresses(clip) -> None:
    content = clip("h264.mp4").read_bytes()
    encoded = base64.b64encode(content).decode()
    for address in (
        f"data:video/mp4;base64,{encoded}",
        f"DATA:;BASE64,{encoded[:100]}\n{encoded[100:]}".rstrip("="),
        f"data:video/mp4;base64,{base64.urlsafe_b64encode(content).decode()}",
        f"data:video/mp4,{urllib.parse.quote_from_bytes(content)}",
    ):
        assert resolve_source(address).content == content
    assert read_marks(decode_video(address, sample(3))[0]) == [3]
    with pytest.raises(
        ValueError, match=r"'data:;base64,AAAA.*' has more bytes than are taken \(1,000\): save it as a file"
    ):
        resolve_source(f"data:;base64,{'A' * 2000}", UntrustedInput(max_download_bytes=1000))
    with pytest.raises(ValueError, match=r"'data:,a.*' has more bytes than are taken \(1,000\)"):
        resolve_source(f"data:,{'a' * 1001}", UntrustedInput(max_download_bytes=1000))
    with pytest.raises(ValueError, match="'data:;base64,!' is no valid base64"):
        resolve_source("data:;base64,!")
    with pytest.raises(ValueError, match="'data:video/mp4' has no comma"):
        resolve_source("data:video/mp4")
    with pytest.raises(ValueError, match=r"'data:,' is empty \(0 bytes\)"):
        resolve_source("data:,")


def test_file_addresses(clip, tmp_path: Path) -> None:
    path = tmp_path / "a clip%.mp4"
    path.write_bytes(clip("h264.mp4").read_bytes())
    for address in (
        path.as_uri(),
        path.as_uri().replace("file://", "FILE://localhost"),
        f"file:{path.as_posix()}".replace("%", "%25"),
    ):
        assert read_marks(decode_video(address, sample(3))[0]) == [3]
    with pytest.raises(ValueError, match="'file://other/clip.mp4' is on another machine, 'other'"):
        resolve_source("file://other/clip.mp4")
    with pytest.raises(ValueError, match="leads to .*, out of the folder '.*' that it must not leave"):
        resolve_source(path.as_uri(), UntrustedInput(media_folder=tmp_path / "inner"))


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://a/b",
        "ftp://a/b.mp4",
        "concat:a.mp4|b.mp4",
        "pipe:0",
        "udp://@:1",
        "crypto:a",
        "subfile,,start,0,,:a",
        "lavfi:x",
    ],
)
def test_other_schemes_are_refused(backend: str, address: str) -> None:
    with pytest.raises(
        (ValueError, FileNotFoundError), match="not read, only those with http:, https:|no such file or folder"
    ):
        decode_video(address, backend=backend)
