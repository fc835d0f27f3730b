# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import copy
import logging
import re

import pytest
import torch
from transformers import DynamicCache

from tiny_models import (
    VIDEO_ID,
    make_images,
    make_prompt,
    make_sample,
    make_videos,
    tiny_config,
    tiny_model,
)
from transformers_mvgpt.compat.cache_name import CACHE_NAME


VIDEO, IMAGE, PROMPT = make_videos("a"), make_images("i"), make_prompt(5, "video", 6)
FRAMES, CONTEXT = VIDEO.values()
OPTIONS = {"forward": {}, "generate": {"max_new_tokens": 2}}


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def model_without_placeholders_in_its_vocabulary():
    return tiny_model(tiny_config(image_token_id=1000, video_token_id=1001))


def say(modality, num_placeholders, num_rows):
    return (
        f"The prompt has {num_placeholders} {modality} placeholders, but the {modality}s given make {num_rows} visual tokens: "
        f"{ {'image': 9, 'video': 116}[modality] } are needed for each {modality}"
    )


@pytest.mark.parametrize("method", ["forward", "generate"])
@pytest.mark.parametrize(
    ("prompt", "visuals", "message"),
    [
        (make_prompt(5, "video", "video"), VIDEO, say("video", 232, 116)),
        (make_prompt(5, "video"), make_videos("a", "b"), say("video", 116, 232)),
        (make_prompt(5, "video")[:, :100], VIDEO, say("video", 99, 116)),
        (make_prompt(5, 6), VIDEO, say("video", 0, 116)),
        (make_prompt(5, "image", "image"), IMAGE, say("image", 18, 9)),
        (make_prompt(5, "image"), make_images("i", "j"), say("image", 9, 18)),
        (make_prompt(5, "video", "image"), VIDEO, say("image", 9, 0)),
        (make_prompt(5, "video", "image"), IMAGE, say("video", 116, 0)),
    ],
    ids=[
        "two blocks for one video",
        "one block for two videos",
        "a block cut short",
        "no block for a video",
        "two blocks for one image",
        "one block for two images",
        "an image left out",
        "a video left out",
    ],
)
def test_placeholders_and_visuals_must_match(model, method, prompt, visuals, message):
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(prompt, **visuals, **OPTIONS[method])


@pytest.mark.parametrize("method", ["forward", "generate"])
def test_placeholders_outside_the_vocabulary_must_come_with_visuals(
    model_without_placeholders_in_its_vocabulary, method
):
    prompt = PROMPT.masked_fill(PROMPT == VIDEO_ID, 1001)
    with pytest.raises(ValueError, match=say("video", 116, 0)):
        getattr(model_without_placeholders_in_its_vocabulary, method)(prompt, **OPTIONS[method])


WITHOUT_VISUALS = {
    "a video": (
        make_prompt(5, "video", 6),
        say("video", 116, 0)
        + ". Pass `pixel_values_videos` and `context_pixel_values_videos` as the processor returns them, "
        "or `mm_encoder_outputs`, or leave the placeholders out",
    ),
    "an image": (make_prompt(5, "image", 6), say("image", 9, 0) + ". Pass `pixel_values` as the processor"),
    "one placeholder": (make_prompt(5, VIDEO_ID, 6), say("video", 1, 0)),
    "nothing else": (make_prompt(VIDEO_ID), say("video", 1, 0)),
    "in a batch": (torch.cat([make_prompt(5, VIDEO_ID, 6), make_prompt(5, 6, 7)]), say("video", 1, 0)),
}


@pytest.mark.parametrize("method", ["forward", "generate"])
@pytest.mark.parametrize(("prompt", "message"), WITHOUT_VISUALS.values(), ids=WITHOUT_VISUALS)
def test_placeholders_must_come_with_visuals(model, method, prompt, message):
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(prompt, **OPTIONS[method])


def test_placeholders_without_visuals_are_refused_before_anything_is_encoded(model, monkeypatch):
    monkeypatch.setattr(model.model, "get_image_features", lambda *_, **__: pytest.fail("the image was encoded"))
    with pytest.raises(ValueError, match=say("video", 116, 0)):
        model.generate(make_prompt(5, "image", "video"), **IMAGE, max_new_tokens=2)


