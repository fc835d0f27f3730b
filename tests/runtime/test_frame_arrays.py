# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Videos and images without torch, transformers and Pillow: what the package reads with them, to the pixel."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from torch_free import run_torch_free
from transformers_mvgpt.demo import CLIP
from transformers_mvgpt.runtime.frame_arrays import read_frames, read_image, read_streams
from transformers_mvgpt.video.frame_sampling_mvgpt import sample_frame_indices
from transformers_mvgpt.video.limits import UntrustedInput
from transformers_mvgpt.video.video_decoding import decode_video
from video_files import marked_picture, sample, write_folder, write_gif, write_marked_video


CLIPS = [
    "open_gops.mp4",
    "variable.mkv",
    "rotated_90.mp4",
    "rotated_180.mp4",
    "odd_size.webm",
    "trimmed.mp4",
    "late_start.mkv",
    "h264.ts",
    "h264.avi",
]
SEGMENTS = [(None, None), (0.5, 2.5)]
FIELDS = ("total_num_frames", "fps", "width", "height", "duration", "frames_indices", "timestamps", "video_backend")
READ = """
import json
import numpy as np
from transformers_mvgpt.runtime.frame_arrays import read_frames, read_image
from transformers_mvgpt.video.frame_sampling_mvgpt import sample_frame_indices
from transformers_mvgpt.video.limits import UntrustedInput

def chosen(start, end):
    return lambda metadata: sample_frame_indices(
        metadata.total_num_frames, metadata.fps, 8, start, end, frame_times=metadata.frame_times
    )

def message(read, *arguments):
    try:
        read(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
"""


def chosen(start: float | None, end: float | None):
    return lambda metadata: sample_frame_indices(
        metadata.total_num_frames, metadata.fps, 8, start, end, frame_times=metadata.frame_times
    )


def message(read, *arguments) -> str:
    with pytest.raises(Exception) as caught:
        read(*arguments)
    return f"{type(caught.value).__name__}: {caught.value}"


def test_the_frames_of_the_package(clip, tmp_path):
    paths = [str(CLIP), *(str(clip(name)) for name in CLIPS)]
    code = f"""{READ}
arrays, known = {{}}, []
for path in {paths}:
    for segment in {SEGMENTS}:
        frames, metadata = read_frames(path, chosen(*segment))
        assert frames.flags.c_contiguous and frames.dtype == np.uint8
        arrays[str(len(known))] = frames
        known.append([getattr(metadata, name) for name in {FIELDS}] + [metadata.frame_times is None])
np.savez(sys.argv[1], **arrays)
print(json.dumps([known, loaded()]))
"""
    known, loaded = json.loads(run_torch_free(code, tmp_path / "frames.npz"))
    assert loaded == []
    read = np.load(tmp_path / "frames.npz")
    expected = [decode_video(path, chosen(*segment), backend="pyav") for path in paths for segment in SEGMENTS]
    assert len(read.files) == len(expected)
    for number, (frames, metadata) in enumerate(expected):
        assert np.array_equal(read[str(number)], frames.permute(0, 2, 3, 1).numpy())
        values = [getattr(metadata, name) for name in FIELDS]
        assert known[number] == [*values, metadata.frame_times is None]


def test_what_is_made_of_each_frame(clip):
    def transform(frame: np.ndarray) -> tuple[np.ndarray, ...]:
        assert frame.flags.c_contiguous
        return frame[:4, :6].astype(np.float32), frame[-2:, -2:]

    path = clip("rotated_90.mp4")
    frames, metadata = read_frames(path, sample(7, 3, 7))
    # no whole frame is within it
    limits = UntrustedInput(max_decoded_bytes=3 * (4 * 6 * 3 * 4 + 2 * 2 * 3))
    (corner, end), described = read_streams(path, sample(7, 3, 7), transform, limits)
    assert np.array_equal(corner, frames[:, :4, :6]) and corner.dtype == np.float32
    assert np.array_equal(end, frames[:, -2:, -2:]) and end.dtype == np.uint8
    assert described == metadata
    with pytest.raises(
        ValueError, match=r"^4 frames of '.*' at 3x6 and 3x2 are 1,200 bytes; at most 900 are held\. Sample"
    ):
        read_streams(path, sample(7, 3, 7, 8), transform, limits)


def test_neither_is_loaded_where_they_are_installed():
    code = f"{READ}\nread_frames({str(CLIP)!r}, chosen(None, None))\nprint(loaded())"
    assert run_torch_free(code, absent=()) == "[]\n"


def test_the_messages_of_the_package(clip, tmp_path):
    (tmp_path / "list.m3u8").write_text("#EXTM3U\nvideo.mp4\n")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "cut.mp4").write_bytes(clip("open_gops.mp4").read_bytes()[:500])
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(3000))
    write_marked_video(tmp_path / "large.mp4", 2, width=640)
    sources = [*sorted(map(str, tmp_path.iterdir())), str(tmp_path / "none%d.mp4"), str(clip("audio.m4a")), 3]
    sources += ["concat:a.mp4|b.mp4", "http://127.0.0.1:9/clip.mp4"]
    code = f"""{READ}
limits = UntrustedInput(max_pixels_per_frame=20_000)
print(json.dumps([message(read_frames, source, chosen(None, None), limits) for source in {sources}]))
print(json.dumps(message(read_frames, {str(CLIP)!r}, None, UntrustedInput(max_decoded_bytes=10_000))))

def fail(metadata):
    raise MemoryError

print(message(read_frames, {str(CLIP)!r}, fail))
"""
    lines = run_torch_free(code).splitlines()
    limits = UntrustedInput(max_pixels_per_frame=20_000)

    def decode(source, limits):
        decode_video(source, chosen(None, None), untrusted_input=limits)

    assert json.loads(lines[0]) == [message(decode, source, limits) for source in sources]
    few = UntrustedInput(max_decoded_bytes=10_000)
    assert json.loads(lines[1]) == message(lambda: decode_video(CLIP, untrusted_input=few))
    assert lines[2].startswith(f"ValueError: The video '{CLIP}' needs more memory than there is: scale it down")


