# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest

from transformers_mvgpt import MobileVideoGPTConfig, MobileVLMConfig
from transformers_mvgpt.demo import CLIP
from transformers_mvgpt.evaluation.visual_file import check_measurable, default_visual
from transformers_mvgpt.processing.image_inputs import read_image


def test_a_family_is_measured_with_what_it_takes():
    assert check_measurable(MobileVideoGPTConfig(), ["video"], ["smolvlm2-500m"]) == "video"
    assert check_measurable(MobileVLMConfig(), [], []) == "image"


@pytest.mark.parametrize(
    ("config_class", "given", "baselines", "message"),
    [
        (MobileVLMConfig, ["video"], [], "`--video` is for models of videos, and MobileVLM is measured with an image"),
        (
            MobileVideoGPTConfig,
            ["image"],
            [],
            "`--image` is for models of images, and Mobile-VideoGPT is measured with a",
        ),
        (MobileVLMConfig, [], ["smolvlm2-500m"], "frames of a video, which MobileVLM does not take: leave it out"),
    ],
)
def test_what_cannot_be_measured_is_refused(config_class, given, baselines, message):
    with pytest.raises(ValueError, match=message):
        check_measurable(config_class(), given, baselines)


def test_pictures_of_the_clip():
    assert default_visual("video") == str(CLIP)
    assert read_image(default_visual("image")).size == (192, 108)
