# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Placeholders, the count of what belongs to them, and where a processor comes from."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoProcessor,
    AutoVideoProcessor,
    CLIPImageProcessor,
    Qwen2Tokenizer,
)

from chats import PICTURE
from release_layout import IMAGE_SIZE, RELEASE_CONFIG, make_tokenizer
from transformers_mvgpt import MobileVideoGPTProcessor, MobileVideoGPTVideoProcessor
from transformers_mvgpt.processing.processing_mvgpt import CHAT_TEMPLATE


IMAGE, VIDEO = "<|image_pad|>", "<|video_pad|>"
NUM_IMAGE_TOKENS, NUM_VIDEO_TOKENS = 4, 24  # of the small release


@pytest.fixture(scope="module")
def processor(release) -> MobileVideoGPTProcessor:
    return AutoProcessor.from_pretrained(release)


def test_placeholders_become_as_many_as_there_are_rows(processor, clip):
    pieces = ["Compare ", " and ", " with ", "."]
    prompt = VIDEO.join(pieces[:2]) + IMAGE + VIDEO.join(pieces[2:])
    inputs = processor(text=prompt, videos=[clip("h264.mp4"), clip("two_frames.mkv")], images=PICTURE)
    before, first, second, after = (processor.tokenizer(piece).input_ids for piece in pieces)
    video = [processor.video_token_id] * NUM_VIDEO_TOKENS
    image = [processor.image_token_id] * NUM_IMAGE_TOKENS
    assert inputs["input_ids"] == [before + video + first + image + second + video + after]


def test_sizes_of_the_published_models(clip):
    processor = MobileVideoGPTProcessor(CLIPImageProcessor(), MobileVideoGPTVideoProcessor(), make_tokenizer())
    inputs = processor(text=VIDEO + IMAGE, videos=clip("h264.mp4"), images=PICTURE, return_tensors="pt")
    assert (inputs["input_ids"] == processor.video_token_id).sum() == 2402
    assert (inputs["input_ids"] == processor.image_token_id).sum() == 144
    assert inputs["pixel_values_videos"].shape == (1, 16, 3, 224, 224)
    assert inputs["context_pixel_values_videos"].shape == (1, 16, 3, 224, 224)
    assert inputs["pixel_values"].shape == (1, 3, 224, 224)


@pytest.mark.parametrize("visuals", [[], [[]]], ids=str)
@pytest.mark.parametrize("name", ["images", "videos"])
def test_empty_lists_are_refused(processor, name, visuals):
    with pytest.raises(ValueError, match="^No video or image was given: the list of them is empty."):
        processor(text=["Why?"], **{name: visuals})


def test_image_is_processed_as_a_frame_is(processor):
    inputs = processor(text=VIDEO + IMAGE, videos=[PICTURE], images=PICTURE, return_tensors="pt")
    torch.testing.assert_close(inputs["pixel_values"][0], inputs["context_pixel_values_videos"][0, 0])


@pytest.mark.parametrize(
    "form",
    [
        str,
        Path,
        Path.read_bytes,
        lambda path: [path],
        lambda path: [[path]],
        lambda path: np.zeros((5, 30, 40, 3), np.uint8),
        lambda path: np.zeros((1, 5, 30, 40, 3), np.uint8),
        lambda path: torch.zeros(5, 3, 30, 40, dtype=torch.uint8),
        lambda path: [PICTURE] * 3,
        lambda path: [[PICTURE] * 3],
        lambda path: PICTURE,
    ],
    ids="str Path bytes list nested array batch tensor images nested_images image".split(),
)
def test_one_video_in_any_form(processor, clip, form):
    inputs = processor(text=VIDEO, videos=form(clip("h264.mp4")), return_tensors="pt")
    assert inputs["input_ids"].shape == (1, NUM_VIDEO_TOKENS)
    assert inputs["pixel_values_videos"].shape == (1, 4, 3, IMAGE_SIZE, IMAGE_SIZE)


