# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The frames that a model of each family saw of a visual, beside what it makes of it."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, pipeline

from tiny_trained import MOBILEVLM, PICTURE_SEEDS, TINYLLAVA, picture, write_drawn_clip
from transformers_mvgpt import FrameSelection, VideoChat
from transformers_mvgpt.demo import CHECKPOINT, CLIP
from transformers_mvgpt.viewing import encode_with_frames


@pytest.fixture(scope="module")
def loaded():
    def load(folder):
        if folder not in known:
            known[folder] = (
                AutoModelForImageTextToText.from_pretrained(folder),
                AutoProcessor.from_pretrained(folder),
            )
        return known[folder]

    known = {}
    return load


def decoded_frame(index):
    import av

    with av.open(str(CLIP)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][index]


@pytest.mark.parametrize("frame_selection", [None, "uniform", "rarest"])
def test_mobile_videogpt(loaded, frame_selection):
    model, processor = loaded(CHECKPOINT)
    features, selection = encode_with_frames(model, processor, str(CLIP), frame_selection=frame_selection)
    expected = VideoChat(model, processor, str(CLIP), frame_selection=frame_selection).video
    assert torch.equal(features.pooler_output, expected.pooler_output)

    assert (selection.method, selection.frames_per_chunk) == (frame_selection or "scores", 8)
    assert (len(selection.frames), len(selection.selected), selection.num_zero_frames) == (16, 8, 0)
    assert [number for number, frame in enumerate(selection.frames) if frame.is_selected] == features.selected_frames[
        0
    ].tolist()
    assert [frame.score for frame in selection.frames] == features.frame_scores[0].tolist()
    frame = selection.frames[3]
    assert frame.seconds == pytest.approx(frame.index / 12)  # frames per second of the clip
    difference = np.asarray(frame.image).astype(int) - decoded_frame(frame.index)
    assert frame.image.size == (192, 108) and abs(difference).max() <= 1


def test_short_segment_and_large_frames(loaded):
    """Zero frames are no frames; large ones are made small, of the same shape."""
    model, processor = loaded(CHECKPOINT)
    _, selection = encode_with_frames(model, processor, str(CLIP), start_seconds=1, end_seconds=1.3)
    assert (len(selection.frames), selection.num_zero_frames) == (4, 12)
    assert [frame.index for frame in selection.frames] == [12, 13, 14, 15]
    frames = np.random.default_rng(0).integers(0, 255, (20, 480, 1000, 3), np.uint8)
    _, selection = encode_with_frames(model, processor, frames)
    assert {frame.image.size for frame in selection.frames} == {(320, 154)}
    assert {frame.seconds for frame in selection.frames} == {None}


def test_tinyllava(loaded, tmp_path):
    """It sees all frames, and a single image as a video of one frame."""
    model, processor = loaded(TINYLLAVA)
    path = write_drawn_clip(tmp_path / "clip.mp4")
    features, selection = encode_with_frames(model, processor, path, num_frames=8)
    assert torch.equal(features.pooler_output, VideoChat(model, processor, path, num_frames=8).video.pooler_output)
    assert (selection.method, selection.frames_per_chunk) == (None, None)
    assert [(frame.score, frame.is_selected) for frame in selection.frames] == [(None, True)] * 8
    assert selection.frames[0].seconds == 0 and selection.frames[0].image.size == (128, 128)
    features, selection = encode_with_frames(model, processor, picture(PICTURE_SEEDS[0]))
    [frame] = selection.frames
    assert (frame.index, frame.seconds) == (0, None)
    assert np.array_equal(np.asarray(frame.image), np.asarray(picture(PICTURE_SEEDS[0]).convert("RGB")))


def test_mobilevlm(loaded, tmp_path):
    model, processor = loaded(MOBILEVLM)
    path = tmp_path / "picture.png"
    picture(PICTURE_SEEDS[0]).save(path)
    images = [str(path), np.array(picture(PICTURE_SEEDS[1]).convert("RGB"))]
    features, selection = encode_with_frames(model, processor, images)
    assert torch.equal(features.pooler_output, VideoChat(model, processor, images).video.pooler_output)
    assert [(frame.index, frame.seconds, frame.is_selected) for frame in selection.frames] == [
        (0, None, True),
        (1, None, True),
    ]
    assert np.array_equal(np.asarray(selection.frames[1].image), images[1])


