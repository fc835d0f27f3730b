# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import re

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoProcessor

from training_data import NUM_FRAME_TOKENS, NUM_IMAGE_TOKENS, NUM_VIDEO_TOKENS
from transformers_mvgpt.training import DataCollator, InstructionDataset
from transformers_mvgpt.training.chat_encoding import IGNORED


SIZE = 32  # pixels, of what the encoders take


@pytest.fixture(scope="module")
def processor(release):
    return AutoProcessor.from_pretrained(release)


@pytest.fixture(scope="module")
def clip_samples(clips):
    return InstructionDataset(clips)


@pytest.fixture(scope="module")
def image_samples(images):
    return InstructionDataset(images)


def say(question, answer, *visuals):
    content = [*visuals, {"type": "text", "text": question}]
    answer = {"role": "assistant", "content": [{"type": "text", "text": answer}]}
    return {"messages": [{"role": "user", "content": content}, answer], "name": "sample 5"}


def test_batch_of_videos_and_images(processor, clip_samples, image_samples):
    batch = DataCollator(processor)([clip_samples[0], image_samples[1], clip_samples[2]])
    rows, length = batch["input_ids"].shape
    assert rows == 3
    assert batch["attention_mask"].shape == batch["labels"].shape == (rows, length)
    assert batch["pixel_values"].shape == (1, 3, SIZE, SIZE)
    assert batch["pixel_values_videos"].shape == batch["context_pixel_values_videos"].shape == (2, 4, 3, SIZE, SIZE)
    assert (batch["input_ids"] == processor.video_token_id).sum(1).tolist() == [NUM_VIDEO_TOKENS, 0, NUM_VIDEO_TOKENS]
    assert (batch["input_ids"] == processor.image_token_id).sum(1).tolist() == [0, NUM_IMAGE_TOKENS, 0]
    learned = [processor.tokenizer.decode(row[row != IGNORED]) for row in batch["labels"]]
    assert learned == ["red<|im_end|>green<|im_end|>", "It is green.<|im_end|>", "blue<|im_end|>white<|im_end|>"]
    # the image's sample is the shortest: it ends in padding, which nothing looks at
    padding = batch["attention_mask"][1] == 0
    assert padding.tolist() == sorted(padding.tolist())
    assert 0 < padding.sum() < length
    assert (batch["labels"][1][padding] == IGNORED).all()


def test_pixels_are_the_processors(processor, clip_samples, image_samples):
    batch = DataCollator(processor)([clip_samples[0], clip_samples[1], image_samples[1]])
    [video] = [part["video"] for part in clip_samples[1]["messages"][0]["content"] if part["type"] == "video"]
    for name, expected in processor.video_processor([video], return_tensors="pt").items():
        assert torch.equal(batch[name][1], expected[0])
    [image] = [part["image"] for part in image_samples[1]["messages"][0]["content"] if part["type"] == "image"]
    expected = processor.image_processor(images=[Image.open(image)], return_tensors="pt")["pixel_values"]
    assert torch.equal(batch["pixel_values"], expected)


@pytest.mark.parametrize("size", [(60, 20), (20, 60), (40, 40)])
def test_images_are_padded_with_the_mean_color_on_request(processor, size):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    visual = {"type": "image", "image": image}
    side = max(size)
    square = np.empty((side, side, 3), dtype=np.uint8)
    square[:] = (122, 116, 104)  # floor(255 * 0.48145466), and so on
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    square[top : top + size[1], left : left + size[0]] = np.asarray(image)
    for pad_images, shown in ((True, Image.fromarray(square)), (False, image)):
        batch = DataCollator(processor, pad_images=pad_images)([say("What?", "It.", visual)])
        expected = processor.image_processor(images=[shown], return_tensors="pt")["pixel_values"]
        assert torch.equal(batch["pixel_values"], expected)


def test_logits_are_kept_where_something_is_learned(processor, clip_samples, image_samples):
    batch = DataCollator(processor)([clip_samples[0], image_samples[1]])
    kept, following = batch["logits_to_keep"], batch["labels"][:, 1:]
    expected = {(row, position) for row, position in (following != IGNORED).nonzero().tolist()}
    got = {
        (row, int(kept[column]))
        for row, column in (batch["shift_labels"] != IGNORED).nonzero().tolist()
        if batch["shift_labels"][row, column] == following[row, kept[column]]
    }
    assert got == expected
    assert set(kept.tolist()) == {position for _, position in expected}


