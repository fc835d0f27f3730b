# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""An exported video encoder chooses frames as the config of its model says."""

import onnxruntime
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from tiny_models import NUM_FRAMES, make_videos, tiny_config, tiny_model
from transformers_mvgpt.modeling.configuration_mvgpt import FRAME_SELECTIONS
from transformers_mvgpt.runtime.onnx_graphs import Traced, encoder_graphs, write_traced


class Choice(nn.Module):
    """The part of the video encoder that the config's choice is in."""

    def __init__(self, model):
        super().__init__()
        self.model = model.model

    def forward(self, scores):
        return self.model._select(scores)


def open_file(file):
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    "frame_selection",
    [pytest.param(name, marks=[pytest.mark.slow] * (name != "uniform")) for name in FRAME_SELECTIONS],
)
def test_choice(frame_selection, tmp_path):
    choice = Choice(tiny_model(tiny_config(frame_selection=frame_selection)))
    traced = Traced(choice, {"scores": ("num_videos", NUM_FRAMES)}, ("selected_frames",))
    write_traced(traced, tmp_path / "choice.onnx")
    session = open_file(tmp_path / "choice.onnx")
    for num_videos in (1, 5):
        scores = torch.rand(num_videos, NUM_FRAMES)
        [selected] = session.run(None, {"scores": scores.numpy()})
        assert selected.tolist() == choice(scores).tolist()


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("frame_selection", ["uniform", "rarest"])
def test_whole_encoder(frame_selection, tmp_path):
    model = tiny_model(tiny_config(frame_selection=frame_selection))
    write_traced(encoder_graphs(model)["vision_encoder"], tmp_path / "encoder.onnx")
    session = open_file(tmp_path / "encoder.onnx")
    for name in "ab":
        videos = make_videos(name)
        tokens, scores, selected = session.run(None, {key: value.numpy() for key, value in videos.items()})
        expected = model.get_video_features(**videos)
        assert selected.tolist() == expected.selected_frames.tolist()
        assert_close(torch.from_numpy(tokens), expected.pooler_output, rtol=1e-4, atol=1e-4)
        assert_close(torch.from_numpy(scores), expected.frame_scores, rtol=1e-4, atol=1e-4)
        published = model.get_video_features(**videos, frame_selection="scores")
        assert selected.tolist() != published.selected_frames.tolist()