@pytest.mark.parametrize(
    "prompt, given, message",
    [
        (VIDEO * 2, {"videos": [PICTURE]}, "Found total 2 .*video_pad.* tokens and 1 videos"),
        (VIDEO, {"videos": [[PICTURE]] * 3}, "Found total 1 .*video_pad.* tokens and 3 videos"),
        ("What?", {"videos": [PICTURE]}, "Found total 0 .*video_pad.* tokens and 1 videos"),
        (VIDEO, {}, "Found 1 .*video_pad.* tokens in the text but no videos"),
        (IMAGE, {"images": [PICTURE] * 2}, "Found total 1 .*image_pad.* tokens and 2 images"),
        (IMAGE * 2, {"images": PICTURE}, "Found total 2 .*image_pad.* tokens and 1 images"),
        (IMAGE, {}, "Found 1 .*image_pad.* tokens in the text but no images"),
    ],
)
def test_placeholders_and_visuals_must_be_as_many(processor, prompt, given, message):
    with pytest.raises(ValueError, match=message):
        processor(text=prompt, **given)


def test_block_is_not_cut(processor):
    with pytest.raises(ValueError, match=r"Mismatch in `video` token count .* ids=\[10\] and text=\[24\]"):
        processor(text=VIDEO, videos=[PICTURE], truncation=True, max_length=10)


def test_batches_are_padded_on_the_left(processor):
    inputs = processor(text=["Hi", VIDEO + "What?"], videos=[PICTURE], padding=True, return_tensors="pt")
    hi = processor.tokenizer("Hi").input_ids
    assert inputs["input_ids"][0, -2:].tolist() == hi
    assert inputs["attention_mask"][0].tolist() == [0] * (inputs["input_ids"].shape[1] - 2) + [1, 1]
    assert inputs["attention_mask"][1].all()


def test_visuals_alone(processor):
    assert set(processor(videos=[PICTURE])) == {"pixel_values_videos", "context_pixel_values_videos"}
    assert set(processor(images=PICTURE)) == {"pixel_values"}
    assert set(processor(text="Hi")) == {"input_ids", "attention_mask"}


@pytest.mark.parametrize("nested", [True, False])
def test_options_of_the_video_processor(processor, clip, nested):
    options = {"start_seconds": 1, "end_seconds": 1.35, "return_metadata": True, "video_backend": "pyav"}
    if nested:
        options = {"videos_kwargs": options, "return_metadata": True}
        options["videos_kwargs"].pop("return_metadata")
    inputs = processor(text=VIDEO, videos=clip("h264.mp4"), **options)
    [metadata] = inputs["video_metadata"]
    assert metadata.frames_indices == [10, 11, 12, 13]
    assert metadata.timestamps == pytest.approx([1, 1.1, 1.2, 1.3])


def test_metadata_only_on_request(processor):
    assert "video_metadata" not in processor(text=VIDEO, videos=[PICTURE])


def test_unknown_option(processor):
    with pytest.raises(
        ValueError, match="Unknown option 'num_frame'; the options of MobileVideoGPTProcessor are .*num_frames"
    ):
        processor(text=VIDEO, videos=[PICTURE], num_frame=2)


def test_rows_of_visuals_are_told_without_them(processor):
    data = processor._get_num_multimodal_tokens(image_sizes=[(10, 20), (30, 40)], video_sizes=[(16, 10, 20)])
    assert data.num_image_tokens == [NUM_IMAGE_TOKENS] * 2
    assert data.num_image_patches == [1, 1]
    assert data.num_video_tokens == [NUM_VIDEO_TOKENS]


def test_release_without_processor_files(release, processor):
    assert not list(release.glob("*process*"))
    config = AutoConfig.from_pretrained(release)
    assert type(processor) is MobileVideoGPTProcessor
    assert (processor.num_image_tokens, processor.num_video_tokens) == (NUM_IMAGE_TOKENS, NUM_VIDEO_TOKENS)
    assert (config.num_image_tokens, config.num_video_tokens) == (NUM_IMAGE_TOKENS, NUM_VIDEO_TOKENS)
    assert processor.video_processor.num_frames == config.num_frames == 4
    assert processor.image_token_id == config.image_token_id
    assert processor.video_token_id == config.video_token_id
    for part in (processor.image_processor, processor.video_processor):
        assert part.size.shortest_edge == part.crop_size.height == part.crop_size.width == IMAGE_SIZE
    assert processor.chat_template == CHAT_TEMPLATE


