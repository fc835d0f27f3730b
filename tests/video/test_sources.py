# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Where videos come from, and that nothing is left behind."""

import os
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from transformers_mvgpt import UntrustedInput
from transformers_mvgpt.video.video_decoding import decode_video
from video_files import NUM_FRAMES, read_marks, sample


PRIVATE = UntrustedInput(allow_private_addresses=True)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/moved.mp4":
            self.send_response(302)
            self.send_header("Location", "/clip.mp4")
            self.end_headers()
        elif self.path == "/clip.mp4":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.server.content)
        else:
            self.send_error(404)

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def server(clip, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.content = clip("h264.mp4").read_bytes()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("address", ["clip.mp4", "moved.mp4"])
def test_url(server: str, backend: str, address: str) -> None:
    frames, metadata = decode_video(f"{server}/{address}", sample(7), backend=backend, untrusted_input=PRIVATE)
    assert read_marks(frames) == [7] and metadata.total_num_frames == NUM_FRAMES


def test_url_that_fails_is_named(server: str) -> None:
    with pytest.raises(
        OSError, match=r"'http://127.0.0.1:\d+/gone.mp4' could not be downloaded: .*404.*Check the addr"
    ):
        decode_video(f"{server}/gone.mp4", untrusted_input=PRIVATE)
    with pytest.raises(OSError, match="'http://127.0.0.1:9/clip.mp4' could not be downloaded"):
        decode_video("http://127.0.0.1:9/clip.mp4", untrusted_input=PRIVATE)


def test_relative_path_with_a_colon(clip, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "take:1 50%.mp4").write_bytes(clip("h264.mp4").read_bytes())
    monkeypatch.chdir(tmp_path)
    frames, _ = decode_video("take:1 50%.mp4", sample(3), backend=backend)
    assert read_marks(frames) == [3]


def test_missing_file() -> None:
    with pytest.raises(FileNotFoundError, match="no video at 'gone.mp4': no such file or folder"):
        decode_video("gone.mp4")


def test_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(ValueError, match=r"'.*empty.mp4' is empty \(0 bytes\)"):
        decode_video(tmp_path / "empty.mp4")
    with pytest.raises(ValueError, match=r"<0 bytes> is empty \(0 bytes\)"):
        decode_video(b"")


@pytest.mark.parametrize("source", [7, None, [b"x"], np.zeros((2, 4, 4, 3))], ids=["int", "none", "list", "array"])
def test_unsupported_type(source: object) -> None:
    with pytest.raises(TypeError, match=rf"path, .* bytes of a file, not {type(source).__name__}"):
        decode_video(source)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts the open files of Linux")
def test_no_file_is_left_open_or_written(clip, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    truncated = clip("heavy.mp4").read_bytes()[:20000]
    paths = [clip("h264.mp4"), clip("h264.mkv")]
    bad_paths = [clip("audio.mka"), tmp_path / "bad.mp4"]
    bad_paths[1].write_bytes(truncated)

    def decode_all() -> None:
        for source in (*paths, paths[0].read_bytes()):
            decode_video(source, sample(30), backend=backend)
        for source in (*bad_paths, truncated):
            with pytest.raises(ValueError):
                decode_video(source, sample(39), backend=backend)

    decode_all()
    open_files = sorted(os.listdir("/proc/self/fd"))
    decode_all()
    assert sorted(os.listdir("/proc/self/fd")) == open_files
    assert os.listdir(tmp_path) == ["bad.mp4"]
