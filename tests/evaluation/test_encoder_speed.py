# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
from torch import nn
from transformers import AutoModelForImageTextToText

from tiny_families import IMAGE_SIZE, WIDTH, write_mobilevlm, write_tinyllava
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


@torch.no_grad()
@pytest.mark.parametrize(
    ("write", "name", "projector"),
    [(write_mobilevlm, "pixel_values", "projector"), (write_tinyllava, "pixel_values_videos", "resampler")],
    ids=["MobileVLM", "TinyLLaVA-Video"],
)
def test_parts_of_families(write, name, projector, tmp_path):
    model = AutoModelForImageTextToText.from_pretrained(write(tmp_path / "model"))
    pixels = torch.randn(2, 3, IMAGE_SIZE, IMAGE_SIZE)
    pixels, measured = (pixels[:1] if name == "pixel_values" else pixels[None]), {}
    num_images = pixels.shape[:-3].numel()
    measure_encoders(
        model.model, {name: pixels}, lambda part, call, flops=0: measured.setdefault(part, (call(), flops))[0]
    )
    assert list(measured) == ["image encoder", projector]
    visual_tokens, flops = measured[projector]
    features = model.get_image_features(pixels) if name == "pixel_values" else model.get_video_features(pixels)
    torch.testing.assert_close(visual_tokens.view_as(features.pooler_output), features.pooler_output)
    num_patches = num_images * (IMAGE_SIZE // 8) ** 2
    assert flops > 2 * (num_patches - num_images) * WIDTH**2  # of a linear layer before anything else
    assert measured["image encoder"][1] > 2 * num_patches * 3 * 8**2 * WIDTH + 2 * num_patches * 8 * WIDTH**2
