# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Both pixel streams of a video: the values measured on the release, and every form in which a video can come."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoVideoProcessor
from transformers.video_utils import VideoMetadata

from transformers_mvgpt import MobileVideoGPTVideoProcessor
from transformers_mvgpt.demo import CLIP
from video_files import read_marks, write_folder, write_gif


DATA = Path(__file__).parents[1] / "data"
STREAMS = {"pixel_values_videos": "video_stream", "context_pixel_values_videos": "context_stream"}
MEASURED = ["100x80", "1080x1920", "224x224", "240x241", "300x401", "360x640", "640x360"]

RAW = {name: False for name in ("do_resize", "do_center_crop", "do_rescale", "do_normalize")}


def small(num_frames: int) -> MobileVideoGPTVideoProcessor:
    return MobileVideoGPTVideoProcessor(
        num_frames=num_frames, size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )


@pytest.fixture(scope="module")
def processor() -> MobileVideoGPTVideoProcessor:
    """Small, of four frames."""
    return small(num_frames=4)


def make_frames(num_frames: int = 4, height: int = 30, width: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8)


def assert_same(features, expected) -> None:
    for name in STREAMS:
        assert torch.equal(features[name], expected[name]), name


@pytest.fixture(scope="module")
def measured() -> dict[str, torch.Tensor]:
    return load_file(DATA / "preprocessing.safetensors")