@pytest.mark.parametrize("folder", [TINYLLAVA, MOBILEVLM], ids=["tinyllava", "mobilevlm"])
def test_other_families_refuse_a_choice(loaded, folder):
    model, processor = loaded(folder)
    message = (
        f"A {type(model).__name__} selects no frames, it looks at all that it is given: leave `frame_selection` out"
    )
    image = Image.new("RGB", (64, 64))
    with pytest.raises(ValueError, match=message):
        encode_with_frames(model, processor, image, frame_selection="uniform")
    with pytest.raises(ValueError, match=message):
        VideoChat(model, processor, image, frame_selection="uniform")
    pipe = pipeline("video-text-to-text", model=model, processor=processor)
    with pytest.raises(ValueError, match=message):
        pipe(images=image, text="What?", frame_selection="uniform")


def test_wrong_choices_are_refused_before_the_video_is_read(loaded):
    model, processor = loaded(CHECKPOINT)
    for function in (encode_with_frames, VideoChat):
        with pytest.raises(
            ValueError, match="`frame_selection` .'best'. must be one of 'scores', 'uniform', 'rarest'"
        ):
            function(model, processor, "/there/is/none.mp4", frame_selection="best")
    encoded = VideoChat(model, processor, str(CLIP)).video
    with pytest.raises(ValueError, match="'frame_selection' cannot be applied to a video that is encoded already"):
        VideoChat(model, processor, encoded, frame_selection="rarest")


def test_records_of_the_pipeline(loaded):
    model, processor = loaded(CHECKPOINT)
    pipe = pipeline("video-text-to-text", model=model, processor=processor)
    options = {"return_selected_frames": True, "max_new_tokens": 4}
    expected = encode_with_frames(model, processor, str(CLIP), frame_selection="rarest")[1]
    [record] = pipe(str(CLIP), text="What happens?", frame_selection="rarest", **options)
    assert json.loads(json.dumps(record)) == record
    assert [frame["index"] for frame in record["selected_frames"]] == [frame.index for frame in expected.selected]
    found = FrameSelection.from_record(record, str(CLIP))
    assert (found.method, found.frames_per_chunk) == ("rarest", 8)
    for one, other in zip(found.frames, expected.frames, strict=True):
        assert (one.index, one.seconds, one.is_selected) == (other.index, other.seconds, other.is_selected)
        assert one.score == pytest.approx(other.score)
        assert np.array_equal(np.asarray(one.image), np.asarray(other.image))
    assert {frame.image for frame in FrameSelection.from_record(record).frames} == {None}

    # the answer is that of the choice, with and without its frames
    texts = {
        name: pipe(str(CLIP), text="What happens?", frame_selection=name, max_new_tokens=4)[0]["generated_text"]
        for name in ("scores", "rarest")
    }
    assert texts["rarest"] == record["generated_text"]
    assert texts["scores"] == pipe(str(CLIP), text="What happens?", max_new_tokens=4)[0]["generated_text"]

    with pytest.raises(ValueError, match="call the pipeline with `return_selected_frames=True`"):
        FrameSelection.from_record({"generated_text": "yes"})
    two = {"frame_selections": record["frame_selections"] * 2}
    with pytest.raises(ValueError, match="This record is about 2 videos: pass .*number=0"):
        FrameSelection.from_record(two)
    assert FrameSelection.from_record(two, number=1).method == "rarest"
    with pytest.raises(ValueError, match="`number` .2. must be from 0 to 1"):
        FrameSelection.from_record(two, number=2)
    with pytest.raises(ValueError, match="names frame 105, and this video has 20 frames"):
        FrameSelection.from_record(record, np.zeros((20, 32, 32, 3), np.uint8))
