# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What a file is, is told by its first bytes; what names other files is no video, whatever its name."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from transformers_mvgpt.video import sources
from transformers_mvgpt.video.containers import Container
from transformers_mvgpt.video.video_decoding import decode_video
from video_files import NUM_FRAMES, marked_picture, read_marks, sample, write_audio, write_folder, write_marked_video


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4.0,\n{clip}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile {clip}\n"
PLAYLISTS = {
    "hls": HLS,
    "hls_bom": "\ufeff" + HLS,
    "hls_blanks": "\n \t" + HLS,
    "concat": CONCAT,
    "concat_lower_line": "\n" + CONCAT,
    "concat_files": "file '{clip}'\n",
    "dash": '<?xml version="1.0"?>\n<MPD profiles="urn:mpeg:dash:profile:isoff-live:2011"><BaseURL>{clip}</BaseURL></MPD>',
    "imf": "<?xml version='1.0'?><CompositionPlaylist><Id>{clip}</Id></CompositionPlaylist>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "pls": "[playlist]\nFile1={clip}\n",
    "smil": "<smil><body><video src='{clip}'/></body></smil>",
    # FFmpeg would give a JPEG 2000 a lower score than the description
    "sdp_behind_mp4": "\x01\x01\x01\x01ftypjp2 \nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n" + "x" * 9000,
}


@pytest.mark.parametrize("name", PLAYLISTS)
@pytest.mark.parametrize("suffix", [".m3u8", ".mp4"])
def test_playlists_are_refused(clip, backend: str, tmp_path: Path, monkeypatch, name: str, suffix: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.ts").write_bytes(clip("h264.ts").read_bytes())
    path = tmp_path / f"list{suffix}"
    path.write_text(PLAYLISTS[name].format(clip="clip.ts"))
    for source in (path, path.name, path.read_bytes()):
        with pytest.raises(
            ValueError, match=r"could not be read: it is an? .*holds no frames but names other files, .* not opened"
        ):
            decode_video(source, backend=backend)


@pytest.mark.parametrize("listed", [HLS, CONCAT], ids=["hls", "concat"])
def test_pyav_is_held_to_the_container_that_was_found(clip, tmp_path: Path, monkeypatch, listed: str) -> None:
    (tmp_path / "clip.ts").write_bytes(clip("h264.ts").read_bytes())
    path = tmp_path / "list.m3u8"
    path.write_text(listed.format(clip="clip.ts"))
    with av.open(path, options={"safe": "0"} if listed == CONCAT else {}) as container:
        assert container.streams.video, "FFmpeg alone opens what it names"
    monkeypatch.setattr(sources, "recognize_container", lambda file: Container("mp4", "mov"))
    with pytest.raises(ValueError, match="could not be read by pyav"):
        decode_video(path, backend="pyav")


@pytest.mark.parametrize(
    "text, what",
    [
        ("Hello, this is text.\nAnd more of it.\n", "is a text, not a video"),
        ("\x1b[31mred\x1b[0m\n" * 50, "is a text"),
        ("[00:12.00]Line of a song\n", "is a text"),
        ("[Script Info]\nTitle: a\n[Events]\n", "is a text"),
        ("1\n00:00:01,000 --> 00:00:02,000\nsubtitle\n", "is a text"),
        ("Übergrößenträger\n" * 9, "is a text"),
        ("<!DOCTYPE html>\n<html><body>Sign in</body></html>", r"is a web page \(HTML\), not a video"),
        ("<html lang='en'>", "is a web page"),
    ],
)
def test_texts_are_called_so(backend: str, text: str, what: str) -> None:
    with pytest.raises(ValueError, match=f"<{len(text.encode())} bytes> could not be read: it {what}"):
        decode_video(text.encode(), backend=backend)
    with pytest.raises(ValueError, match="it is a text"):
        decode_video("text".encode("utf-16"), backend=backend)


@pytest.mark.parametrize(
    "suffix, options",
    [
        (".avi", {"codec": "mpeg4", "options": {}}),
        (".flv", {"codec": "flv", "options": {}}),
        (".asf", {"codec": "mpeg4", "options": {}}),
        (".wmv", {"codec": "wmv2", "options": {}}),
        (".ts", {}),
        (".m2ts", {}),
        (".mpg", {"codec": "mpeg2video", "options": {}, "fps": 25}),
        (".vob", {"codec": "mpeg2video", "options": {}, "fps": 25}),
        (".m2v", {"codec": "mpeg2video", "options": {}, "fps": 25}),
        (".nut", {"codec": "mpeg4", "options": {}}),
        (".mxf", {"codec": "mpeg2video", "options": {}, "fps": 25}),
        (".y4m", {"codec": "wrapped_avframe", "options": {}}),
        (".ivf", {"codec": "libvpx", "options": {}}),
        (".h264", {}),
        (".hevc", {"codec": "libx265", "options": {"x265-params": "log-level=error"}, "fps": 25}),
        (".rm", {"codec": "rv10", "options": {}}),
        (".mjpeg", {"codec": "mjpeg", "options": {}, "pixel_format": "yuvj420p", "fps": 25}),
        (".3gp", {"codec": "mpeg4", "options": {}}),
        (".mov", {"codec": "mjpeg", "options": {}, "pixel_format": "yuvj420p"}),
    ],
)
def test_containers_are_told_by_their_first_bytes(tmp_path: Path, suffix: str, options: dict) -> None:
    path = write_marked_video(tmp_path / f"clip{suffix}", 12, width=96, height=96, **options)
    renamed = path.rename(tmp_path / "notes.txt")
    for source in (renamed, renamed.read_bytes()):
        assert read_marks(decode_video(source, backend="pyav")[0]) == list(range(12))


@pytest.mark.parametrize("size, first", [(188, 100), (192, 4), (204, 0)])
def test_transport_streams_of_all_sizes_of_packets(clip, size: int, first: int) -> None:
    data = clip("h264.ts").read_bytes()
    packets = [data[at : at + 188] for at in range(0, len(data), 188)]
    before, after = (4, 0) if size == 192 else (0, size - 188)
    stream = b"\xff" * first + b"".join(bytes(before) + packet + bytes(after) for packet in packets)
    frames, _ = decode_video(stream[4:] if size == 192 else stream, sample(0, 39), backend="pyav")
    assert read_marks(frames) == [0, 39]


def test_sound_has_no_video_stream(tmp_path: Path, backend: str) -> None:
    with av.open(tmp_path / "sound.mp3", "w") as container:
        stream = container.add_stream("mp3", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1152), dtype=np.int16), format="s16p", layout="mono")
        frame.sample_rate = 44100
        for packet in (*stream.encode(frame), *stream.encode()):
            container.mux(packet)
    with pytest.raises(
        ValueError, match=r"sound.mp3' has no video stream. Pass a file that has one: this is sound \(MP3\)"
    ):
        decode_video(tmp_path / "sound.mp3", backend=backend)
    sound = write_audio(tmp_path / "sound.aac").read_bytes()
    with pytest.raises(
        ValueError, match=r"has no video stream. Pass a file that has one: this is sound \(MP3 or AAC\)"
    ):
        decode_video(sound, backend=backend)


