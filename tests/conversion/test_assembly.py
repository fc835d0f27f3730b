# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`assemble` takes all weights from its parts, but for those of the projectors."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from release_layout import (
    IMAGE_PREFIX,
    RELEASE_CONFIG,
    VIDEOMAMBA_FILE,
    make_language_model,
    make_tokenizer,
    release_weights,
    write_clip,
    write_videomamba,
)
from training_data import make_images, tiny_recipe
from transformers_mvgpt.conversion import assemble
from transformers_mvgpt.conversion.weight_names import native_names
from transformers_mvgpt.training import run


# Of CLIP there is a config; VideoMamba's file says nothing of its sizes.
CONFIG = {
    name: RELEASE_CONFIG[name]
    for name in ("video_config", "num_frames", "frames_per_chunk", "num_selected_frames")
    + ("image_grid_size", "video_grid_size")
}


@pytest.fixture
def parts(tmp_path) -> dict[str, Path]:
    write_clip(tmp_path / "clip")
    write_videomamba(tmp_path / "videomamba" / VIDEOMAMBA_FILE)
    language_model = make_language_model(tmp_path / "language_model")
    (language_model / "generation_config.json").write_text(
        json.dumps(
            {"eos_token_id": [257, 256], "max_new_tokens": 7, "do_sample": True, "temperature": 0.7, "top_k": 20}
        )
    )
    encoders = {"image_encoder": tmp_path / "clip", "video_encoder": tmp_path / "videomamba" / VIDEOMAMBA_FILE}
    return {"language_model": language_model, **encoders}


