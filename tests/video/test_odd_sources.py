# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Files that never end, file objects, paths that are none, and folders that must not be left."""

import io
import os
import socket
import tempfile
from pathlib import Path

import pytest

from transformers_mvgpt import UntrustedInput
from transformers_mvgpt.processing.image_inputs import read_image
from transformers_mvgpt.processing.video_inputs import flatten_videos
from transformers_mvgpt.video.video_decoding import decode_video
from video_files import read_marks, sample, write_folder


needs_posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="FIFOs and devices of POSIX")


@pytest.fixture
def odd_file(tmp_path: Path):
    opened = []

    def make(kind: str, path: Path) -> str:
        """What messages call it."""
        if kind == "fifo":
            os.mkfifo(path)
            return "a FIFO (a named pipe)"
        if kind == "socket":
            listener = socket.socket(socket.AF_UNIX)
            opened.append(listener)
            inner = Path(tempfile.mkdtemp(dir="/tmp")) / "s"  # the path of a socket must be short
            listener.bind(str(inner))
            path.symlink_to(inner)
            return "a socket"
        if kind == "link":
            os.mkfifo(tmp_path / "pipe")
            path.symlink_to(tmp_path / "pipe")
            return "a FIFO (a named pipe)"
        path.symlink_to("/dev/zero")
        return "a character device"

    yield make
    for listener in opened:
        listener.close()


@needs_posix
@pytest.mark.parametrize("kind", ["fifo", "socket", "device", "link"])
def test_what_never_ends_is_refused(tmp_path: Path, odd_file, kind: str) -> None:
    what = odd_file(kind, tmp_path / "clip.mp4")
    for read, noun in ((decode_video, "video"), (read_image, "image")):
        with pytest.raises(ValueError) as caught:
            read(str(tmp_path / "clip.mp4"))
        assert f"The {noun} '{tmp_path / 'clip.mp4'}' is {what}, which is not read. Write its content" in str(
            caught.value
        )


@needs_posix
@pytest.mark.parametrize("kind", ["fifo", "socket", "device", "link"])
def test_what_never_ends_in_a_folder_of_frames_is_refused(tmp_path: Path, odd_file, kind: str) -> None:
    folder = write_folder(tmp_path / "frames", ["0.png", "1.png"])
    what = odd_file(kind, folder / "2.png")
    assert read_marks(decode_video(folder, sample(1))[0]) == [1]
    with pytest.raises(ValueError) as caught:
        decode_video(folder)
    assert f"The frame '{folder / '2.png'}' is {what}, which is not read" in str(caught.value)


@needs_posix
def test_devices_by_their_own_paths() -> None:
    with pytest.raises(ValueError, match="'/dev/zero' is a character device"):
        decode_video("/dev/zero")


class Remote:
    """As fsspec's files: no file of the system, and no iterator."""

    def __init__(self, content: bytes) -> None:
        self.file = io.BytesIO(content)

    def read(self, size: int = -1) -> bytes:
        return self.file.read(min(size, 7000) if size >= 0 else -1)


def test_file_objects_are_read(clip, tmp_path: Path, backend: str) -> None:
    path = clip("h264.mp4")
    spooled = tempfile.SpooledTemporaryFile()
    spooled.write(path.read_bytes())  # stands at its end
    with open(path, "rb") as file, spooled:
        for source in (
            file,
            io.BytesIO(path.read_bytes()),
            spooled,
            Remote(path.read_bytes()),
            bytearray(path.read_bytes()),
        ):
            [video] = flatten_videos([source])
            assert video is source
            assert read_marks(decode_video(source, sample(9), backend=backend)[0]) == [9]
        # as for several questions about one video
        assert read_marks(decode_video(file, sample(9), backend=backend)[0]) == [9]


def test_file_objects_that_are_not_read(clip) -> None:
    with (
        open(__file__) as text,
        pytest.raises(TypeError, match=r"\(TextIOWrapper\), gives str and not bytes: open it in b"),
    ):
        decode_video(text)

    class Asynchronous:
        async def read(self, size: int) -> bytes:
            return b""

    with pytest.raises(TypeError, match=r"\(Asynchronous\), gives coroutine and not bytes"):
        decode_video(Asynchronous())
    large = io.BytesIO(clip("h264.mp4").read_bytes())
    with pytest.raises(
        ValueError, match=r"\(BytesIO\), has more bytes than are taken \(1,000\): .*`max_download_bytes`"
    ):
        decode_video(large, untrusted_input=UntrustedInput(max_download_bytes=1000))
    with pytest.raises(ValueError, match=r"<0 bytes of a file object> is empty"):
        decode_video(io.BytesIO())


@pytest.mark.parametrize(
    "path, error",
    [
        ("", "The path of the video is an empty string"),
        ("a\0b.mp4", "a character in its path that no path has"),
        ("a\ud800b.mp4", r"'a\N{REPLACEMENT CHARACTER}b.mp4' has a character in its path that no path has"),
        ("x" * 100_000, r"'x{98}\.\.\.x{98}' cannot be opened: File name too long"),
        ("film.mp4/clip.mp4", "There is no video at 'film.mp4/clip.mp4': no such file or folder"),
        ("\x1b[2J\n.mp4", "There is no video at '\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_paths_that_are_none(path: str, error: str) -> None:
    with pytest.raises((OSError, ValueError), match=error) as caught:
        decode_video(path)
    assert len(str(caught.value)) < 800 and "\n" not in str(caught.value)


def test_what_may_not_be_read(clip, tmp_path: Path, monkeypatch) -> None:
    """Root may read everything: the system is made to refuse."""

    def refuse(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", path)

    folder = write_folder(tmp_path / "frames", ["0.png"])
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip("h264.mp4").read_bytes())
    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(
        PermissionError, match=r"^The folder '.*frames' cannot be opened: Permission denied. Check its path"
    ):
        decode_video(folder)
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError, match=r"^The video '.*clip.mp4' cannot be opened: Permission denied. Check"):
        decode_video(path)


def test_media_folder_confines(clip, tmp_path: Path, monkeypatch) -> None:
    media, secret = tmp_path / "media", tmp_path / "secret"
    media.mkdir()
    secret.mkdir()
    for folder in (media, secret):
        (folder / "clip.mp4").write_bytes(clip("h264.mp4").read_bytes())
    (media / "link.mp4").symlink_to(secret / "clip.mp4")
    (media / "inner.mp4").symlink_to(media / "clip.mp4")
    frames = write_folder(media / "frames", ["0.png"])
    (frames / "1.png").symlink_to(write_folder(secret / "frames", ["1.png"]) / "1.png")
    limits = UntrustedInput(media_folder=media)
    monkeypatch.chdir(media)
    for name in (media / "clip.mp4", "clip.mp4", "../media/clip.mp4", "inner.mp4", (media / "clip.mp4").as_uri()):
        assert read_marks(decode_video(name, sample(2), untrusted_input=limits)[0]) == [2]
    for name in (
        secret / "clip.mp4",
        "../secret/clip.mp4",
        "link.mp4",
        (secret / "clip.mp4").as_uri(),
        "/",
        "..",
        secret / "frames",
    ):
        with pytest.raises(
            ValueError, match=rf"leads to '.*', out of the folder '{media}' that it must not leave.*`media_folder`"
        ):
            decode_video(name, untrusted_input=limits)
    assert len(decode_video(frames, sample(0), untrusted_input=limits)[0]) == 1
    with pytest.raises(ValueError, match=rf"The frame '.*1.png' leads to '{secret}.*', out of the folder"):
        decode_video(frames, untrusted_input=limits)