@pytest.mark.parametrize("size", MEASURED)
def test_measured_pixels(measured, size):
    height, width = map(int, size.split("x"))
    blocks = np.random.default_rng(zlib.crc32(f"frames.{size}".encode())).integers(0, 256, (2, 9, 16, 3), np.uint8)
    frames = blocks[:, np.arange(height) * 9 // height][:, :, np.arange(width) * 16 // width]
    processor = MobileVideoGPTVideoProcessor()
    features = processor(frames, do_sample_frames=False, return_tensors="pt")
    stds = {"pixel_values_videos": processor.image_std, "context_pixel_values_videos": processor.context_image_std}
    for name, stream in STREAMS.items():
        assert features[name].shape == (1, 2, 3, 224, 224)
        assert features[name].dtype == torch.float32
        difference = (features[name][0, :, :, ::8, ::8] - measured[f"{size}/{stream}"]).abs()
        grey_levels = difference * 255 * torch.tensor(stds[name])[:, None, None]
        assert grey_levels.max() < 1.01
        assert grey_levels.mean() < 0.03


def test_all_measured_pixels_are_compared(measured):
    assert set(measured) == {f"{size}/{stream}" for size in MEASURED for stream in STREAMS.values()}


def test_short_videos_are_followed_by_zero_frames(processor):
    features = processor(np.zeros((3, 30, 40, 3), np.uint8), return_tensors="pt")
    for name in STREAMS:
        assert features[name].shape == (1, 4, 3, 32, 32)
        assert (features[name][0, :3] < -1).all()  # black, normalized
        assert (features[name][0, 3:] == 0).all()


def test_layouts_and_containers(processor):
    frames = make_frames()
    expected = processor(frames, return_tensors="pt")
    images = [Image.fromarray(frame) for frame in frames]
    channels_first = np.ascontiguousarray(frames.transpose(0, 3, 1, 2))
    forms = [
        channels_first,
        torch.from_numpy(frames),
        torch.from_numpy(channels_first),
        images,
        tuple(images),
        [image.convert("RGBA") for image in images],
        list(frames),
        list(torch.from_numpy(channels_first)),
        [[images]],
        frames[None],
        torch.from_numpy(frames)[None],
        np.concatenate([frames, np.full_like(frames[..., :1], 255)], axis=-1),
        np.concatenate([channels_first, np.full_like(channels_first[:, :1], 255)], axis=1),
    ]
    for form in forms:
        assert_same(processor(form, return_tensors="pt"), expected)


def test_grey_frames(processor):
    frames = make_frames()[..., :1]
    expected = processor(np.repeat(frames, 3, axis=-1), return_tensors="pt")
    assert_same(processor(frames, return_tensors="pt"), expected)
    assert_same(processor(frames.transpose(0, 3, 1, 2), return_tensors="pt"), expected)
    assert_same(processor([Image.fromarray(frame[..., 0]) for frame in frames], return_tensors="pt"), expected)


def test_transparent_frames_are_white(processor):
    frames = np.concatenate([make_frames(), np.zeros((4, 30, 40, 1), np.uint8)], axis=-1)
    expected = processor(np.full((4, 30, 40, 3), 255, np.uint8), return_tensors="pt")
    assert_same(processor(frames, return_tensors="pt"), expected)
    assert_same(processor([Image.fromarray(frame) for frame in frames], return_tensors="pt"), expected)


def test_half_transparent_frames_are_mixed_with_white(processor):
    frames = np.full((4, 30, 40, 4), (101, 101, 101, 128), np.uint8)
    for stream in processor(frames, **RAW).values():
        assert stream[0].unique().tolist() == [round((127 * 255 + 128 * 101) / 255)]


def test_layout_that_cannot_be_told(processor):
    frames = make_frames(height=3)
    assert_same(
        processor(frames, input_data_format="channels_last", return_tensors="pt"),
        processor(frames.transpose(0, 3, 1, 2), input_data_format="channels_first", return_tensors="pt"),
    )


@pytest.mark.parametrize("do_sample_frames", [True, False])
def test_batch_of_different_lengths_and_sizes(do_sample_frames):
    processor = small(num_frames=4 if do_sample_frames else 9)
    videos = [make_frames(4), torch.from_numpy(make_frames(2, 50, 20)).permute(0, 3, 1, 2), make_frames(9, 30, 90)]
    options = {"do_sample_frames": do_sample_frames, "return_tensors": "pt"}
    batch = processor(videos, **options)
    for name in STREAMS:
        assert len(batch[name]) == 3
        assert batch[name].shape[1] == (4 if do_sample_frames else 9)
        for row, video in zip(batch[name], videos, strict=True):
            [single] = processor(video, **options)[name]
            assert torch.equal(row[: len(single)], single)
            assert (row[len(single) :] == 0).all()


def test_one_image_is_a_video_of_one_frame(processor):
    [frame] = make_frames(1)
    expected = processor(frame[None], return_tensors="pt")
    assert_same(processor(frame, return_tensors="pt"), expected)
    assert_same(processor(Image.fromarray(frame), return_tensors="pt"), expected)


@pytest.mark.parametrize(
    "form", [str, Path, Path.read_bytes, lambda path: [[path]]], ids=["str", "Path", "bytes", "nested"]
)
def test_video_file(clip, processor, form):
    features = processor(form(clip("h264.mp4")), return_metadata=True, **RAW)
    [metadata] = features["video_metadata"]
    assert metadata.frames_indices == [0, 10, 20, 30]
    assert metadata.timestamps == pytest.approx([0, 1, 2, 3])
    for name in STREAMS:
        assert read_marks(features[name][0]) == [0, 10, 20, 30]


@pytest.mark.parametrize(
    "write, indices",
    [
        (lambda path: write_gif(path.with_suffix(".gif"), [100] * 12), [0, 3, 6, 9]),
        (lambda path: write_folder(path, [f"frame_{number}.png" for number in range(12)]), [0, 3, 7, 11]),
    ],
    ids=["gif", "folder_without_a_frame_rate"],
)
def test_pictures_in_files(tmp_path, processor, write, indices):
    features = processor(write(tmp_path / "clip"), return_metadata=True, **RAW)
    assert features["video_metadata"][0].frames_indices == indices
    assert read_marks(features["pixel_values_videos"][0]) == indices


def test_list_of_frame_paths(tmp_path, processor):
    folder = write_folder(tmp_path / "frames", ["b.png", "a.png", "c.png"])
    paths = [str(folder / "a.png"), folder / "c.png"]
    features = processor([[paths]], do_sample_frames=False, return_metadata=True, **RAW)
    assert read_marks(features["pixel_values_videos"][0]) == [1, 2]
    assert features["video_metadata"][0].frames_indices == [0, 1]
    with pytest.raises(ValueError, match="Sampling frames from a list of images is not supported! Set `do_sample_fr"):
        processor([[paths]])


def test_segment(clip, processor):
    features = processor(clip("h264.mp4"), start_seconds=1.25, end_seconds=1.55, return_metadata=True, **RAW)
    assert read_marks(features["pixel_values_videos"][0]) == [12, 13, 14, 15]
    assert features["video_metadata"][0].timestamps == pytest.approx([1.2, 1.3, 1.4, 1.5])


def test_other_number_of_frames(clip, processor):
    features = processor(clip("h264.mp4"), num_frames=2, return_tensors="pt")
    assert features["pixel_values_videos"].shape == (1, 2, 3, 32, 32)
    with pytest.raises(ValueError, match=r"`num_frames` \(41\) is more than the 40 frames there are"):
        processor(clip("h264.mp4"), num_frames=41)


def test_rate(clip):
    features = small(num_frames=8)(clip("h264.mp4"), fps=2, return_metadata=True, **RAW)
    assert read_marks(features["pixel_values_videos"][0]) == list(range(0, 40, 5))


def test_all_frames(clip):
    features = small(num_frames=40)(
        clip("h264.mp4"), do_sample_frames=False, return_metadata=True, return_tensors="pt"
    )
    assert features["pixel_values_videos"].shape == (1, 40, 3, 32, 32)
    assert features["video_metadata"][0].frames_indices == list(range(40))


def test_decoder(clip, processor, backend):
    features = processor(clip("h264.mp4"), video_backend=backend, return_metadata=True, **RAW)
    assert features["video_metadata"][0].video_backend == backend
    assert read_marks(features["pixel_values_videos"][0]) == [0, 10, 20, 30]


def test_metadata_only_on_request(processor):
    assert set(processor(make_frames())) == set(STREAMS)


@pytest.mark.parametrize("form", [dict, lambda fields: [fields], lambda fields: [VideoMetadata(**fields)]])
def test_metadata_of_an_array(processor, form):
    metadata = form({"total_num_frames": 9, "fps": 2.0})
    before = repr(metadata)
    features = processor(make_frames(9), video_metadata=metadata, start_seconds=1, return_metadata=True)
    [given] = features["video_metadata"]
    assert given.frames_indices == [2, 4, 6, 8]
    assert given.timestamps == [1, 2, 3, 4]
    assert repr(metadata) == before


def test_metadata_of_frames_that_are_sampled_already(processor):
    metadata = {"total_num_frames": 400, "fps": 10.0, "frames_indices": [0, 100, 200, 300]}
    features = processor(make_frames(4), video_metadata=metadata, do_sample_frames=False, return_metadata=True)
    assert features["video_metadata"][0].timestamps == [0, 10, 20, 30]
    with pytest.raises(ValueError, match="`video_metadata` is of 400 frames, but 4 are there to sample from"):
        processor(make_frames(4), video_metadata=metadata)


def test_options_of_the_constructor(clip):
    options = {"num_frames": 3, "start_seconds": 1, "end_seconds": 1.2, "return_metadata": True, **RAW}
    features = MobileVideoGPTVideoProcessor(**options)(clip("h264.mp4"))
    assert read_marks(features["pixel_values_videos"][0]) == [10, 11, 12]
    assert features["video_metadata"][0].frames_indices == [10, 11, 12]


def test_sizes(processor):
    sizes = {"size": {"shortest_edge": 48}, "crop_size": {"height": 24, "width": 36}}
    features = processor(make_frames(), **sizes, return_tensors="pt")
    for name in STREAMS:
        assert features[name].shape == (1, 4, 3, 24, 36)


def test_statistics(processor):
    frames = np.full((4, 30, 40, 3), 255, np.uint8)
    given = {"image_mean": 0.5, "image_std": 0.25, "context_image_mean": [0.0] * 3, "context_image_std": [0.125] * 3}
    features = processor(frames, **given, return_tensors="pt")
    assert (features["pixel_values_videos"] == 2).all()
    assert (features["context_pixel_values_videos"] == 8).all()


def test_filters(processor):
    """The streams differ in nothing but resizing and statistics."""
    same = {"image_mean": 0.5, "image_std": 0.5, "context_image_mean": 0.5, "context_image_std": 0.5}
    frames = make_frames(4, 32, 32)
    video, context = (processor(frames, **same, return_tensors="pt")[name] for name in STREAMS)
    assert torch.equal(video, context)
    changed = processor(make_frames(), context_resample=Image.Resampling.NEAREST, return_tensors="pt")
    unchanged = processor(make_frames(), return_tensors="pt")
    assert torch.equal(changed["pixel_values_videos"], unchanged["pixel_values_videos"])
    assert not torch.equal(changed["context_pixel_values_videos"], unchanged["context_pixel_values_videos"])


@pytest.mark.parametrize("tensors, kind", [("pt", torch.Tensor), ("np", np.ndarray), (None, list)])
def test_kind_of_tensors(processor, tensors, kind):
    features = processor(make_frames(), device="cpu", return_tensors=tensors)
    assert {type(features[name]) for name in STREAMS} == {kind}


@pytest.mark.needs_cuda
@pytest.mark.parametrize("size", [None, (360, 640), (1080, 1920), (32, 4000)], ids=str)
def test_on_a_gpu_as_on_the_cpu(size):
    """Within one of 255 grey levels, or two at single pixels: CPUs resize in integers, and round between columns and rows."""
    if size is None:
        video = str(CLIP)
    else:
        blocks = make_frames(2, 9, 16)
        video = blocks[:, np.arange(size[0]) * 9 // size[0]][:, :, np.arange(size[1]) * 16 // size[1]]
    processor = MobileVideoGPTVideoProcessor(num_frames=2)
    options = {"return_tensors": "pt", "do_sample_frames": size is None}
    on_cpu, on_gpu = processor(video, **options), processor(video, device="cuda", **options)
    for name, std in zip(STREAMS, (processor.image_std, processor.context_image_std), strict=True):
        assert on_gpu[name].device.type == "cuda"
        levels = (on_gpu[name].cpu() - on_cpu[name]).abs() * 255 * torch.tensor(std)[:, None, None]
        assert levels.max() <= 2.01
        assert (levels > 1.01).float().mean() < 1e-4


def test_saved_and_loaded(tmp_path, processor):
    saved = MobileVideoGPTVideoProcessor(
        num_frames=4, crop_size={"height": 32, "width": 32}, context_image_mean=0.25, start_seconds=0.5
    )
    saved.save_pretrained(tmp_path)
    loaded = AutoVideoProcessor.from_pretrained(tmp_path)
    assert type(loaded) is MobileVideoGPTVideoProcessor
    assert loaded.to_dict() == saved.to_dict() != processor.to_dict()


@pytest.mark.parametrize("videos", [[], [[]]])
def test_no_video(processor, videos):
    with pytest.raises(ValueError, match="No video was given"):
        processor(videos)


def test_unknown_option(processor):
    with pytest.raises(
        ValueError, match="Unknown option 'frame_rate', 'num_frame'; the options of .* are .*num_frames"
    ):
        processor(make_frames(), num_frame=3, frame_rate=2)


@pytest.mark.parametrize("options", [{"num_frames": 2.5}, {"start_seconds": "2"}, {"video_backend": 1}])
def test_option_of_the_wrong_type(processor, options):
    [name] = options
    with pytest.raises(
        ValueError, match=f"^`{name}` must be .* or None, got {type(options[name]).__name__} {options[name]!r}\\."
    ):
        processor(make_frames(), **options)


def test_not_a_video(processor):
    with pytest.raises(ValueError, match=r"The video '.*test_video_processing.py' could not be read"):
        processor(__file__)


def test_missing_file(processor):
    with pytest.raises(FileNotFoundError, match="There is no video at 'missing.mp4'"):
        processor("missing.mp4")


def test_metadata_of_the_wrong_number_of_videos(processor):
    with pytest.raises(ValueError, match="Received 1 videos but 2 `video_metadata` entries"):
        processor(make_frames(), video_metadata=[{"total_num_frames": 4}] * 2)
