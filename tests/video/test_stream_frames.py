# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Frames of streams and growing files as they come, and what is refused of them."""

import contextlib
import os
import re
import socket
import sys
import threading
import time

import pytest
import torch

from live_sources import as_chunks, ffmpeg, http_answer, served, wait_for_bytes
from transformers_mvgpt import UntrustedInput
from transformers_mvgpt.video import downloads, stream_frames
from transformers_mvgpt.video.stream_frames import FrameStream, StreamOptions, check_source, is_file
from video_files import NUM_FRAMES, read_mark, write_marked_video


PRIVATE = UntrustedInput(allow_private_addresses=True)
# Motion JPEG and MPEG-4 show their numbers as well.
STREAMED = {"codec": "mpeg4", "options": {"g": "8"}}


def options(**changes) -> StreamOptions:
    return StreamOptions(**{"limits": PRIVATE, "silence_seconds": 5.0, "idle_seconds": 0.3, **changes})


def read(source, **changes) -> tuple[list[int], list[float]]:
    """The numbers that the frames show, and their times."""
    with FrameStream(str(source), options(**changes)) as stream:
        frames = [(read_mark(torch.from_numpy(frame.picture().copy())), frame.seconds) for frame in stream]
    return [number for number, _ in frames], [seconds for _, seconds in frames]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("streams")


@pytest.fixture(scope="module")
def transport_stream(folder) -> bytes:
    return write_marked_video(folder / "stream.ts", **STREAMED).read_bytes()


@pytest.mark.parametrize("name", ["a.ts", "a.mkv", "fragments.mp4", "faststart.mp4", "index_last.mp4", "a%d.ts"])
def test_a_complete_file(folder, name):
    movflags = {"fragments.mp4": "frag_keyframe+empty_moov", "faststart.mp4": "faststart"}.get(name)
    path = write_marked_video(
        folder / name, **STREAMED, container_options={"movflags": movflags} if movflags else None
    )
    numbers, times = read(path)
    assert numbers == list(range(NUM_FRAMES))
    assert times == pytest.approx([number / 10 for number in range(NUM_FRAMES)], abs=0.002)
    assert read(path.as_uri().replace("%25", "%25"))[0] == numbers


@pytest.mark.parametrize("name", ["growing.ts", "growing.mkv", "growing.mp4"])
def test_a_file_that_is_being_written(folder, transport_stream, name):
    """By FFmpeg, at its own speed: frames come while it writes."""
    source, path = folder / "stream.ts", folder / name
    # clusters of Matroska begin with a keyframe, but not before they have 4 KB
    coding = {
        "mp4": ["-c", "copy", "-movflags", "frag_every_frame+empty_moov"],
        "mkv": ["-c:v", "mjpeg", "-q:v", "1", "-s", "640x480"],
    }
    arguments = coding.get(name[-3:], ["-c", "copy"])
    with ffmpeg("-re", "-i", str(source), *arguments, "-flush_packets", "1", str(path)) as process:
        wait_for_bytes(path)
        with FrameStream(str(path), options(idle_seconds=3)) as stream:
            came = [(read_mark(torch.from_numpy(frame.picture().copy())), process.poll()) for frame in stream]
    assert [number for number, _ in came] == list(range(NUM_FRAMES))
    assert sum(ended is None for _, ended in came) > NUM_FRAMES / 2


def test_over_tcp(transport_stream):
    with served([transport_stream]) as port:
        assert read(f"tcp://127.0.0.1:{port}") == (
            list(range(NUM_FRAMES)),
            pytest.approx([n / 10 for n in range(NUM_FRAMES)]),
        )


@pytest.mark.parametrize("is_chunked", [False, True], ids=["until it closes", "chunks"])
def test_over_http(transport_stream, is_chunked):
    body = as_chunks(transport_stream) if is_chunked else transport_stream
    headers = "Transfer-Encoding: chunked\r\n" if is_chunked else ""
    answer = http_answer(body, headers=headers)
    with served([answer[:5003], answer[5003:]], pause=0.4) as port:
        assert read(f"http://127.0.0.1:{port}/live")[0] == list(range(NUM_FRAMES))


def test_motion_jpeg_over_http(folder):
    path = write_marked_video(folder / "pictures.mjpeg", codec="mjpeg", pixel_format="yuvj420p")
    pictures = [b"\xff\xd8" + part for part in path.read_bytes().split(b"\xff\xd8")[1:]]
    parts = [
        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(p), p) for p in pictures
    ]
    answer = http_answer(b"", "multipart/x-mixed-replace; boundary=frame")
    with served([answer, *parts, b"--frame\r\n"], pause=0.02) as port:
        numbers, times = read(f"http://127.0.0.1:{port}/camera")
    assert numbers == list(range(NUM_FRAMES))
    # it has no times: they are those at which frames came
    assert times[0] == 0 and 0.4 < times[-1] < 20 and times == sorted(times)