@torch.no_grad()
def test_placeholders_of_a_later_turn_must_come_with_visuals(model):
    first = make_sample(5, "image:i", 6)
    cache = DynamicCache()
    model(**first, use_cache=True, **{CACHE_NAME: cache})
    turn = torch.cat([first["input_ids"], make_prompt(7, "image", 8)], dim=1)
    with pytest.raises(ValueError, match=say("image", 9, 0)):
        model(turn[:, cache.get_seq_length() :], **{CACHE_NAME: copy.deepcopy(cache)})
    with pytest.raises(ValueError, match=say("image", 9, 0)):
        model.generate(turn, **{CACHE_NAME: copy.deepcopy(cache)}, max_new_tokens=2)
    # what is in the cache needs none
    turn = torch.cat([first["input_ids"], make_prompt(7, 8)], dim=1)
    model.generate(turn, **{CACHE_NAME: copy.deepcopy(cache)}, max_new_tokens=2)


def test_embeddings_of_placeholders_alone_are_refused(model):
    inputs_embeds = model.get_input_embeddings()(make_prompt(5, "video", 6))
    with pytest.raises(ValueError, match=say("video", 116, 0)):
        model(inputs_embeds=inputs_embeds)


def test_a_draft_model_sees_no_visuals_and_may_guess_placeholders(monkeypatch):
    """transformers hands the prompt on to it, and no pixels."""
    # it deprecates how it calls draft models itself
    monkeypatch.setattr(logging.getLogger("transformers"), "handlers", [])
    model, sample = tiny_model(), make_sample(5, "video:a", 6)
    expected = model.generate(**sample, max_new_tokens=6)
    assert torch.equal(model.generate(**sample, max_new_tokens=6, assistant_model=tiny_model()), expected)


def test_embeddings_of_placeholders_must_come_with_visuals(model):
    inputs_embeds = model.get_input_embeddings()(make_prompt(5, "video", "image"))
    with pytest.raises(ValueError, match=say("image", 9, 0)):
        model(inputs_embeds=inputs_embeds, **VIDEO)


def test_placeholders_outside_the_vocabulary_have_no_embedding(model_without_placeholders_in_its_vocabulary):
    model = model_without_placeholders_in_its_vocabulary
    inputs_embeds = model.get_input_embeddings()(PROMPT)
    with pytest.raises(ValueError, match=say("video", 0, 116)):
        model(inputs_embeds=inputs_embeds, **VIDEO)


@pytest.mark.parametrize("id", [99, 1000])
def test_other_ids_outside_the_vocabulary_are_not_taken_for_placeholders(model, id):
    with pytest.raises(IndexError, match="out of range"):
        model(make_prompt(5, id, 6))


@pytest.mark.parametrize("given", ["pixel_values_videos", "context_pixel_values_videos"])
@pytest.mark.parametrize("method", ["forward", "generate", "get_video_features"])
def test_video_needs_both_streams(model, method, given):
    inputs = {given: VIDEO[given]}
    if method != "get_video_features":
        inputs["input_ids"] = PROMPT
    elif given == "context_pixel_values_videos":
        inputs["pixel_values_videos"] = None
    message = "A video needs both `pixel_values_videos` and `context_pixel_values_videos`, .*: pass what the processor"
    with pytest.raises(ValueError, match=message):
        getattr(model, method)(**inputs)