def read(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Its projectors, and the rest."""
    weights = load_file(folder / "model.safetensors")
    projectors = {name: tensor for name, tensor in weights.items() if "_projector." in name}
    return projectors, {name: tensor for name, tensor in weights.items() if name not in projectors}


def parts_weights() -> dict[str, torch.Tensor]:
    natives = native_names(release_weights(), "mobile_videogpt")
    return {natives[name]: tensor for name, tensor in release_weights().items() if "mm_projector." not in name}


def assert_equal(weights: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert weights.keys() == expected.keys()
    assert [name for name in weights if not torch.equal(weights[name], expected[name])] == []


def test_weights_are_those_of_the_parts(tmp_path, parts):
    assemble(tmp_path / "start", **parts, config=CONFIG)
    projectors, others = read(tmp_path / "start")
    assert_equal(others, parts_weights())
    assert len(projectors) == 12
    for name, tensor in projectors.items():
        assert tensor.isfinite().all(), name
        assert tensor.any() == name.endswith("weight"), name  # biases start at 0
    config = json.loads((tmp_path / "start" / "config.json").read_text())
    assert (config["model_type"], config["dtype"], config["tie_word_embeddings"]) == (
        "mobile_videogpt",
        "float32",
        True,
    )
    assert (config["image_token_id"], config["video_token_id"]) == (262, 263)
    generation = json.loads((tmp_path / "start" / "generation_config.json").read_text())
    assert (generation["eos_token_id"], generation["max_new_tokens"]) == ([257, 256], 7)
    assert generation.keys() & {"do_sample", "temperature", "top_k"} == set()


def test_it_needs_nothing_else(tmp_path, parts):
    assemble(tmp_path / "start", **parts, config=CONFIG)
    for name in ("clip", "videomamba", "language_model"):
        (tmp_path / name).rename(tmp_path / f"{name}-away")
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "start")
    processor = AutoProcessor.from_pretrained(tmp_path / "start")
    assert processor.num_video_tokens == model.config.num_video_tokens == 24
    assert processor.tokenizer.get_vocab() == make_tokenizer().get_vocab()


def test_parts_in_half_precision_are_exact(tmp_path, parts):
    file = parts["language_model"] / "model.safetensors"
    halved = {name: tensor.bfloat16() for name, tensor in load_file(file).items()}
    save_file(halved, file, metadata={"format": "pt"})
    config = json.loads((parts["language_model"] / "config.json").read_text())
    (parts["language_model"] / "config.json").write_text(json.dumps({**config, "torch_dtype": "bfloat16"}))
    assemble(tmp_path / "start", **parts, config=CONFIG)
    expected = {
        name: tensor.bfloat16().float() if "language_model" in name else tensor
        for name, tensor in parts_weights().items()
    }
    assert_equal(read(tmp_path / "start")[1], expected)


def test_dtype(tmp_path, parts):
    assemble(tmp_path / "start", **parts, config=CONFIG, dtype="bfloat16")
    assert_equal(read(tmp_path / "start")[1], {name: t.bfloat16() for name, t in parts_weights().items()})
    assert AutoModelForImageTextToText.from_pretrained(tmp_path / "start").dtype == torch.bfloat16


def test_seed(tmp_path, parts):
    for name, seed in (("zero", 0), ("one", 1), ("again", 0)):
        assemble(tmp_path / name, **parts, config=CONFIG, seed=seed)
        torch.manual_seed(5)  # what is drawn in between makes no difference
    zero, one, again = (read(tmp_path / name)[0] for name in ("zero", "one", "again"))
    assert_equal(again, zero)
    assert [name for name in zero if name.endswith("weight") and torch.equal(zero[name], one[name])] == []


class TestErrors:
    @pytest.mark.parametrize(
        ("part", "place", "message"),
        [
            (
                "image_encoder",
                "no/where",
                "There is no model folder 'no/where', and no repository of this name in the cache",
            ),
            ("image_encoder", "/no/where", "There is no model folder '/no/where'"),
            ("video_encoder", "no/where", "no/where is neither a file or folder with weights, nor a repository with"),
            (
                "video_encoder",
                "/no/where",
                "/no/where is neither a file or folder with weights, nor a repository with",
            ),
            (
                "language_model",
                "no/where",
                "There is no model folder 'no/where', and no repository of this name in the cache",
            ),
            ("language_model", "/no/where", "There is no model folder '/no/where'"),
        ],
    )
    def test_missing_part(self, tmp_path, parts, part, place, message):
        before = sorted(tmp_path.iterdir())
        with pytest.raises(OSError, match=message):
            assemble(tmp_path / "start", **{**parts, part: place}, config=CONFIG)
        assert sorted(tmp_path.iterdir()) == before

    def test_encoder_that_lacks_a_weight(self, tmp_path, parts):
        file = parts["image_encoder"] / "model.safetensors"
        weights = load_file(file)
        del weights["vision_model.encoder.layers.0.mlp.fc1.bias"]
        save_file(weights, file, metadata={"format": "pt"})
        message = r"1 of the \d+ weights of the image encoder are missing in .*clip, such as encoder\.layers\.0\.mlp\.fc1\.bias"
        with pytest.raises(ValueError, match=message):
            assemble(tmp_path / "start", **parts, config=CONFIG)

    def test_language_model_that_lacks_a_weight(self, tmp_path, parts):
        file = parts["language_model"] / "model.safetensors"
        weights = load_file(file)
        del weights["model.norm.weight"]
        save_file(weights, file, metadata={"format": "pt"})
        with pytest.raises(ValueError, match="1 weights of language_model are missing in .*language_model, such as"):
            assemble(tmp_path / "start", **parts, config=CONFIG)

    def test_encoder_of_another_size(self, tmp_path, parts):
        config = {**CONFIG, "video_config": {**CONFIG["video_config"], "state_size": 8}}
        with pytest.raises(
            ValueError, match=r"of the video encoder in .* has the shape .* but the model's `video_config`"
        ):
            assemble(tmp_path / "start", **parts, config=config)

    def test_other_model(self, tmp_path, parts):
        with pytest.raises(
            ValueError, match="clip is a clip_vision_model model, not a language model of the type qwen2"
        ):
            assemble(tmp_path / "start", **{**parts, "language_model": parts["image_encoder"]}, config=CONFIG)

    def test_config(self, tmp_path, parts):
        with pytest.raises(
            ValueError, match="`config` has text_config, but only vision_config, video_config, num_frames"
        ):
            assemble(tmp_path / "start", **parts, config={"text_config": {}})

    def test_target(self, tmp_path, parts):
        with pytest.raises(FileExistsError, match="clip was not made by a conversion and is not replaced"):
            assemble(parts["image_encoder"], **parts, config=CONFIG, overwrite=True)
        assemble(tmp_path / "start", **parts, config=CONFIG)
        with pytest.raises(FileExistsError, match="start is not empty: choose another folder"):
            assemble(tmp_path / "start", **parts, config=CONFIG)
        assemble(tmp_path / "start", **parts, config=CONFIG, overwrite=True)


def test_weights_that_nobody_reads_are_not_made_up(tmp_path, parts):
    file = parts["image_encoder"] / "model.safetensors"
    save_file({name: t for name, t in load_file(file).items() if ".layers.1." not in name}, file, {"format": "pt"})
    assemble(tmp_path / "start", **parts, config=CONFIG)
    expected = {name: t for name, t in parts_weights().items() if "vision_tower.encoder.layers.1." not in name}
    assert IMAGE_PREFIX not in str(expected)
    assert_equal(read(tmp_path / "start")[1], expected)


def test_training_begins_there(tmp_path, parts):
    pytest.importorskip("accelerate")
    assemble(tmp_path / "start", **parts, config=CONFIG)
    images = make_images(tmp_path / "images")
    recipe = tiny_recipe(
        "video_projector", tmp_path / "start", images, tmp_path / "trained", max_steps=1, warmup_ratio=0
    )
    trained, others = read(run(recipe))
    assert_equal(others, parts_weights())
    start, _ = read(tmp_path / "start")
    changed = {name for name in start if not torch.equal(trained[name], start[name])}
    assert changed == {name for name in start if name.startswith("model.video_projector.")}
