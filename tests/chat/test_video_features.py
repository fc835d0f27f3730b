# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import dataclasses
import stat
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from transformers_mvgpt import VideoChat, load_video_features, save_video_features


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_round_trip(encoded, tmp_path, dtype):
    visual_tokens = encoded.pooler_output.to(dtype)
    features = dataclasses.replace(encoded, pooler_output=visual_tokens)
    save_video_features(features, tmp_path / "video.safetensors")
    loaded = load_video_features(str(tmp_path / "video.safetensors"))
    assert list(loaded) == ["last_hidden_state", "pooler_output", "frame_scores", "selected_frames"]
    for name, tensor in features.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)
    assert loaded.pooler_output.dtype == dtype


def test_metadata_say_what_is_in_it(encoded, tmp_path):
    save_video_features(encoded, tmp_path / "video.safetensors")
    with safe_open(tmp_path / "video.safetensors", framework="pt") as file:
        metadata = file.metadata()
    num_videos, num_tokens, hidden_size = encoded.pooler_output.shape
    assert metadata == {
        "format": "pt",
        "content": "mobile_videogpt_video_features",
        "num_videos": str(num_videos),
        "num_video_tokens": str(num_tokens),
        "hidden_size": str(hidden_size),
    }


def test_loaded_video_gives_the_same_answers(model, processor, video, encoded, tmp_path):
    save_video_features(encoded, tmp_path / "video.safetensors")
    loaded = load_video_features(tmp_path / "video.safetensors")
    chat = VideoChat(model, processor, video)
    assert VideoChat(model, processor, loaded).ask("What is it?") == chat.ask("What is it?")

    prompt = processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "What is it?"}]}],
        add_generation_prompt=True,
        tokenize=False,
    )
    inputs = processor(text=prompt, videos=[video], return_tensors="pt")
    expected = model.generate(**inputs)
    del inputs["pixel_values_videos"], inputs["context_pixel_values_videos"]
    assert torch.equal(model.generate(**inputs, mm_encoder_outputs={"video": loaded}), expected)


def test_visual_tokens_alone(encoded, tmp_path):
    """A view of a batch with gradients: what is written is its own part."""
    batch = encoded.pooler_output.repeat(3, 1, 1).requires_grad_()
    save_video_features(type(encoded)(pooler_output=batch[1:2]), tmp_path / "video.safetensors")
    loaded = load_video_features(tmp_path / "video.safetensors")
    assert list(loaded) == ["pooler_output"]
    assert torch.equal(loaded.pooler_output, encoded.pooler_output)
    assert (tmp_path / "video.safetensors").stat().st_size < 2 * encoded.pooler_output.nbytes


def test_hidden_states_are_left_out(encoded, tmp_path):
    save_video_features(dataclasses.replace(encoded, hidden_states=(torch.ones(1),)), tmp_path / "video.safetensors")
    assert load_video_features(tmp_path / "video.safetensors").hidden_states is None


@pytest.mark.parametrize("features", [(torch.ones(1),), {}], ids=["tuple", "dict"])
def test_what_has_no_visual_tokens(features, tmp_path):
    with pytest.raises(ValueError, match=f"no visual tokens .* to save in this {type(features).__name__}: pass what"):
        save_video_features(features, tmp_path / "video.safetensors")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file '.*none.safetensors': check the path, or write it"):
        load_video_features(tmp_path / "none.safetensors")


@pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"content": "weights"}], ids=str)
def test_file_with_something_else(metadata, tmp_path):
    save_file({"weight": torch.ones(1)}, tmp_path / "model.safetensors", metadata)
    content = (metadata or {}).get("content")
    with pytest.raises(
        ValueError, match=f"holds no encoded video: its metadata say content={content!r} where 'mobile"
    ):
        load_video_features(tmp_path / "model.safetensors")


def test_damaged_file(encoded, tmp_path):
    path = tmp_path / "video.safetensors"
    save_video_features(encoded, path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(
        ValueError, match="video.safetensors' is damaged or no safetensors file .*: write it again with"
    ):
        load_video_features(path)


def test_a_file_is_replaced_when_the_new_one_is_whole(encoded, tmp_path, monkeypatch):
    path = tmp_path / "video.safetensors"
    save_video_features(encoded, path)
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(made_as_usual(tmp_path / "other").stat().st_mode)
    whole = path.read_bytes()

    def fail_in_the_middle(self, data):
        with self.open("wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail_in_the_middle)
    with pytest.raises(OSError, match="No space left on device, it was not written: .*video.safetensors"):
        save_video_features(encoded, path)
    assert path.read_bytes() == whole
    assert sorted(file.name for file in tmp_path.iterdir()) == ["other", "video.safetensors"]


def made_as_usual(path):
    path.touch()
    return path