@pytest.mark.parametrize(
    ("frames", "context", "message"),
    [
        (
            FRAMES[0],
            CONTEXT[0],
            "`pixel_values_videos` has the shape (12, 3, 24, 24); expected (num_videos, num_frames, 3, 24, 24)",
        ),
        (
            CONTEXT,
            FRAMES,
            "`pixel_values_videos` has the shape (1, 12, 3, 32, 32); expected (num_videos, num_frames, 3, 24, 24)",
        ),
        (
            FRAMES,
            FRAMES,
            "`context_pixel_values_videos` has the shape (1, 12, 3, 24, 24); expected (num_videos, num_frames, 3, 32, 32)",
        ),
        (FRAMES[:, :, :1], CONTEXT, "`pixel_values_videos` has the shape (1, 12, 1, 24, 24)"),
        (FRAMES[:, :5], CONTEXT, "must hold the same frames, got (1, 5) and (1, 12) (num_videos, num_frames)"),
        (FRAMES, CONTEXT.repeat(2, 1, 1, 1, 1), "must hold the same frames, got (1, 12) and (2, 12)"),
        (FRAMES[:, :0], CONTEXT[:, :0], "has 0 frames per video, this model takes 1 to 12: sample 12 of them"),
        (
            FRAMES.repeat(1, 2, 1, 1, 1),
            CONTEXT.repeat(1, 2, 1, 1, 1),
            "has 24 frames per video, this model takes 1 to 12: sample 12 of them",
        ),
        (FRAMES.byte(), CONTEXT, "`pixel_values_videos` must be normalized floating point pixels, got torch.uint8"),
        (
            FRAMES,
            CONTEXT.byte(),
            "`context_pixel_values_videos` must be normalized floating point pixels, got torch.uint8",
        ),
    ],
    ids=[
        "no dimension of videos",
        "streams swapped",
        "one stream twice",
        "grey",
        "fewer frames in one stream",
        "fewer videos in one stream",
        "no frame",
        "too many frames",
        "frames are bytes",
        "context is bytes",
    ],
)
def test_videos_that_do_not_fit_are_refused(model, frames, context, message):
    videos = {"pixel_values_videos": frames, "context_pixel_values_videos": context}
    with pytest.raises(ValueError, match=re.escape(message)):
        model.get_video_features(**videos)
    with pytest.raises(ValueError, match=re.escape(message)):
        model(PROMPT, **videos)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (IMAGE["pixel_values"][0], "`pixel_values` has the shape (3, 32, 32); expected (num_images, 3, 32, 32)"),
        (IMAGE["pixel_values"][None], "`pixel_values` has the shape (1, 1, 3, 32, 32)"),
        (IMAGE["pixel_values"][..., :24], "`pixel_values` has the shape (1, 3, 32, 24)"),
        (IMAGE["pixel_values"].long(), "`pixel_values` must be normalized floating point pixels, got torch.int64"),
    ],
    ids=["no dimension of images", "a dimension too many", "not square", "integers"],
)
def test_images_that_do_not_fit_are_refused(model, pixels, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        model(make_prompt(5, "image"), pixel_values=pixels)


@pytest.mark.parametrize("modality", ["image", "video"])
def test_pixels_and_encoder_outputs_of_one_modality_are_refused(model, modality):
    sample = make_sample(5, f"{modality}:a")
    visuals = {name: value for name, value in sample.items() if name != "input_ids"}
    encoded = getattr(model, f"get_{modality}_features")(**visuals)
    with pytest.raises(ValueError, match=f"both pixels and `mm_encoder_outputs` for the modality '{modality}'"):
        model(**sample, mm_encoder_outputs={modality: encoded})


def test_exactly_one_of_ids_and_embeddings(model):
    message = "exactly one of `input_ids` and `inputs_embeds`"
    with pytest.raises(ValueError, match=message):
        model(input_ids=PROMPT, inputs_embeds=model.get_input_embeddings()(PROMPT))
    with pytest.raises(ValueError, match=message):
        model(**VIDEO)


@pytest.mark.parametrize("name", ["inputs", "input_ids"])
def test_prompt_longer_than_the_context_is_refused_before_anything_is_encoded(name):
    model = tiny_model()
    model.model.vision_tower.register_forward_pre_hook(lambda *_: pytest.fail("the image encoder ran"))
    prompt = make_prompt(*["video"] * 9)
    message = (
        "The prompt has 1044 tokens, the language model takes at most 1024 (`text_config.max_position_embeddings`): pass "
        "fewer videos or images, or less text. A video takes 116 tokens, an image 9."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        model.generate(**{name: prompt}, **make_videos(*"abcdefghi"), max_new_tokens=1)


def test_prompt_as_long_as_the_context_is_taken(model):
    prompt = torch.full((1, 1024), 5)
    assert model.generate(prompt, max_new_tokens=1).shape == (1, 1025)


def test_scaled_positions_make_the_context_longer():
    rope = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}
    model = tiny_model(tiny_config(text_config={"rope_parameters": rope}))
    assert model.generate(torch.full((1, 1030), 5), max_new_tokens=1).shape == (1, 1031)
    with pytest.raises(ValueError, match="The prompt has 2049 tokens, the language model takes at most 2048"):
        model.generate(torch.full((1, 2049), 5), max_new_tokens=1)


def test_no_images_are_refused(model):
    with pytest.raises(
        ValueError, match=re.escape("`pixel_values` has the shape (0, 3, 32, 32); expected (num_images")
    ):
        model.get_image_features(torch.zeros(0, 3, 32, 32))
