# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Where videos and images of requests are taken from, and what of them is looked at."""

import base64
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from transformers import AutoProcessor

from served_files import serve_folder
from tiny_trained import MOBILEVLM, TINYLLAVA
from transformers_mvgpt import UntrustedInput
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.server.media import MediaReader
from transformers_mvgpt.server.message_parts import Visual
from transformers_mvgpt.server.request_errors import RequestError


PROCESSORS = {name: AutoProcessor.from_pretrained(folder) for name, folder in (("mobile_videogpt", CHECKPOINT), ("mobilevlm", MOBILEVLM), ("tinyllava", TINYLLAVA))}  # fmt: skip
PARAM = "messages.0.content.0.video_url.url"
OPEN = UntrustedInput(allow_private_addresses=True)


def reader(family="mobile_videogpt", limits=None, folders=()):
    return MediaReader(PROCESSORS[family], limits or UntrustedInput(), folders)


def video(url, **options):
    return Visual("video", url, PARAM, options, {name: f"messages.0.content.0.{name}" for name in options})


def fetch(reader, visual):
    reader.check(visual)
    return reader.fetch(visual, 60)


def refused(reader, visual, read=False) -> RequestError:
    with pytest.raises(RequestError) as caught:
        fetched = fetch(reader, visual)
        if read:
            reader.read(fetched)
    assert caught.value.status == 400
    return caught.value


def frames_of(reader, visual) -> list[int]:
    _, features = reader.read(fetch(reader, visual))
    [metadata] = features["video_metadata"]
    return list(metadata.frames_indices)


def test_addresses(clip, clip_data, tmp_path):
    shutil.copy(clip, tmp_path / "clip.mp4")
    with serve_folder(tmp_path) as address:
        by_http = fetch(reader(limits=OPEN), video(f"{address}/clip.mp4"))
        by_data = fetch(reader(), video(clip_data))
        assert by_http.content == by_data.content == clip.read_bytes()
        # known by its content
        assert by_http.key == by_data.key
        assert fetch(reader(), video(clip_data, fps=1.0)).key != by_data.key
        (tmp_path / "clip.mp4").write_bytes(b"another")
        assert fetch(reader(limits=OPEN), video(f"{address}/clip.mp4")).key != by_http.key
        error = refused(reader(), video(f"{address}/clip.mp4"))
    assert error.param == PARAM and error.code == "unusable_media"
    assert error.message.startswith(
        f"`{PARAM}`: The video '{address}/clip.mp4' leads to 127.0.0.1 (127.0.0.1), an address of this "
    )
    assert error.message.endswith("set `--limit allow_private_addresses=...` of the server.")


def test_what_is_no_address(tmp_path, clip):
    for url in (str(clip), "ftp://example.org/a", "clip.mp4", "concat:a|b", "AAAA" * 40):
        error = refused(reader(folders=[clip.parent]), video(url))
        assert error.param == PARAM
        assert error.message.endswith("must be an address with http:, https:, data: or file:.")


def test_files_below_a_folder(clip, tmp_path):
    allowed, other = tmp_path / "allowed", tmp_path / "allowed_not"
    (allowed / "inner").mkdir(parents=True)
    other.mkdir()
    for folder in (allowed / "inner", other):
        shutil.copy(clip, folder / "a clip.mp4")
    (allowed / "link.mp4").symlink_to(other / "a clip.mp4")
    (allowed / "linked").symlink_to(other)
    (allowed / "inside.mp4").symlink_to(allowed / "inner" / "a clip.mp4")
    within = reader(folders=[allowed])
    good = (allowed / "inner" / "a clip.mp4").as_uri()
    assert good.startswith("file:///") and "%20" in good
    for url in (good, good.replace("file://", "file://localhost"), (allowed / "inside.mp4").as_uri()):
        assert fetch(within, video(url)).content == os.path.realpath(allowed / "inner" / "a clip.mp4")
    assert len(frames_of(within, video(good))) == 16

    outside = [
        (other / "a clip.mp4").as_uri(),
        (allowed / "link.mp4").as_uri(),
        (allowed / "linked" / "a clip.mp4").as_uri(),
        f"file://{allowed}/../allowed_not/a%20clip.mp4",
        f"file://{allowed}/%2e%2e/allowed_not/a%20clip.mp4",
        f"FILE:{other}/a%20clip.mp4",
        f"file://example.org{allowed}/inner/a%20clip.mp4",
        "file:///etc/passwd",
        "file:///no/such/file",
        f"file:{tmp_path}",
    ]
    for url in outside:
        error = refused(within, video(url))
        # the same of what is there and what is not
        assert error.code == "file_not_allowed", url
        assert "is not below a folder that the server reads from: `--allow-media FOLDER`" in error.message
    for url in [*outside, good]:
        error = refused(reader(), video(url))
        assert error.code == "file_not_allowed" and " is not read: `--allow-media FOLDER`" in error.message
    for url in (allowed.as_uri(), (allowed / "none.mp4").as_uri()):
        assert refused(within, video(url)).message.endswith("is no file.")
    assert "is no address of a file." in refused(within, video("file:///a%00b")).message


def test_a_file_that_changes_is_another(clip, tmp_path):
    path = tmp_path / "clip.mp4"
    shutil.copy(clip, path)
    within = reader(folders=[tmp_path])
    first = fetch(within, video(path.as_uri())).key
    assert fetch(within, video(path.as_uri())).key == first
    os.utime(path, ns=(1, 1))
    assert fetch(within, video(path.as_uri())).key != first


