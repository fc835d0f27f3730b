# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Pictures as players show them: every decoder returns them so, or says that it does not and who does."""

import struct
from fractions import Fraction
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from av.stream import Disposition
from PIL import Image

from transformers_mvgpt.video import video_decoding
from transformers_mvgpt.video.frame_geometry import (
    Orientation,
    lay_on_white,
    make_square,
    read_display_matrix,
    square_size,
)
from transformers_mvgpt.video.frame_request import UnsuitableBackend
from transformers_mvgpt.video.reader_pyav import rgb_picture
from transformers_mvgpt.video.tensor_request import TensorRequest
from transformers_mvgpt.video.video_decoding import available_video_backends, decode_video
from video_files import marked_picture, patch_mp4, sample, write_marked_video, write_video


ONE = 1 << 16
ROTATIONS = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)]
MIRRORS = [(-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)]
TAKE_PYAV = r": take pyav \(`video_backend=\"pyav\"`, `pip install av`\)\.$"


def refused(backend: str, why: str) -> pytest.RaisesExc:
    return pytest.raises(UnsuitableBackend, match=rf"^The video .* is not for {backend}, which {why}{TAKE_PYAV}")


def set_display_matrix(path: Path, a: float, b: float, c: float, d: float) -> None:
    values = [round(ONE * value) for value in (a, b, 0, c, d, 0, 0, 0)]
    patch_mp4(path, b"tkhd", 40, struct.pack(">9i", *values, 1 << 30))


def show(stored: torch.Tensor, a: int, b: int, c: int, d: int) -> torch.Tensor:
    """Moves every pixel (x, y) to (a x + c y, b x + d y)."""
    _, height, width = stored.shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    column, row = a * x + c * y, b * x + d * y
    shown = torch.empty(3, int(row.max() - row.min()) + 1, int(column.max() - column.min()) + 1, dtype=torch.uint8)
    shown[:, row - row.min(), column - column.min()] = stored
    return shown


@pytest.mark.parametrize("matrix", ROTATIONS + MIRRORS)
def test_every_orientation(tmp_path: Path, backend: str, matrix: tuple[int, int, int, int]) -> None:
    path = write_marked_video(tmp_path / "turned.mp4", 3)
    stored, _ = decode_video(path, sample(1), backend="pyav")
    set_display_matrix(path, *matrix)
    if matrix in MIRRORS and backend != "pyav":
        with refused(backend, "does not mirror pictures as this file asks"):
            decode_video(path, sample(1), backend=backend)
        return
    frames, metadata = decode_video(path, sample(1), backend=backend)
    assert torch.equal(frames[0], show(stored[0], *matrix))
    assert frames.shape[2:] == (metadata.height, metadata.width)


def test_turn_that_is_no_quarter(tmp_path: Path, backend: str) -> None:
    path = write_marked_video(tmp_path / "slanted.mp4", 3)
    set_display_matrix(path, 0.7071, 0.7071, -0.7071, 0.7071)
    with pytest.raises(
        ValueError, match=r"slanted.mp4' asks players to turn it by 45 degrees, .* `ffmpeg -i video.mp4 upr"
    ):
        decode_video(path, backend=backend)
    set_display_matrix(path, 2, 0.01, 0.01, -2)
    assert decode_video(path, sample(0), backend="pyav")[0].shape == (1, 3, 48, 64)


def test_orientations() -> None:
    for matrix, (transposed, rows, columns) in zip(
        [(a, 0, 0, d) for d, a in product((1, -1), repeat=2)] + [(0, b, c, 0) for b, c in product((1, -1), repeat=2)],
        product((False, True), repeat=3),
        strict=True,
    ):
        a, b, c, d = matrix
        orientation = read_display_matrix(struct.pack("=9i", a, b, 0, c, d, 0, 0, 0, 1))
        assert orientation == Orientation(transposed, rows, columns)
        assert orientation.is_mirrored == (matrix in MIRRORS)
    assert read_display_matrix(bytes(36)) == Orientation()


def write_wide_pixels(path: Path, ratio: Fraction, **kwargs) -> Path:
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"qp": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = ratio
        for number in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(marked_picture(number), format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    "ratio, size",
    [(Fraction(2), (128, 48)), (Fraction(1, 2), (64, 96)), (Fraction(16, 11), (93, 48)), (Fraction(1), (64, 48))],
)
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_pixels_become_square(
    tmp_path: Path, backend: str, container: str, ratio: Fraction, size: tuple[int, int]
) -> None:
    frames, metadata = decode_video(write_wide_pixels(tmp_path / f"wide.{container}", ratio), backend=backend)
    assert (metadata.width, metadata.height) == size and frames.shape == (3, 3, size[1], size[0])
    stored, _ = decode_video(write_wide_pixels(tmp_path / f"square.{container}", Fraction(1)), backend=backend)
    step_x, step_y = size[0] // 64, size[1] // 48
    if Fraction(size[0] * 48, size[1] * 64) == ratio:
        inner = slice(3, 12)  # of the first field, whose pixels are all alike
        widened = frames[:, :, inner.start * step_y : inner.stop * step_y, inner.start * step_x : inner.stop * step_x]
        assert (widened.float().mean() - stored[:, :, inner, inner].float().mean()).abs() < 1
    assert torch.equal(frames, decode_video(tmp_path / f"wide.{container}", backend="pyav")[0])