def test_what_pillow_reads(tmp_path):
    animation = write_gif(tmp_path / "a.gif", [100, 200, 100])
    folder = write_folder(tmp_path / "frames", ["f_2.png", "f_10.png"])
    for source, indices in ((animation, (2, 0)), (folder, (1,))):
        frames, metadata = read_frames(source, sample(*indices))
        expected, described = decode_video(source, sample(*indices))
        assert frames.flags.c_contiguous and np.array_equal(frames, expected.permute(0, 2, 3, 1).numpy())
        assert (metadata.fps, metadata.frames_indices) == (described.fps, list(indices))
    assert metadata.timestamps is None
    code = f"{READ}\nfor source in {[str(animation), str(folder)]}:\n    print(message(read_frames, source))"
    assert run_torch_free(code).splitlines() == [
        f"ImportError: The video '{animation}' is a picture, or an animated one, which Pillow reads, and that is not installed here: "
        "`pip install pillow`.",
        f"ImportError: The video '{folder}' is a folder of images, which Pillow reads, and that is not installed here: `pip install "
        "pillow`.",
    ]


def write_images(folder: Path) -> dict[str, int]:
    """Images, and how far a pixel of each may be from Pillow's."""
    picture = Image.fromarray(marked_picture(37, 80, 56))
    exif = Image.Exif()
    clear = picture.copy()
    clear.putalpha(Image.linear_gradient("L").resize(picture.size))
    for orientation in range(1, 9):
        exif[274] = orientation
        picture.save(folder / f"turned_{orientation}.png", exif=exif)
    # as cameras have it
    exif[274] = 6
    blocks = np.random.default_rng(0).integers(0, 256, (7, 10, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    Image.fromarray(blocks).save(folder / "turned.jpg", exif=exif, subsampling="4:2:0")
    Image.fromarray(blocks).save(folder / "lossy.webp")
    picture.save(folder / "turned.webp", exif=exif, lossless=True)
    exif[274] = 3
    picture.save(folder / "turned.tiff", exif=exif)
    clear.save(folder / "clear.png")
    clear.save(folder / "clear.webp", lossless=True)
    picture.quantize(8).save(folder / "palette.png", transparency=2)
    picture.quantize(8).save(folder / "palette.gif", transparency=2)
    picture.convert("L").save(folder / "gray.jpg")
    picture.convert("1").save(folder / "bits.png")
    picture.save(folder / "plain.bmp")
    return {path.name: 2 if path.name in ("turned.jpg", "lossy.webp") else 1 for path in sorted(folder.iterdir())}


def test_images_without_pillow(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    tolerances = write_images(folder)
    paths = [str(folder / name) for name in tolerances]
    cut = (folder / "gray.jpg").read_bytes()[:-200]
    (tmp_path / "cut.jpg").write_bytes(cut)
    code = f"""{READ}
np.savez(sys.argv[1], *map(read_image, {paths}))
small = UntrustedInput(max_pixels_per_frame=80 * 56 - 1)
print(json.dumps([message(read_image, path, small) for path in {paths}]))
print(message(read_image, {str(tmp_path / "cut.jpg")!r}))
print(message(read_image, {str(CLIP)!r}, small))
print(message(read_image, {paths[0]!r}, UntrustedInput(max_download_bytes=100)))
print(loaded())
"""
    lines = run_torch_free(code, tmp_path / "read.npz").splitlines()
    read = np.load(tmp_path / "read.npz")
    for (name, tolerance), pixels in zip(tolerances.items(), read.values(), strict=True):
        expected = read_image(folder / name)
        assert pixels.flags.c_contiguous and pixels.dtype == np.uint8 and pixels.shape == expected.shape
        assert np.abs(pixels.astype(int) - expected).max() <= tolerance, name
    small = UntrustedInput(max_pixels_per_frame=80 * 56 - 1)
    for path, text in zip(paths, json.loads(lines[0]), strict=True):
        assert text == message(read_image, path, small).replace("UnusablePicture", "ValueError")
    assert lines[1].startswith(f"ValueError: The image '{tmp_path / 'cut.jpg'}' could not be read: ")
    assert lines[1].endswith("or of a kind that Pillow reads: check that it opens elsewhere, or `pip install pillow`.")
    assert lines[2] == f"ValueError: The image '{CLIP}' is a video. Pass it as one, or an image."
    assert lines[3].startswith(
        f"ValueError: The image '{paths[0]}' has more bytes than are taken (100): scale it down, or raise"
    )
    assert lines[4] == "[]"


def test_without_pyav(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(
        ImportError, match="^Videos are read with PyAV, .*: import of av halted.*`pip install 'av>=15.0'`"
    ):
        read_frames(CLIP)