def test_limits(clip_data):
    small = reader(limits=UntrustedInput(max_download_bytes=1000, max_pixels_per_frame=100))
    error = refused(small, video(clip_data))
    assert "has more bytes than are taken (1,000)" in error.message
    assert error.message.endswith("raise `--limit max_download_bytes=...` of the server.")
    assert len(error.message) < 700
    few_pixels = reader(limits=UntrustedInput(max_pixels_per_frame=100))
    error = refused(few_pixels, video(clip_data), read=True)
    assert "is 128x128, 16,384 pixels; at most 100 are taken" in error.message


def test_the_videos_of_a_request_are_one_download(clip_data, clip):
    size = len(clip.read_bytes())
    exact = reader(limits=UntrustedInput(max_download_bytes=2 * size + 3))
    assert exact.fetch(video(clip_data), 60, size).num_bytes == size
    with pytest.raises(RequestError, match="has more bytes than are taken"):
        exact.fetch(video(clip_data), 60, size + 6)


def test_errors_of_decoders_are_of_the_video(clip_data, monkeypatch, caplog):
    def fail(*args, **kwargs):
        raise IndexError("deep inside")

    monkeypatch.setattr("transformers_mvgpt.server.media.read_visual", fail)
    error = refused(reader(), video(clip_data), read=True)
    assert error.message == f"`{PARAM}`: The video could not be read (IndexError). Check that it plays."
    assert "deep inside" in caplog.text


def test_no_more_time_than_is_left(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "transformers_mvgpt.server.media.resolve_source",
        lambda url, limits, what: seen.append(limits.max_download_seconds) or 1 / 0,
    )
    for seconds in (20.0, 1000.0, -5.0):
        with pytest.raises(ZeroDivisionError):
            reader().fetch(video("http://example.org/a.mp4"), seconds)
    assert seen == [20.0, 300.0, 1]


@pytest.mark.parametrize(
    "content", [b"no video at all", b"\0\0\0\x18ftypmp42" + b"\0" * 100, b""], ids=["text", "cut", "empty"]
)
def test_damaged(content):
    url = "data:video/mp4;base64," + base64.b64encode(content).decode()
    error = refused(reader(), video(url), read=True)
    assert (error.param, error.code) == (PARAM, "unusable_media")
    assert error.message.startswith(f"`{PARAM}`: The video ") and "\n" not in error.message


def test_frames(clip_data):
    """Of 100 frames, 10 of them per second."""
    for family, places in (("mobile_videogpt", (2, 6, 10, 14)), ("tinyllava", (1, 3, 5, 7))):
        own = frames_of(reader(family), video(clip_data))
        assert len(own) == PROCESSORS[family].video_processor.num_frames
        assert frames_of(reader(family), video(clip_data, max_frames=16)) == own
        assert frames_of(reader(family), video(clip_data, max_frames=4)) == [own[place] for place in places]
        assert frames_of(reader(family), video(clip_data, fps=1.0)) == list(range(0, 100, 10))
        assert len(frames_of(reader(family), video(clip_data, fps=1.0, max_frames=3))) == 3
        segment = frames_of(reader(family), video(clip_data, start_seconds=1.0, end_seconds=2.0))
        assert (min(segment), max(segment)) == (10, 20)
    # no more than the model takes, and no more than there are
    for fps in (10.0, 30.0, 1e300):
        assert len(frames_of(reader("mobile_videogpt"), video(clip_data, fps=fps))) == 16
        assert len(frames_of(reader("mobile_videogpt"), video(clip_data, fps=fps, end_seconds=1.0))) == 11
        assert len(frames_of(reader("tinyllava"), video(clip_data, fps=fps))) == 64


def test_a_processor_is_not_changed_by_requests(clip_data):
    frames_of(reader(), video(clip_data, max_frames=4))
    assert "sample_frames" not in vars(PROCESSORS["mobile_videogpt"].video_processor)


@pytest.mark.parametrize(
    ("options", "name"),
    [({"start_seconds": 100.0}, "start_seconds"), ({"start_seconds": 2.0, "end_seconds": 1.0}, "start_seconds")],
    ids=str,
)
def test_options_that_do_not_fit_are_named(clip_data, options, name):
    error = refused(reader(), video(clip_data, **options), read=True)
    assert error.param == f"messages.0.content.0.{name}"


def test_images(tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGB", (32, 32), "red").save(path)
    image = Visual("image", path.as_uri(), "messages.0.content.0.image_url.url")
    for family, modality in (("mobile_videogpt", "image"), ("mobilevlm", "image"), ("tinyllava", "video")):
        within = reader(family, folders=[tmp_path])
        found, features = within.read(fetch(within, image))
        assert found == modality
        pixels = features["pixel_values" if modality == "image" else "pixel_values_videos"]
        assert np.prod(pixels.shape[:-3]) == 1


def test_a_model_of_images_takes_no_videos(clip_data):
    error = refused(reader("mobilevlm"), video(clip_data))
    assert error.param == PARAM
    assert (
        error.message == f"`{PARAM}` is a video, and this model takes images: send frames of it as `image_url` parts."
    )


def test_a_folder_of_frames_is_no_file(tmp_path):
    assert refused(reader(folders=[tmp_path]), video(Path(tmp_path).as_uri())).message.endswith("is no file.")
