# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Videos, options and configs that ask for more than they should: refused before memory or time is spent."""

import errno
import json

import av
import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoVideoProcessor

from measured_runs import run_measured
from transformers_mvgpt import MobileVideoGPTVideoProcessor
from transformers_mvgpt.video.frame_request import FrameRequest
from transformers_mvgpt.video.limits import UntrustedInput
from transformers_mvgpt.video.video_decoding import decode_video
from video_files import write_folder, write_video


WAY_OUT = r"`untrusted_input=UntrustedInput\(\.\.\.\)`"


def write_empty_video(path, width, height, num_frames=1, codec="mpeg4", pixel_format="yuv420p"):
    """Frames as they come: nothing of their size is made but by the encoder."""
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        for number in range(num_frames):
            frame = av.VideoFrame(width, height, pixel_format)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def make_small(num_frames: int) -> MobileVideoGPTVideoProcessor:
    return MobileVideoGPTVideoProcessor(
        num_frames=num_frames, size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )


@pytest.fixture(scope="module")
def small() -> MobileVideoGPTVideoProcessor:
    return make_small(num_frames=4)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """16 frames of 4K, 25 MB each."""
    return write_empty_video(tmp_path_factory.mktemp("large") / "4k.mp4", 3840, 2160, 16)


def test_size_is_checked_before_a_frame_is_decoded(clip, small, backend):
    limits = UntrustedInput(max_pixels_per_frame=64 * 48 - 1)
    message = f"The video '.*h264.mkv' is 64x48, 3,072 pixels; at most 3,071 are taken. .* {WAY_OUT}"
    with pytest.raises(ValueError, match=message):
        small(clip("h264.mkv"), video_backend=backend, untrusted_input=limits)
    with pytest.raises(ValueError, match=message):
        decode_video(clip("h264.mkv"), backend=backend, untrusted_input=limits)
    small(clip("h264.mkv"), video_backend=backend, untrusted_input=UntrustedInput(max_pixels_per_frame=64 * 48))


@pytest.fixture(scope="module", params=[(9000, 6000), (8000, 2)], ids=["many_pixels", "long"])
def absurd(request, tmp_path_factory):
    """Few bytes, many pixels: the file and its size."""
    path = tmp_path_factory.mktemp("absurd") / "clip.mkv"
    return write_empty_video(path, *request.param, codec="mjpeg", pixel_format="yuvj420p"), request.param


def test_few_bytes_with_many_pixels(absurd, small, backend):
    path, (width, height) = absurd
    why = (
        "54,000,000 pixels; at most 50,331,648 are taken"
        if height > 2
        else "one side may be at most 100 times the other"
    )
    run = run_measured(lambda: small(path, video_backend=backend))
    assert run.error.startswith(f"ValueError: The video '{path}' is {width}x{height}") and why in run.error
    assert run.grown_bytes < 100e6 and run.seconds < 10


def test_frames_are_not_held_at_their_full_size(large):
    processor = MobileVideoGPTVideoProcessor()
    run = run_measured(lambda: processor(large, return_tensors="pt")["pixel_values_videos"].shape)
    assert run.result == (1, 16, 3, 224, 224), run.error
    assert run.grown_bytes < 300e6  # the frames together are 398e6


def test_frames_that_are_given_are_not_copied_together():
    processor = MobileVideoGPTVideoProcessor()
    frames = np.zeros((16, 2160, 3840, 3), np.uint8)
    run = run_measured(lambda: processor(frames, return_tensors="pt")["pixel_values_videos"].shape)
    assert run.result == (1, 16, 3, 224, 224), run.error
    assert run.grown_bytes < 300e6 + frames.nbytes  # reading them makes their pages resident


def test_size_that_changes_on_the_way(tmp_path):
    parts = [
        write_video(tmp_path / f"{width}.h264", [np.zeros((height, width, 3), np.uint8)] * 4).read_bytes()
        for width, height in ((64, 48), (640, 480))
    ]
    path = tmp_path / "both.h264"
    path.write_bytes(b"".join(parts))
    with pytest.raises(ValueError, match="Frame 4 of '.*both.h264' is 640x480, but the video is 64x48"):
        decode_video(path, backend="pyav")
    with pytest.raises(ValueError, match="could not be (read|decoded) by pyav|is 640x480, 307,200 pixels; at most"):
        decode_video(path, backend="pyav", untrusted_input=UntrustedInput(max_pixels_per_frame=64 * 48))


