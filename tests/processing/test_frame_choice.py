# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""More frames than the model takes: in every form the same ones are taken, with their times and one warning."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from transformers_mvgpt import MobileVideoGPTVideoProcessor, TinyLlavaVideoVideoProcessor
from transformers_mvgpt.video.video_decoding import decode_video
from transformers_mvgpt.video.video_metadata import SampledVideoMetadata
from video_files import read_marks


RAW = {name: False for name in ("do_resize", "do_center_crop", "do_rescale", "do_normalize")}
RAW_OF_TINYLLAVA = {name: value for name, value in RAW.items() if name != "do_center_crop"}


@pytest.fixture(scope="module")
def frames(clip) -> np.ndarray:
    """40 marked frames, which were 10 in a second."""
    decoded, _ = decode_video(clip("h264.mp4"))
    return decoded.permute(0, 2, 3, 1).numpy()


@pytest.fixture(params=["Mobile-VideoGPT", "TinyLLaVA-Video"])
def prepare(request):
    """Prepares a video for a model of four frames: what is marked on the frames, and their metadata."""

    def prepare(video, **options):
        if request.param == "Mobile-VideoGPT":
            processor = MobileVideoGPTVideoProcessor(num_frames=4, **RAW)
        else:
            processor = TinyLlavaVideoVideoProcessor(num_frames=4, max_frames=4, **RAW_OF_TINYLLAVA)
        features = processor([[video]], return_metadata=True, **options)
        return read_marks(features["pixel_values_videos"][0]), features["video_metadata"][0]

    prepare.is_of_seconds = request.param == "Mobile-VideoGPT"
    return prepare


def write_frames(frames: np.ndarray, folder) -> list[str]:
    paths = [str(folder / f"{number:02}.png") for number in range(len(frames))]
    for frame, path in zip(frames, paths, strict=True):
        Image.fromarray(frame).save(path)
    return paths


FORMS = {
    "file": lambda frames, clip, folder: clip("h264.mp4"),
    "bytes": lambda frames, clip, folder: clip("h264.mp4").read_bytes(),
    "array": lambda frames, clip, folder: frames,
    "tensor": lambda frames, clip, folder: torch.from_numpy(frames).permute(0, 3, 1, 2),
    "list of arrays": lambda frames, clip, folder: list(frames),
    "list of images": lambda frames, clip, folder: [Image.fromarray(frame) for frame in frames],
    "list of paths": lambda frames, clip, folder: write_frames(frames, folder),
}


@pytest.mark.parametrize("form", FORMS)
def test_all_frames_of_a_video(clip, frames, tmp_path, prepare, form):
    video = FORMS[form](frames, clip, tmp_path)
    known = {} if form in ("file", "bytes") else {"video_metadata": [{"total_num_frames": 40, "fps": 10.0}]}
    with pytest.warns(UserWarning, match=r"at most 4 frames of a video: 4 of 40 are used. Ask for fewer") as given:
        marks, metadata = prepare(video, do_sample_frames=False, **known)
    assert len(given) == 1
    # the frames that it would have sampled itself
    expected = [0, 10, 20, 30] if prepare.is_of_seconds else [0, 13, 26, 39]
    assert marks == metadata.frames_indices == expected
    assert metadata.timestamps == pytest.approx([index / 10 for index in expected])


@pytest.mark.parametrize("options", [{"num_frames": 8}, {"fps": 2}], ids=["number", "rate"])
def test_frames_that_are_sampled_here(clip, prepare, options):
    with pytest.warns(UserWarning, match="4 of [78] are used"):
        marks, metadata = prepare(clip("h264.mp4"), start_seconds=0.1, end_seconds=3.85, **options)
    first, last = (1, 31) if prepare.is_of_seconds else (1, 38)
    assert marks == metadata.frames_indices and (marks[0], marks[-1]) == (first, last) and len(marks) == 4
    assert metadata.timestamps == pytest.approx([index / 10 for index in marks])


def test_frames_that_were_sampled_before(frames, prepare):
    """As vLLM does it, whatever the model takes."""
    indices = np.linspace(0, 399, 32).astype(int)
    known = {"total_num_frames": 400, "fps": 20.0, "frames_indices": indices.tolist(), "duration": 20.0}
    with pytest.warns(UserWarning, match="4 of 32 are used"):
        marks, metadata = prepare(frames[:32], video_metadata=[known], do_sample_frames=False)
    assert metadata.frames_indices == indices[marks].tolist()
    assert metadata.timestamps == (indices[marks] / 20).tolist()
    assert (metadata.total_num_frames, metadata.fps) == (400, 20)
    assert marks == ([0, 10, 20, 30] if prepare.is_of_seconds else [0, 10, 20, 31])


def test_frames_of_which_nothing_is_known(frames, prepare):
    with pytest.warns(UserWarning, match="4 of 40 are used"):
        marks, metadata = prepare(frames, do_sample_frames=False)
    assert marks == metadata.frames_indices == [0, 13, 26, 39]


def test_times_of_frames_are_kept_and_gone_by(frames, prepare):
    seconds = [*np.arange(20) / 20, *np.arange(1, 21)]  # most frames are in the first second
    known = SampledVideoMetadata(total_num_frames=40, frames_indices=list(range(40)), timestamps_seconds=seconds)
    with pytest.warns(UserWarning, match="4 of 40 are used"):
        marks, metadata = prepare(frames, video_metadata=[known], do_sample_frames=False, sampling="time")
    assert metadata.timestamps == [seconds[mark] for mark in marks]
    assert np.diff(metadata.timestamps).min() > 5
    assert known.timestamps_seconds == seconds and known.frames_indices == list(range(40))


def test_several_videos_are_warned_of_once(frames):
    processor = MobileVideoGPTVideoProcessor(num_frames=4)
    with pytest.warns(UserWarning, match="4 of 5, 4 of 40 are used") as given:
        features = processor([frames, frames[:5], frames[:3]], do_sample_frames=False, return_tensors="pt")
    assert len(given) == 1
    assert features["pixel_values_videos"].shape[:2] == (3, 4)


def test_as_many_frames_as_the_model_takes(clip, frames, prepare):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert prepare(frames[:4], do_sample_frames=False)[0] == [0, 1, 2, 3]
        assert len(prepare(clip("h264.mp4"))[0]) == 4
        assert len(prepare(clip("h264.mp4"), num_frames=3)[0]) == 3


def test_tinyllava_takes_up_to_its_greatest_number(frames):
    for processor, options in (
        (TinyLlavaVideoVideoProcessor(max_frames=9), {}),
        (TinyLlavaVideoVideoProcessor(num_frames=30, max_frames=9), {}),
        (TinyLlavaVideoVideoProcessor(max_frames=9), {"num_frames": 35, "max_frames": 35}),
    ):
        limit = max(processor.num_frames, options.get("max_frames", 9))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            features = processor(frames[:limit], return_tensors="pt", do_sample_frames=False, **options)
            assert features["pixel_values_videos"].shape[1] == limit
        with pytest.warns(UserWarning, match=f"{limit} of {limit + 1} are used"):
            features = processor(frames[: limit + 1], return_tensors="pt", do_sample_frames=False, **options)
        assert features["pixel_values_videos"].shape[1] == limit