def test_release_of_the_published_sizes(tmp_path):
    sizes = ("vision_config", "video_config", "num_frames", "frames_per_chunk", "num_selected_frames")
    sizes += ("image_grid_size", "video_grid_size")
    config = {name: value for name, value in RELEASE_CONFIG.items() if name not in sizes}
    (tmp_path / "config.json").write_text(json.dumps(config))
    make_tokenizer().save_pretrained(tmp_path)
    processor = AutoProcessor.from_pretrained(tmp_path)
    assert (processor.num_image_tokens, processor.num_video_tokens) == (144, 2402)
    assert processor.video_processor.num_frames == 16
    assert processor.video_processor.to_dict() == MobileVideoGPTVideoProcessor().to_dict()
    assert processor.image_processor.to_dict() == CLIPImageProcessor().to_dict()


def test_release_with_a_chat_template_and_right_padding(release, tmp_path):
    """As training and saving with other software leaves it."""
    folder = Path(shutil.copytree(release, tmp_path / "release"))
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    tokenizer_config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**tokenizer_config, "padding_side": "right"}))
    processor = AutoProcessor.from_pretrained(folder)
    assert processor.chat_template == CHAT_TEMPLATE
    assert processor(text=["Hello", "Hi"], padding=True)["attention_mask"][1] == [0, 0, 0, 1, 1]


def test_streams_of_different_sizes_have_no_default_processor(release):
    config = AutoConfig.from_pretrained(release)
    config.video_config.image_size = 48
    message = r"`video_config.image_size` \(48\) and `vision_config.image_size` \(32\) must be equal"
    with pytest.raises(ValueError, match=message):
        MobileVideoGPTProcessor.from_config(config, make_tokenizer())


def test_saved_and_loaded(processor, clip, tmp_path):
    processor.save_pretrained(tmp_path)
    loaded = AutoProcessor.from_pretrained(tmp_path)
    assert type(loaded) is MobileVideoGPTProcessor
    assert loaded.to_dict() == processor.to_dict()
    assert loaded.chat_template == processor.chat_template
    assert type(AutoVideoProcessor.from_pretrained(tmp_path)) is MobileVideoGPTVideoProcessor
    assert AutoVideoProcessor.from_pretrained(tmp_path).to_dict() == processor.video_processor.to_dict()
    assert AutoImageProcessor.from_pretrained(tmp_path).to_dict() == processor.image_processor.to_dict()

    prompts = {"text": [VIDEO + "What?", IMAGE], "videos": clip("h264.mp4"), "images": PICTURE}
    expected = processor(**prompts, padding=True, return_tensors="pt")
    inputs = loaded(**prompts, padding=True, return_tensors="pt")
    assert set(inputs) == set(expected)
    for name in expected:
        assert torch.equal(inputs[name], expected[name]), name


def test_options_while_loading(processor, tmp_path):
    processor.save_pretrained(tmp_path)
    loaded = AutoProcessor.from_pretrained(tmp_path, num_video_tokens=7, start_seconds=1.5)
    assert loaded.num_video_tokens == 7
    assert loaded.video_processor.start_seconds == 1.5


def test_own_chat_template(processor, tmp_path):
    parts = (processor.image_processor, processor.video_processor, processor.tokenizer)
    MobileVideoGPTProcessor(*parts, chat_template="{{ messages[0].content }}").save_pretrained(tmp_path)
    loaded = AutoProcessor.from_pretrained(tmp_path)
    assert loaded.apply_chat_template([{"role": "user", "content": "Hi"}]) == "Hi"


@pytest.mark.parametrize("token", [IMAGE, VIDEO])
def test_tokenizer_without_a_placeholder(token):
    [other] = {IMAGE, VIDEO} - {token}
    vocabulary = {name: number for name, number in make_tokenizer().get_vocab().items() if number < 256}
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=[], extra_special_tokens=[other])
    with pytest.raises(
        ValueError, match=rf"The tokenizer does not know {token.replace('|', '[|]')}: use a Qwen2.5 tok"
    ):
        MobileVideoGPTProcessor(CLIPImageProcessor(), MobileVideoGPTVideoProcessor(), tokenizer)


def test_part_that_is_missing():
    with pytest.raises(TypeError, match="Received a NoneType for argument tokenizer"):
        MobileVideoGPTProcessor(CLIPImageProcessor(), MobileVideoGPTVideoProcessor())