def test_over_udp(folder, transport_stream):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    numbers = []

    def listen() -> None:
        with FrameStream(f"udp://127.0.0.1:{port}", options()) as stream:
            for frame in stream:
                numbers.append(read_mark(torch.from_numpy(frame.picture().copy())))
                if len(numbers) == 20:
                    stream.stop()

    thread = threading.Thread(target=listen)
    thread.start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for start in range(0, len(transport_stream), 1316):
            time.sleep(0.01)
            sender.sendto(transport_stream[start : start + 1316], ("127.0.0.1", port))
        while thread.is_alive() and start < 10**6:
            start += 1000
            sender.sendto(transport_stream[-1316:], ("127.0.0.1", port))
            time.sleep(0.01)
    thread.join(20)
    assert numbers[:10] == list(range(10))


def test_a_stream_that_stalls(transport_stream):
    with served([transport_stream[: len(transport_stream) // 2]], end="stall") as port:
        began = time.monotonic()
        with pytest.raises(OSError, match="has sent nothing for 1 seconds: check what sends it, or allow a longer"):
            read(f"tcp://127.0.0.1:{port}", silence_seconds=1)
        assert time.monotonic() - began < 10
    with served([http_answer(transport_stream[:30_000])], end="stall") as port:
        with pytest.raises(OSError, match="has sent nothing for 1 seconds"):
            read(f"http://127.0.0.1:{port}/", silence_seconds=1)
    with served([], end="stall") as port, pytest.raises(OSError, match="cannot be opened: timed out"):
        read(f"http://127.0.0.1:{port}/", silence_seconds=1)


def test_a_stream_that_breaks_off(transport_stream):
    with served([transport_stream[:30_000], b"G"], pause=0.3, end="reset") as port:
        with pytest.raises(OSError, match=f"The stream 'tcp://127.0.0.1:{port}' broke off: .*reset"):
            read(f"tcp://127.0.0.1:{port}")
    with served([http_answer(as_chunks(transport_stream)[:-500], headers="Transfer-Encoding: chunked\r\n")]) as port:
        with pytest.raises(OSError, match="broke off"):
            read(f"http://127.0.0.1:{port}/")


def test_damage_on_the_way_is_passed_over(folder, transport_stream):
    """As where packets are lost, or a stream is joined in the middle."""
    damaged = bytearray(transport_stream)
    middle = len(damaged) // 2 // 188 * 188
    damaged[middle : middle + 188 * 4] = os.urandom(188 * 4)
    with served([bytes(damaged)]) as port:
        numbers, _ = read(f"tcp://127.0.0.1:{port}")
    assert numbers[:10] == list(range(10)) and numbers[-1] == NUM_FRAMES - 1
    with served([transport_stream[len(transport_stream) // 3 // 188 * 188 :]]) as port:
        numbers, times = read(f"tcp://127.0.0.1:{port}")
    assert numbers[-1] == NUM_FRAMES - 1 and times[0] == 0


@pytest.mark.parametrize("source", ["tcp", "http", "file"])
def test_stopping_ends_a_wait(transport_stream, tmp_path, source):
    half = transport_stream[:30_000]
    path = tmp_path / "growing.ts"
    path.write_bytes(half)
    with contextlib.ExitStack() as stack:
        address = str(path)
        if source != "file":
            port = stack.enter_context(served([http_answer(half) if source == "http" else half], end="stall"))
            address = f"{source}://127.0.0.1:{port}"
        with FrameStream(address, options(silence_seconds=60, idle_seconds=60)) as stream:
            threading.Timer(0.5, stream.stop).start()
            began = time.monotonic()
            assert len(list(stream)) > 0
            assert time.monotonic() - began < 10


def test_private_addresses(transport_stream, monkeypatch):
    closed = StreamOptions()
    with served([transport_stream]) as port:
        for scheme in ("tcp", "http"):
            message = (
                f"The stream '{scheme}://localhost:{port}' leads to localhost (127.0.0.1), an address of this machine"
            )
            monkeypatch.setattr(downloads, "_addresses", lambda host, port: ["127.0.0.1"])
            with pytest.raises(ValueError, match=re.escape(message)):
                FrameStream(f"{scheme}://localhost:{port}", closed)
    # where a redirect leads is looked at too
    with served([http_answer(b"", status="302 Found", headers="Location: http://inner.example/\r\n")]) as port:
        real = downloads._is_global
        monkeypatch.setattr(downloads, "_is_global", lambda address: address == "127.0.0.1" or real(address))
        addresses = {"127.0.0.1": ["127.0.0.1"], "inner.example": ["10.0.0.7"]}
        monkeypatch.setattr(downloads, "_addresses", lambda host, port: addresses[host])
        with pytest.raises(ValueError, match=r"leads to inner.example \(10.0.0.7\)"):
            FrameStream(f"http://127.0.0.1:{port}/", closed)
    # FFmpeg connects by itself, wherever it is sent
    for scheme in ("rtsp", "rtmp"):
        with pytest.raises(ValueError, match="is connected to by FFmpeg, which goes wherever the server sends it"):
            FrameStream(f"{scheme}://93.184.215.14/live", closed)


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp"])
def test_what_ffmpeg_connects_to(scheme):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(OSError, match=f"The stream '{scheme}://me:\\*\\*\\*@127.0.0.1:{port}/x' cannot be opened"):
        FrameStream(f"{scheme}://me:secret@127.0.0.1:{port}/x", options())


def test_no_files_are_opened_for_a_stream(folder, transport_stream):
    """A playlist names others: it is refused by what it is, whatever it is called."""
    playlist = (
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n" + str(folder / "stream.ts").encode() + b"\n#EXT-X-ENDLIST\n"
    )
    (folder / "playlist.ts").write_bytes(playlist)
    with pytest.raises(ValueError, match=r"is an HLS playlist|is an HLS or M3U playlist"):
        read(folder / "playlist.ts")
    with served([http_answer(playlist, "application/vnd.apple.mpegurl")]) as port:
        with pytest.raises(ValueError, match=r"playlist: it holds no frames but names other files"):
            read(f"http://127.0.0.1:{port}/live.m3u8")


def test_what_is_no_stream(folder, tmp_path):
    for name, content, message in (
        ("empty.ts", b"", "is empty: nothing has come"),
        ("text.txt", b"Hello, world. " * 100, "could not be read: it is a text, not a video"),
        ("noise.bin", bytes(range(1, 9)) * 5000, "does not begin like any kind of video that is read"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read(tmp_path / name)
    header = write_marked_video(tmp_path / "last.mp4", **STREAMED).read_bytes()
    (tmp_path / "begun.mp4").write_bytes(header[: len(header) // 2])
    with pytest.raises(
        ValueError, match=r"whose index comes behind its pictures, and it is not there yet: record in MPEG-TS"
    ):
        read(tmp_path / "begun.mp4")
    (tmp_path / "cut.ts").write_bytes((folder / "stream.ts").read_bytes()[: 188 * 3] * 10)
    with pytest.raises(ValueError, match="not one frame of it decodes"):
        read(tmp_path / "cut.ts")
    for source in (str(tmp_path), ""):
        with pytest.raises(
            ValueError, match=f"The stream '{re.escape(source)}' is a folder, not a video: pass a file of it"
        ):
            check_source(source, options())
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is a FIFO"):
        check_source(str(tmp_path / "pipe"), options())
    with pytest.raises(ValueError, match="out of the folder"):
        check_source(str(folder / "stream.ts"), options(limits=UntrustedInput(media_folder=tmp_path)))
    with pytest.raises(ValueError, match=r"is 64x48, 3,072 pixels; at most 100 are taken"):
        read(folder / "stream.ts", limits=UntrustedInput(max_pixels_per_frame=100))


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("0", FileNotFoundError, "There is no camera at '/dev/video0': connect one, or pass another number or path"),
        ("camera", FileNotFoundError, "There is no camera at '/dev/video0'"),
        ("camera:3", FileNotFoundError, "There is no camera at '/dev/video3'"),
        ("/dev/video9", FileNotFoundError, "There is no camera at '/dev/video9'"),
        ("missing.ts", FileNotFoundError, "There is no video at 'missing.ts' ("),
        (
            "ftp://example.org/a.ts",
            ValueError,
            "addresses with 'ftp:' are not, only those with http:, https:, tcp:, udp:",
        ),
        ("hls+http://example.org/a", ValueError, "addresses with 'hls+http:' are not"),
        ("tcp://127.0.0.1", OSError, "there is no port in the address"),
        ("tcp://:99999", OSError, "cannot be opened"),
        ("udp://192.0.2.1:9", OSError, "cannot be opened"),
        ("http://", OSError, "there is no host in the address"),
    ],
)
def test_sources_that_are_not_there(source, error, message):
    with pytest.raises(error, match=re.escape(message)):
        FrameStream(source, options())


def test_what_opens_cameras(monkeypatch):
    """No machine of the tests has one: what FFmpeg is asked for, by system."""
    asked = []

    class Refusing:
        __version__ = "18.0"
        FFmpegError = OSError

        @staticmethod
        def open(file, **given):
            asked.append((file, given["format"], given["container_options"]))
            raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(os.path, "exists", lambda path: True)
    monkeypatch.setattr(stream_frames.importlib, "import_module", lambda name: Refusing)
    for platform, source in (
        ("linux", "1"),
        ("linux", "/dev/video2"),
        ("darwin", "camera"),
        ("win32", "camera:Integrated Webcam"),
    ):
        monkeypatch.setattr(sys, "platform", platform)
        with pytest.raises(OSError, match="cannot be opened: Device or resource busy. Check the source"):
            FrameStream(source)
    assert asked == [
        ("/dev/video1", "v4l2", {}),
        ("/dev/video2", "v4l2", {}),
        ("0:none", "avfoundation", {"framerate": "30"}),
        ("video=Integrated Webcam", "dshow", {}),
    ]


def test_what_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b.ts").touch()
    assert [is_file(source) for source in ("clip.ts", "./0", "file:///clip.ts", "a:b.ts", r"C:\clip.ts")] == [True] * 5
    assert [is_file(source) for source in ("0", "camera", "/dev/video0", "tcp://a:1", "rtsp://a/b")] == [False] * 5