@pytest.mark.parametrize("name", ["take%02d.mp4", "a%d.png", "b*.jpg", "c?.mp4", "d[0-9].mp4", "{e}.bmp"])
def test_a_path_is_never_a_pattern(clip, backend: str, tmp_path: Path, monkeypatch, name: str) -> None:
    folder = write_folder(tmp_path / "frames", [f"{letter}{number}.png" for letter in "abcd" for number in range(3)])
    monkeypatch.chdir(folder)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        decode_video(name, backend=backend)
    (folder / name).write_bytes(clip("h264.mp4").read_bytes())
    frames, metadata = decode_video(name, sample(7), backend=backend)
    assert read_marks(frames) == [7] and metadata.total_num_frames == NUM_FRAMES
    (folder / name).write_bytes(clip("h264.mp4").read_bytes()[:300])
    with pytest.raises(ValueError, match="could not be read by"):
        decode_video(name, backend=backend)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp"])
def test_a_still_picture_is_one_frame(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"picture{suffix}"
    Image.fromarray(marked_picture(5)).save(path)
    frames, metadata = decode_video(path)
    assert read_marks(frames) == [5] and metadata.fps is None and metadata.video_backend == "pillow"


@pytest.mark.skipif(
    av.library_versions["libavformat"] < (62,),
    reason="FFmpeg 7 leaves packets without bytes out: these frames are not there",
)
@pytest.mark.parametrize("indices", [list(range(19)), [3, 9, 13], [17], [7, 8, 10, 18]], ids=str)
def test_theora_says_as_before_with_packets_of_no_bytes(indices: list[int]) -> None:
    """PyAV's decoder takes them for the end."""
    path = Path(__file__).parents[1] / "data" / "still_pictures.ogv"
    frames, metadata = decode_video(path, sample(*indices), backend="pyav")
    assert (metadata.total_num_frames, metadata.fps) == (19, 10)
    assert metadata.timestamps == pytest.approx([index / 10 for index in indices])
    red, _, blue = frames.float().mean(dim=(2, 3)).unbind(1)
    assert (red > blue).tolist() == [index < 10 for index in indices]
