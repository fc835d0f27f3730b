# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""One placeholder becomes as many tokens as the model makes of the visual, whatever the sizes in the config."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tiny_models import CONTEXT_SIZE, VIDEO_SIZE, tiny_config
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration


@st.composite
def configs(draw):
    chunk = draw(st.integers(1, 5))
    selected = draw(st.sampled_from([n for n in (1, 4) if n <= chunk]))
    num_chunks = draw(st.integers(1, 3))
    patch = draw(st.sampled_from([4, 8, 16]))
    return tiny_config(
        vision_config={"patch_size": patch},
        video_config={"num_frames": num_chunks * selected},
        num_frames=num_chunks * chunk,
        frames_per_chunk=chunk,
        num_selected_frames=selected,
        image_grid_size=draw(st.integers(1, CONTEXT_SIZE // patch)),
        video_grid_size=draw(st.integers(1, VIDEO_SIZE // 8)),
    )


@settings(max_examples=12)
@given(config=configs(), num_videos=st.integers(1, 2))
def test_the_model_makes_as_many_tokens_as_the_config_says(config, num_videos):
    model = MobileVideoGPTForConditionalGeneration(config).eval()
    pixels = torch.rand(num_videos, config.num_frames, 3, VIDEO_SIZE, VIDEO_SIZE)
    context = torch.rand(num_videos, config.num_frames, 3, CONTEXT_SIZE, CONTEXT_SIZE)
    image = torch.rand(1, 3, CONTEXT_SIZE, CONTEXT_SIZE)
    with torch.no_grad():
        videos = model.get_video_features(
            pixel_values_videos=pixels, context_pixel_values_videos=context, return_dict=True
        ).pooler_output
        images = model.get_image_features(pixel_values=image, return_dict=True).pooler_output
    assert [tuple(tokens.shape) for tokens in videos] == [
        (config.num_video_tokens, config.text_config.hidden_size)
    ] * num_videos
    assert [tuple(tokens.shape) for tokens in images] == [(config.num_image_tokens, config.text_config.hidden_size)]

    ids = [5] + [config.video_token_id] * config.num_video_tokens + [6]
    batch = torch.tensor([ids] * num_videos)
    inputs = {"pixel_values_videos": pixels, "context_pixel_values_videos": context}
    with torch.no_grad():
        assert model(input_ids=batch, **inputs).logits.shape[:2] == batch.shape
        with pytest.raises(ValueError, match=rf"{num_videos * config.num_video_tokens}"):
            model(input_ids=batch[:, :-2], **inputs)
