# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Graphs of the model. The backends here need no C++ compiler."""

import pytest
import torch
from torch.export import Dim

from tiny_models import VIDEO_SIZE, make_sample, tiny_model, tiny_video_config, with_seeded_weights
from transformers_mvgpt import VideoMambaModel


SAMPLE = make_sample(5, "video:a", "image:i", 6)


@pytest.fixture(autouse=True)
def no_old_graphs():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.parametrize("sample", [SAMPLE, make_sample(5, 6, 7)], ids=["video and image", "text"])
@torch.no_grad()
def test_forward_is_one_graph(sample):
    model = tiny_model()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(**sample).logits, model(**sample).logits)


@torch.no_grad()
def test_graph_elsewhere_than_on_a_cpu():
    """Where it is decided whether there are kernels for the device."""
    with torch.device("meta"):
        model = VideoMambaModel(tiny_video_config()).eval()
        frames = torch.empty(1, 8, 3, VIDEO_SIZE, VIDEO_SIZE)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    assert compiled(frames).last_hidden_state.shape == model(frames).last_hidden_state.shape


def test_training_step_is_one_graph():
    labels = SAMPLE["input_ids"].masked_fill(SAMPLE["input_ids"] >= 97, -100)
    grads = []
    for is_compiled in (False, True):
        model = tiny_model().train()
        run = torch.compile(model, backend="eager", fullgraph=True) if is_compiled else model
        run(**SAMPLE, labels=labels).loss.backward()
        grads.append({name: parameter.grad for name, parameter in model.named_parameters()})
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad, msg=name)


@torch.no_grad()
def test_exported_model_takes_prompts_of_any_length():
    model, inputs = tiny_model(), {**SAMPLE, "use_cache": False}
    shapes = {name: {1: Dim.DYNAMIC} if name == "input_ids" else None for name in inputs}
    exported = torch.export.export(model, (), inputs, dynamic_shapes=shapes).module()
    longer = {**inputs, "input_ids": torch.cat([inputs["input_ids"], torch.tensor([[7, 8, 9]])], dim=1)}
    for prompt in (inputs, longer):
        torch.testing.assert_close(exported(**prompt).logits, model(**prompt).logits)


@torch.no_grad()
def test_exported_video_encoder_takes_any_number_of_videos():
    model = with_seeded_weights(VideoMambaModel(tiny_video_config()))
    videos = torch.randn(3, 8, 3, VIDEO_SIZE, VIDEO_SIZE)
    exported = torch.export.export(model, (videos[:2],), dynamic_shapes=({0: Dim.DYNAMIC},)).module()
    torch.testing.assert_close(exported(videos).last_hidden_state, model(videos).last_hidden_state)