@pytest.mark.parametrize("ratio", [Fraction(4, 3), Fraction(8, 9), Fraction(7, 2), Fraction(1, 5), Fraction(1)])
def test_arrays_become_square_as_tensors_do(ratio: Fraction) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (3, 47, 61), dtype=np.uint8)
    tensor = TensorRequest("'clip.mp4'", "pyav", None)._square(picture, ratio)
    array = make_square(picture, ratio)
    assert array.dtype == np.uint8 and array.shape == tuple(tensor.shape)
    assert np.abs(array.astype(int) - tensor.numpy()).max() <= 1


def test_wide_pixels_that_are_turned(tmp_path: Path, backend: str) -> None:
    path = write_wide_pixels(tmp_path / "wide.mp4", Fraction(2))
    set_display_matrix(path, 0, 1, -1, 0)
    frames, _ = decode_video(path, backend=backend)
    assert frames.shape == (3, 3, 128, 48)
    assert torch.equal(frames, decode_video(path, backend="pyav")[0])


def test_absurd_pixels(tmp_path: Path, backend: str) -> None:
    path = write_wide_pixels(tmp_path / "wide.mp4", Fraction(2))
    patch_mp4(path, b"pasp", 0, struct.pack(">2I", 100, 1))
    with pytest.raises(ValueError, match=r"wide.mp4' is 6400x48: one side may be at most 100 times the other"):
        decode_video(path, backend=backend)
    assert square_size(1920, 1080, Fraction(4319, 4320)) == (1920, 1080)


def write_transparent(path: Path, codec: str, pixel_format: str, alpha: int, **options: str) -> Path:
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixel_format
        for _ in range(3):
            picture = np.full((48, 64, 4), (255, 0, 0, alpha), np.uint8)
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format=pixel_format))
            )
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("alpha, color", [(0, (255, 255, 255)), (128, (255, 127, 127)), (255, (255, 0, 0))])
@pytest.mark.parametrize(
    "name, codec, pixel_format, options",
    [
        ("png.mov", "png", "rgba", {}),
        ("prores.mov", "prores_ks", "yuva444p10le", {}),
        ("ffv1.mkv", "ffv1", "bgra", {}),
        ("vp9.webm", "libvpx-vp9", "yuva420p", {"deadline": "realtime", "cpu-used": "8"}),
        ("vp8.webm", "libvpx", "yuva420p", {"auto-alt-ref": "0"}),
    ],
)
def test_transparent_pixels_are_white(
    tmp_path: Path, name: str, codec: str, pixel_format: str, options: dict, alpha: int, color: tuple[int, int, int]
) -> None:
    path = write_transparent(tmp_path / name, codec, pixel_format, alpha, **options)
    frames, metadata = decode_video(path, sample(2, 0), backend="pyav")
    assert (frames.permute(0, 2, 3, 1).int() - torch.tensor(color)).abs().max() <= 4
    assert metadata.total_num_frames == 3
    for backend in set(available_video_backends()) - {"pyav"}:
        with refused(backend, "makes transparent pixels opaque"):
            decode_video(path, backend=backend)


def test_seeking_in_transparent_vp9(tmp_path: Path) -> None:
    path = tmp_path / "long.webm"
    with av.open(path, "w") as container:
        stream = container.add_stream(
            "libvpx-vp9", rate=10, options={"g": "5", "deadline": "realtime", "cpu-used": "8"}
        )
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuva420p"
        for number in range(20):
            picture = np.full((48, 64, 4), (0, 0, 0, number * 12), np.uint8)
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(picture, format="rgba").reformat(format="yuva420p"))
            )
        container.mux(stream.encode())
    frames, _ = decode_video(path, sample(3, 17, 11, 19), backend="pyav")
    assert (
        frames.float().mean((1, 2, 3)) - torch.tensor([255 - 12.0 * number for number in (3, 17, 11, 19)])
    ).abs().max() < 4


