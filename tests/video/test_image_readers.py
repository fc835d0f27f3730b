# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""GIFs and folders of frames."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from transformers_mvgpt import UntrustedInput
from transformers_mvgpt.video.video_decoding import decode_video
from video_files import PACKAGES, marked_picture, read_marks, sample, write_folder, write_gif


@pytest.mark.parametrize("as_bytes", [False, True], ids=["path", "bytes"])
def test_gif(tmp_path: Path, as_bytes: bool) -> None:
    path = write_gif(tmp_path / "clip.gif", milliseconds=[100, 50, 200, 0, 100])
    source = path.read_bytes() if as_bytes else path
    frames, metadata = decode_video(source)
    assert read_marks(frames) == [0, 1, 2, 3, 4]
    assert metadata.timestamps == pytest.approx([0, 0.1, 0.15, 0.35, 0.45])
    assert metadata.fps == pytest.approx(5 / 0.55) and metadata.video_backend == "pillow"
    sampled, _ = decode_video(source, sample(3, 1))
    assert torch.equal(sampled, frames[[3, 1]])


def test_gif_needs_no_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in PACKAGES.values():
        monkeypatch.setitem(sys.modules, package, None)
    frames, _ = decode_video(write_gif(tmp_path / "clip.gif", milliseconds=[100, 100]))
    assert read_marks(frames) == [0, 1]


def test_gif_is_composited_on_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    half = clear.copy()
    half.paste((0, 0, 255, 255), (0, 0, 4, 8))
    half.save(tmp_path / "clip.gif", save_all=True, append_images=[clear], duration=100, disposal=2)
    frames, _ = decode_video(tmp_path / "clip.gif")
    assert frames[0, :, 0, 0].tolist() == [0, 0, 255] and frames[0, :, 0, 7].tolist() == [255, 255, 255]
    assert (frames[1] == 255).all()


def test_folder_in_natural_order(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "frames", ["frame_1.png", "frame_2.jpg", "Frame_9.png", "frame_10.PNG"])
    (folder / "notes.txt").write_text("no frame")
    (folder / ".hidden.png").write_bytes(b"no frame")
    frames, metadata = decode_video(folder)
    assert read_marks(frames) == [0, 1, 2, 3]
    assert metadata.fps is None and metadata.duration is None and metadata.video_backend == "pillow"
    assert (metadata.width, metadata.height) == (64, 48)


def test_only_sampled_frames_of_a_folder_are_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "frames", [f"{number}.png" for number in range(12)])
    (folder / "5.png").write_bytes(b"damaged")
    frames, _ = decode_video(folder, sample(11, 2, 2))
    assert read_marks(frames) == [11, 2, 2]
    with pytest.raises(ValueError, match="frame '.*5.png' could not be read .*Replace it or remove it"):
        decode_video(folder, sample(5))


def test_frames_of_a_folder_are_upright(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "frames", ["0.png"])
    lying = Image.fromarray(marked_picture(1)).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    lying.save(folder / "1.jpg", exif=exif, quality=95)
    assert read_marks(decode_video(folder)[0]) == [0, 1]


def test_folder_of_two_sizes(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "frames", ["0.png"])
    Image.fromarray(marked_picture(1, 32, 24)).save(folder / "1.png")
    with pytest.raises(ValueError, match="Frame 1 of '.*frames' is 32x24, but the video is 64x48. All frames must"):
        decode_video(folder)


def test_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match="folder '.*' holds no images. Its frames must be files that end in"):
        decode_video(tmp_path)


