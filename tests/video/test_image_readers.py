# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""GIFs and folders of frames."""

import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

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