@pytest.mark.parametrize("width", [161, 162, 164, 170, 180])
def test_transparent_pixels_are_written_to_the_last_column(width: int) -> None:
    """FFmpeg's conversion leaves out some, and what was in its memory shows."""
    colors = np.random.default_rng(0).integers(0, 256, (118, 192, 4), dtype=np.uint8)
    whole = av.VideoFrame.from_ndarray(colors, format="rgba").reformat(format="yuva420p")
    part = av.VideoFrame(width, 118, "yuva420p")
    for plane, cut in zip(whole.planes, part.planes, strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: cut.height]
        wide = np.zeros((cut.buffer_size // cut.line_size, cut.line_size), np.uint8)
        wide[: cut.height, : cut.width] = rows[:, : cut.width]
        cut.update(wide)
    expected = rgb_picture(whole)[:, :, :width]
    for _ in range(3):
        assert np.array_equal(rgb_picture(part), expected)


def test_white_is_laid_below_as_pillow_does() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (32, 64, 4), dtype=np.uint8)
    image = Image.fromarray(picture)
    expected = np.array(Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB"))
    assert np.array_equal(lay_on_white(picture.transpose(2, 0, 1)).transpose(1, 2, 0), expected)


def colorful(number: int) -> np.ndarray:
    picture = np.random.default_rng(number).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return picture.repeat(4, axis=0).repeat(4, axis=1)


def test_interlaced(tmp_path: Path, backend: str) -> None:
    pictures = [colorful(number) for number in range(3)]
    path = write_video(tmp_path / "interlaced.mp4", pictures, options={"qp": "1", "x264-params": "tff=1"})
    if backend != "pyav":
        with refused(backend, "returns .* for interlaced video"):
            decode_video(path, backend=backend)
        return
    frames, _ = decode_video(path, backend=backend)
    inner = frames[0].reshape(3, 12, 4, 16, 4)[:, :, 1:3, :, 1:3].float().mean((2, 4))
    assert (inner - torch.from_numpy(pictures[0][::4, ::4]).permute(2, 0, 1)).abs().mean() < 20


@pytest.mark.parametrize(
    "codec, pixel_format", [("libx264", "yuv420p10le"), ("libx264", "yuv422p10le"), ("ffv1", "yuv420p12le")]
)
def test_more_than_8_bits(tmp_path: Path, backend: str, codec: str, pixel_format: str) -> None:
    path = tmp_path / "deep.mkv"
    options = {"qp": "4"} if codec == "libx264" else {}
    write_video(
        path, [colorful(number) for number in range(3)], codec=codec, pixel_format=pixel_format, options=options
    )
    if backend in ("opencv", "decord"):
        with refused(backend, r"brings colors of 1\d bits to 8 in a way of its own"):
            decode_video(path, backend=backend)
        return
    frames, _ = decode_video(path, backend=backend)
    reference, _ = decode_video(path, backend="pyav")
    assert (frames.int() - reference.int()).abs().max() <= 1


def write_cover(path: Path, codec: str) -> Path:
    """Sound with a cover picture."""
    with av.open(path, "w") as container:
        sound = container.add_stream(codec, rate=44100)
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = Disposition.attached_pic.value
        for packet in cover.encode(av.VideoFrame.from_ndarray(marked_picture(5), format="rgb24")):
            container.mux(packet)
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 44100, number * 1024, Fraction(1, 44100)
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return path


@pytest.mark.parametrize("name, codec", [("cover.mp4", "aac"), ("cover.mp3", "libmp3lame")])
def test_cover_picture_is_no_video(tmp_path: Path, backend: str, name: str, codec: str) -> None:
    path = write_cover(tmp_path / name, codec)
    with av.open(path) as container:
        assert len(container.streams.video) == 1
    with pytest.raises(ValueError, match=f"The video .*{name}' has no video stream. Pass a file that has one"):
        decode_video(path, backend=backend)


def test_the_next_backend_is_tried_where_one_is_unsuitable(clip, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(source, request, index):
        raise request.unsuitable("does not know its codec")

    usable = available_video_backends()
    for name, following in zip(usable, [*usable[1:], None], strict=True):
        monkeypatch.setitem(video_decoding._BACKENDS, name, video_decoding._BACKENDS[name]._replace(read=read))
        if following is not None:
            assert decode_video(clip("h264.mp4"), sample(0))[1].video_backend == following
    with pytest.raises(
        UnsuitableBackend, match="is not for pyav, which does not know its codec: re-encode it, e.g. as H.264"
    ):
        decode_video(clip("h264.mp4"))


@pytest.mark.parametrize("orientation, shape", [(1, (48, 64)), (3, (48, 64)), (6, (64, 48)), (8, (64, 48))])
def test_motion_jpeg_of_a_camera(tmp_path: Path, orientation: int, shape: tuple[int, int]) -> None:
    """PyAV 18 stumbles over what its FFmpeg attaches to the frames: the EXIF data."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "camera.mjpeg"
    stored = Image.fromarray(marked_picture(9))
    with path.open("wb") as file:
        for _ in range(3):
            stored.save(file, "jpeg", exif=exif, subsampling=0)
    frames, _ = decode_video(path, backend="pyav")
    expected = torch.from_numpy(np.rot90(marked_picture(9), {1: 0, 3: 2, 6: 3, 8: 1}[orientation]).copy())
    assert frames.shape == (3, 3, *shape)
    assert (frames[1].float() - expected.permute(2, 0, 1).float()).abs().mean() < 3