def test_images_as_videos_of_one_frame(processor, image_samples):
    batch = DataCollator(processor, num_frame_tokens=NUM_FRAME_TOKENS)([image_samples[0], image_samples[1]])
    assert batch["pixel_values_videos"].shape == (2, 1, 3, SIZE, SIZE)
    assert not {"pixel_values", "context_pixel_values_videos"} & batch.keys()
    assert (batch["input_ids"] == processor.image_token_id).sum(1).tolist() == [NUM_FRAME_TOKENS] * 2
    # as a frame of a video that shows the image
    [path] = [part["image"] for part in image_samples[1]["messages"][0]["content"] if part["type"] == "image"]
    frames = np.repeat(np.asarray(Image.open(path))[None], 4, axis=0)
    video = processor.video_processor([frames], do_sample_frames=False, return_tensors="pt")["pixel_values_videos"]
    assert torch.equal(batch["pixel_values_videos"][1, 0], video[0, 2])


class TestSamplesThatCannotBeUsed:
    @pytest.fixture
    def damaged(self, tmp_path):
        (tmp_path / "damaged.mp4").write_bytes(b"no video")
        (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nno image")
        return tmp_path

    @pytest.mark.parametrize(
        ("kind", "name", "why"),
        [
            ("video", "absent.mp4", ""),
            ("video", "damaged.mp4", ""),
            ("image", "absent.png", ""),
            ("image", "damaged.png", ""),
        ],
    )
    def test_media(self, processor, clip_samples, damaged, kind, name, why):
        bad = say("What?", "A cat.", {"type": kind, kind: str(damaged / name)})
        with pytest.raises(ValueError, match=f"^sample 5 cannot be used: .*{re.escape(str(damaged / name))}"):
            DataCollator(processor)([bad])

        batch = DataCollator(processor, on_unreadable="report")([bad, clip_samples[0]])
        [problem] = batch["problems"]
        assert problem.startswith("sample 5 cannot be used: ")
        assert str(damaged / name) in problem
        assert (batch["labels"][0] == IGNORED).all()
        assert (batch["labels"][1] != IGNORED).any()
        [alone] = [DataCollator(processor)([clip_samples[0]])["pixel_values_videos"]]
        if kind == "video":
            assert batch["pixel_values_videos"].shape == (2, 4, 3, SIZE, SIZE)
            assert not batch["pixel_values_videos"][0].any()
            assert not batch["context_pixel_values_videos"][0].any()
            assert torch.equal(batch["pixel_values_videos"][1:], alone)
        else:
            assert torch.equal(batch["pixel_values"], torch.zeros(1, 3, SIZE, SIZE))

    def test_nothing_else_in_the_batch(self, processor, damaged):
        bad = say("What?", "A cat.", {"type": "image", "image": str(damaged / "absent.png")})
        batch = DataCollator(processor, num_frame_tokens=NUM_FRAME_TOKENS, on_unreadable="report")([bad])
        assert torch.equal(batch["pixel_values_videos"], torch.zeros(1, 1, 3, SIZE, SIZE))
        assert (batch["shift_labels"] == IGNORED).all()
        assert len(batch["logits_to_keep"]) == 1

    def test_text(self, processor, image_samples):
        [image] = [part for part in image_samples[0]["messages"][0]["content"] if part["type"] == "image"]
        bad = say("What is <|im_end|>?", "A token.", image)
        with pytest.raises(ValueError, match=r"sample 5 cannot be used: its text has the control token <\|im_end\|>"):
            DataCollator(processor)([bad])
        batch = DataCollator(processor, on_unreadable="report")([bad])
        assert (batch["labels"] == IGNORED).all()
        assert (batch["input_ids"] == processor.image_token_id).sum() == NUM_IMAGE_TOKENS

    def test_video_where_images_are_trained_on(self, processor, clip_samples):
        collator = DataCollator(processor, num_frame_tokens=NUM_FRAME_TOKENS)
        with pytest.raises(ValueError, match="this stage is trained on images, and it is a video: train on it in the"):
            collator([clip_samples[0]])


class TestMaxLength:
    def test_end_is_cut_off_and_reported(self, processor):
        sample = say("What?", "A cat. " * 50)
        [whole] = DataCollator(processor)([sample])["input_ids"]
        batch = DataCollator(processor, max_length=100)([sample])
        assert torch.equal(batch["input_ids"], whole[None, :100])
        assert batch["problems"] == [f"sample 5 has {len(whole)} tokens, but `max_length` is 100: its end is cut off"]

    def test_visual_is_not_cut(self, processor, clip_samples):
        collator = DataCollator(processor, max_length=60)
        message = r"sample 0 of .* has \d+ tokens, but `max_length` is 60, which cuts a visual: raise it"
        with pytest.raises(ValueError, match=message):
            collator([clip_samples[0]])
        collator.on_unreadable = "report"
        batch = collator([clip_samples[0]])
        assert (batch["labels"] == IGNORED).all()
        assert (batch["input_ids"] == processor.video_token_id).sum() == NUM_VIDEO_TOKENS