@pytest.mark.parametrize("kept", [20, 60, 100, 160, 165, 340])
def test_damaged_gif(tmp_path: Path, kept: int) -> None:
    data = write_gif(tmp_path / "clip.gif", milliseconds=[100] * 4).read_bytes()[:kept]
    with pytest.raises(ValueError, match=rf"<{kept} bytes> could not be read by pillow: .*is damaged"):
        decode_video(data)


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
@pytest.mark.parametrize("as_bytes", [False, True], ids=["path", "bytes"])
def test_animated_pictures_have_the_times_of_their_frames(tmp_path: Path, suffix: str, as_bytes: bool) -> None:
    images = [Image.fromarray(marked_picture(number)) for number in range(5)]
    path = tmp_path / f"clip{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {}
    images[0].save(path, save_all=True, append_images=images[1:], duration=[100, 50, 200, 0, 40], **options)
    source = path.read_bytes() if as_bytes else path
    frames, metadata = decode_video(source)
    assert read_marks(frames) == [0, 1, 2, 3, 4]
    assert metadata.timestamps == pytest.approx([0, 0.1, 0.15, 0.35, 0.45])
    assert metadata.fps == pytest.approx(5 / 0.49) and metadata.video_backend == "pillow"
    assert torch.equal(decode_video(source, sample(3, 1))[0], frames[[3, 1]])
    with pytest.raises(ValueError, match="could not be read by pillow: .*is damaged"):
        decode_video(path.read_bytes()[: path.stat().st_size * 2 // 3])


def test_a_picture_in_front_of_an_animation_is_no_frame(tmp_path: Path) -> None:
    images = [Image.fromarray(marked_picture(number)) for number in range(4)]
    path = tmp_path / "clip.png"
    images[0].save(path, save_all=True, append_images=images[1:], duration=100, default_image=True)
    frames, metadata = decode_video(path)
    assert read_marks(frames) == [1, 2, 3] and metadata.total_num_frames == 3


# Pillow writes no GIF of gray with transparency
@pytest.mark.parametrize(
    "form, mode",
    [("gif", "RGBA"), *((form, mode) for form in ("folder", "still", "webp", "apng") for mode in ("RGBA", "LA"))],
)
def test_what_is_transparent_is_white_in_every_file(tmp_path: Path, form: str, mode: str) -> None:
    picture = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    picture.paste((90, 90, 90, 255), (0, 0, 8, 16))
    pictures = [picture.convert(mode), picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).convert(mode)]
    if form == "folder":
        (tmp_path / "frames").mkdir()
        pictures[0].save(tmp_path / "frames/0.png")
        source = tmp_path / "frames"
    elif form == "still":
        source = tmp_path / "still.png"
        pictures[0].save(source)
    else:
        source = tmp_path / f"clip.{'png' if form == 'apng' else form}"
        options = {"lossless": True} if form == "webp" else {"disposal": 2} if form == "gif" else {}
        pictures[0].save(source, save_all=True, append_images=pictures[1:], duration=100, **options)
    frame = decode_video(source, sample(0))[0][0]
    assert (frame[:, :, 8:] == 255).all() and (frame[:, :, :8] - 90 == 0).all()


@pytest.mark.parametrize("dtype, white", [(np.uint16, 65535), (np.uint8, 255)])
def test_a_ramp_of_sixteen_bits_stays_a_ramp(tmp_path: Path, dtype: type, white: int) -> None:
    ramp = (np.linspace(0, 1, 256) * white).round().astype(dtype)
    Image.fromarray(np.tile(ramp, (4, 1))).save(tmp_path / "0.png")
    for source in (tmp_path, tmp_path / "0.png"):
        assert decode_video(source)[0][0, :, 0].tolist() == [list(range(256))] * 3


def test_pages_of_a_tiff_are_frames(tmp_path: Path) -> None:
    images = [Image.fromarray(marked_picture(number)) for number in range(3)]
    images[0].save(tmp_path / "stack.tif", save_all=True, append_images=images[1:])
    frames, metadata = decode_video(tmp_path / "stack.tif")
    assert read_marks(frames) == [0, 1, 2] and metadata.fps is None


def test_sizes_are_checked_before_anything_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gif = write_gif(tmp_path / "clip.gif", milliseconds=[100, 100])
    folder = write_folder(tmp_path / "frames", ["0.png"])
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    for source, name in (
        (gif, "video '.*clip.gif'"),
        (folder, "frame '.*0.png'"),
        (folder / "0.png", "video '.*0.png'"),
    ):
        with pytest.raises(ValueError, match=f"The {name} is 64x48, 3,072 pixels; at most 3,071 are taken"):
            decode_video(source, untrusted_input=UntrustedInput(max_pixels_per_frame=3071))
    # eight bytes of a GIF claim its size
    data = bytearray(gif.read_bytes())
    data[6:10] = b"\xff\xff\xff\xff"
    with pytest.raises(ValueError, match=r"has too many pixels \(.*\); at most 50,331,648 are taken"):
        decode_video(bytes(data))


def test_endless_animations_are_refused(tmp_path: Path) -> None:
    data = write_gif(tmp_path / "clip.gif", milliseconds=[100, 100]).read_bytes()
    one = b"!\xf9\x04\0\x0a\0\0\0" + b",\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0"
    with pytest.raises(ValueError, match=r"has more than 20,000 frames, all of which .* Make a video of it"):
        decode_video(data[:-1] + one * 1_000_000 + b";", sample(0))
    large = data[:6] + b"\x88\x13\x88\x13" + data[10:-1] + one * 200 + b";"
    with pytest.raises(ValueError, match=r"is an animation of 202 frames of 5000x5000, all of which"):
        decode_video(large, sample(201))
