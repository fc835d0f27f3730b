# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import torch
from torch import nn

from transformers_mvgpt.evaluation.encoder_speed import measure_encoders


class OtherFamily(nn.Module):
    def __init__(self):
        super().__init__()
        self.projector = nn.Linear(4, 6)

    def get_video_features(self, pixel_values_videos):
        return self.projector(pixel_values_videos)


def test_a_family_whose_parts_are_not_known_is_measured_as_a_whole():
    model, pixels, measured = OtherFamily(), torch.ones(3, 4), []

    def measure(part, call, flops=0):
        measured.append((part, call(), flops))

    measure_encoders(model, {"pixel_values_videos": pixels}, measure)
    [(part, result, flops)] = measured
    assert (part, flops) == ("encoder and projector", 2 * 3 * 4 * 6)
    assert torch.equal(result, model.projector(pixels))
