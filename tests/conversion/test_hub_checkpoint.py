# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Repositories on the Hub, as far as that can be tested without a network: from the cache."""

from pathlib import Path

import pytest

from hub_folders import put_in_cache
from release_layout import VIDEOMAMBA_FILE, make_release
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration
from transformers_mvgpt.conversion import encoder_sources


def expected_state(folder: Path) -> dict:
    return MobileVideoGPTForConditionalGeneration.from_pretrained(make_release(folder)).state_dict()


def assert_same(model: MobileVideoGPTForConditionalGeneration, expected: dict) -> None:
    state = model.state_dict()
    assert state.keys() == expected.keys()
    assert [name for name in state if not state[name].equal(expected[name])] == []


@pytest.mark.parametrize("weights_format", ["safetensors", "bin"])
def test_everything_from_the_hub(tmp_path, weights_format):
    release = make_release(
        tmp_path,
        image_encoder=False,
        video_encoder=False,
        weights_format=weights_format,
        image_mm_vision_tower="openai/clip",
        mm_vision_tower="OpenGVLab/VideoMamba",
    )
    cache = tmp_path / "cache"
    for repository, folder in (
        ("Amshaker/Mobile", release),
        ("openai/clip", tmp_path / "clip"),
        ("OpenGVLab/VideoMamba", tmp_path / "videomamba"),
    ):
        put_in_cache(cache, repository, folder)
    model = MobileVideoGPTForConditionalGeneration.from_pretrained("Amshaker/Mobile", cache_dir=cache)
    assert_same(model, expected_state(tmp_path / "complete"))
    assert model.name_or_path == "Amshaker/Mobile"
    assert model.generation_config.max_new_tokens == 7


def test_named_file_of_a_repository(tmp_path):
    release = make_release(tmp_path, video_encoder=False)
    folder = tmp_path / "videomamba"
    (folder / "weights").mkdir()
    (folder / VIDEOMAMBA_FILE).rename(folder / "weights" / "best.pth")
    put_in_cache(tmp_path / "cache", "me/videomamba", folder)
    model = MobileVideoGPTForConditionalGeneration.from_pretrained(
        release, video_encoder="me/videomamba/weights/best.pth", cache_dir=tmp_path / "cache"
    )
    assert_same(model, expected_state(tmp_path / "complete"))


def test_only_file_of_a_repository(tmp_path, monkeypatch):
    release = make_release(tmp_path, video_encoder=False)
    folder = tmp_path / "videomamba"
    (folder / VIDEOMAMBA_FILE).rename(folder / "best.pth")
    put_in_cache(tmp_path / "cache", "me/videomamba", folder)
    monkeypatch.setattr(encoder_sources, "is_offline_mode", lambda: False)
    monkeypatch.setattr(encoder_sources, "list_repo_files", lambda repository, token: ["README.md", "best.pth"])
    model = MobileVideoGPTForConditionalGeneration.from_pretrained(
        release, video_encoder="me/videomamba", cache_dir=tmp_path / "cache"
    )
    assert_same(model, expected_state(tmp_path / "complete"))


def test_repository_that_is_not_in_the_cache(tmp_path):
    with pytest.raises(OSError, match="We couldn't connect"):
        MobileVideoGPTForConditionalGeneration.from_pretrained("Amshaker/Mobile", cache_dir=tmp_path)