def test_bytes_that_are_held(clip, backend):
    num_bytes = 40 * 64 * 48 * 3
    frames, _ = decode_video(
        clip("h264.mp4"), backend=backend, untrusted_input=UntrustedInput(max_decoded_bytes=num_bytes)
    )
    assert frames.nbytes == num_bytes
    with pytest.raises(
        ValueError, match=rf"40 frames of '.*h264.mp4' at 64x48 are 368,640 bytes; at most 368,639 .* {WAY_OUT}"
    ):
        decode_video(
            clip("h264.mp4"), backend=backend, untrusted_input=UntrustedInput(max_decoded_bytes=num_bytes - 1)
        )
    # of the processor's two streams, in float32
    small = make_small(num_frames=40)
    num_bytes = 40 * 2 * 32 * 32 * 3 * 4
    options = {"video_backend": backend, "do_sample_frames": False}
    small(clip("h264.mp4"), **options, untrusted_input=UntrustedInput(max_decoded_bytes=num_bytes))
    message = f"40 frames of '.*' at 32x32 and 32x32 are 983,040 bytes; at most 983,039 are held. .* {WAY_OUT}"
    with pytest.raises(ValueError, match=message):
        small(clip("h264.mp4"), **options, untrusted_input=UntrustedInput(max_decoded_bytes=num_bytes - 1))


def test_bytes_of_frames_in_files(tmp_path):
    small = make_small(num_frames=6)
    folder = write_folder(tmp_path / "frames", [f"{number}.png" for number in range(6)])
    paths = [str(path) for path in sorted(folder.iterdir())]
    limits = UntrustedInput(max_decoded_bytes=6 * 2 * 32 * 32 * 3 * 4 - 1)
    with pytest.raises(ValueError, match=f"6 frames .*147,456 bytes.* at most 147,455 are held. .* {WAY_OUT}"):
        small([[paths]], do_sample_frames=False, untrusted_input=limits)
    with pytest.raises(ValueError, match=f"The image '.*0.png' is 64x48, 3,072 pixels; at most 3,071 .* {WAY_OUT}"):
        small([[paths]], do_sample_frames=False, untrusted_input=UntrustedInput(max_pixels_per_frame=3071))


def test_zero_frames_count():
    frames = np.zeros((3, 30, 40, 3), np.uint8)
    with pytest.raises(
        ValueError, match=r"9,000 frames are 221,184,000 bytes of pixels; at most 200,000,000 are held"
    ):
        make_small(num_frames=9000)(frames, untrusted_input=UntrustedInput(max_decoded_bytes=200_000_000))


