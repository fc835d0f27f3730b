# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What a repository says of its code follows from the record of the family."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from transformers import CLIPImageProcessor

from transformers_mvgpt.conversion.remote_code import RemoteCode
from transformers_mvgpt.families import FAMILIES, family_of
from transformers_mvgpt.processing import MobileVideoGPTVideoProcessor


FAMILY = family_of("mobile_videogpt")
VIDEO_PROCESSOR = "video_processing_mvgpt.MobileVideoGPTVideoProcessor"


class OwnImageProcessor(CLIPImageProcessor):
    """As if it were in the package."""


OwnImageProcessor.__module__ = MobileVideoGPTVideoProcessor.__module__


def attach(code: RemoteCode) -> SimpleNamespace:
    parts = {"image_processor": SimpleNamespace(), "video_processor": SimpleNamespace()}
    loaded = SimpleNamespace(
        model=SimpleNamespace(config=SimpleNamespace()), processor=SimpleNamespace(**parts), unknown_weights=set()
    )
    code.attach(loaded)  # type: ignore[arg-type]
    return loaded


def test_images_and_videos():
    entries = RemoteCode(FAMILY).config_entries
    model = "modeling_mvgpt.MobileVideoGPTForConditionalGeneration"
    assert entries["auto_map"] == {
        "AutoConfig": "configuration_mvgpt.MobileVideoGPTConfig",
        "AutoModel": "modeling_mvgpt.MobileVideoGPTModel",
        "AutoModelForImageTextToText": model,
        "AutoModelForMultimodalLM": model,
        "AutoProcessor": "processing_mvgpt.MobileVideoGPTProcessor",
        "AutoVideoProcessor": VIDEO_PROCESSOR,
    }
    assert entries["custom_pipelines"] == {
        "video-text-to-text": {
            "impl": "pipeline_video_text.VideoTextToTextPipeline",
            "pt": ["AutoModelForImageTextToText"],
            "type": "multimodal",
        }
    }
    loaded = attach(RemoteCode(FAMILY))
    assert loaded.model.config.auto_map == entries["auto_map"]
    assert loaded.processor.video_processor.auto_map == {"AutoVideoProcessor": VIDEO_PROCESSOR}
    assert not hasattr(loaded.processor.image_processor, "auto_map")  # it is transformers' own


def test_images_alone():
    images = replace(FAMILY, video_processor_class=None, image_processor_classes={"torchvision": OwnImageProcessor})
    entries = RemoteCode(images).config_entries
    assert "custom_pipelines" not in entries
    assert "AutoVideoProcessor" not in entries["auto_map"]
    assert entries["auto_map"]["AutoImageProcessor"] == "video_processing_mvgpt.OwnImageProcessor"
    loaded = attach(RemoteCode(images))
    assert loaded.processor.image_processor.auto_map == {
        "AutoImageProcessor": "video_processing_mvgpt.OwnImageProcessor"
    }
    assert not hasattr(loaded.processor.video_processor, "auto_map")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_each_family_is_saved_with_its_own_code(family):
    for part in (family.config_class, family.processor_class, family.video_processor_class):
        if part is not None:
            assert part.remote_code.family is family
    assert {
        reference.split(".")[0] + ".py" for reference in RemoteCode(family).config_entries["auto_map"].values()
    } <= (RemoteCode(family).code().keys())