@pytest.mark.parametrize(
    "config, message",
    [
        ({"num_frames": 10**9}, r"`num_frames` \(1000000000\) must be a whole number from 1 to 10,000"),
        ({"num_frames": 0}, r"`num_frames` \(0\) must be a whole number from 1 to 10,000"),
        ({"num_frames": -4}, r"`num_frames` \(-4\) must"),
        ({"num_frames": "16"}, r"`num_frames` \(16\) must"),
        ({"num_frames": True}, r"`num_frames` \(True\) must"),
        ({"size": {"shortest_edge": 10**9}}, r"`size\['shortest_edge'\]` \(1000000000\) must be .* from 1 to 8,192"),
        ({"size": {"height": 224.5, "width": 224}}, r"`size\['height'\]` \(224.5\) must"),
        ({"crop_size": {"height": 0, "width": 224}}, r"`crop_size\['height'\]` \(0\) must"),
        ({"crop_size": {"height": 224, "width": 10**9}}, r"`crop_size\['width'\]` \(1000000000\) must"),
        ({"untrusted_input": {"max_decoded_bytes": 1 << 60}}, r"`untrusted_input` \(\{'max_.*no file of a repository"),
    ],
)
def test_config_of_a_repository(tmp_path, small, config, message):
    small.save_pretrained(tmp_path)
    [path] = tmp_path.iterdir()
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    with pytest.raises(ValueError, match=message) as error:
        AutoVideoProcessor.from_pretrained(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("option", [{"num_frames": 0}, {"num_frames": 10**9}, {"size": {"shortest_edge": 10**9}}])
def test_sizes_of_a_call(small, option):
    with pytest.raises(ValueError, match=r"must be a whole number from 1 to"):
        small(np.zeros((3, 30, 40, 3), np.uint8), **option)


def test_limits_are_not_saved(tmp_path, clip, small):
    processor = MobileVideoGPTVideoProcessor(untrusted_input=UntrustedInput(max_pixels_per_frame=100))
    assert "untrusted_input" not in processor.to_dict()
    processor.save_pretrained(tmp_path)
    assert "untrusted" not in "".join(path.read_text() for path in tmp_path.iterdir())
    loaded = AutoVideoProcessor.from_pretrained(tmp_path)
    assert loaded.untrusted_input is None
    for limited in (processor, loaded):
        limited.untrusted_input = UntrustedInput(max_pixels_per_frame=100)
        with pytest.raises(ValueError, match="is 64x48, 3,072 pixels; at most 100 are taken"):
            limited(clip("h264.mp4"))
        limited(clip("h264.mp4"), untrusted_input=UntrustedInput())


ALLOCATORS = {
    "python": MemoryError(),
    "torch": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
    "device": torch.OutOfMemoryError("CUDA out of memory"),
    "system": OSError(errno.ENOMEM, "Cannot allocate memory"),
    "pyav": av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory"),
}


@pytest.mark.parametrize("error", ALLOCATORS.values(), ids=ALLOCATORS)
@pytest.mark.parametrize("form", ["file", "frames"])
def test_memory_that_runs_out_is_an_error_of_the_video(clip, small, monkeypatch, error, form):
    def resize(*args, **kwargs):
        if not args[0].is_meta:
            raise error
        return args[0]

    monkeypatch.setattr(small, "resize", resize)
    video = clip("h264.mp4") if form == "file" else np.zeros((4, 30, 40, 3), np.uint8)
    with pytest.raises(ValueError, match="needs more memory than there is: .* lower `max_pixels_per_frame`"):
        small(video)


@pytest.fixture(scope="module")
def largest(tmp_path_factory):
    """As many pixels as are taken."""
    path = tmp_path_factory.mktemp("largest") / "clip.mkv"
    return write_empty_video(path, 8192, 6144, num_frames=3, codec="mjpeg", pixel_format="yuvj420p")


def test_largest_frames(largest):
    processor = MobileVideoGPTVideoProcessor()
    run = run_measured(lambda: len(processor(largest)["pixel_values_videos"]))
    assert run.result == 1, run.error
    assert run.grown_bytes < 1e9 and run.seconds < 10


def test_little_memory(largest):
    processor = MobileVideoGPTVideoProcessor()
    run = run_measured(lambda: processor(largest, video_backend="pyav"), max_bytes=1_000_000)
    assert run.error.startswith(f"ValueError: The video '{largest}'") and "memory" in run.error


def test_threads_of_a_decoder(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    request = FrameRequest("'clip.mp4'", "pyav", None)
    sizes = [(64, 48), (1920, 1080), (3840, 2160), (7680, 4320), (8192, 6144), (None, None)]
    assert [request.num_threads(*size) for size in sizes] == [None, None, 10, 2, 1, None]


@pytest.mark.parametrize("form", [Image.fromarray, np.asarray, torch.from_numpy])
def test_other_errors_stay(small, monkeypatch, form):
    def resize(*args, **kwargs):
        raise RuntimeError("something else")

    monkeypatch.setattr(small, "resize", resize)
    with pytest.raises(RuntimeError, match="something else"):
        small([form(frame) for frame in np.zeros((4, 30, 40, 3), np.uint8)])
