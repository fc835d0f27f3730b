# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`convert` writes one complete native folder, or nothing."""

import json
import os
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from release_layout import (
    IMAGE_PREFIX,
    VIDEO_PREFIX,
    make_language_model,
    make_release,
    release_weights,
)
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration, MobileVideoGPTProcessor
from transformers_mvgpt.conversion import convert, native_folder
from transformers_mvgpt.conversion.weight_names import native_names


FILES = {
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
}


def native_weights() -> dict[str, torch.Tensor]:
    natives = native_names(release_weights(), "mobile_videogpt")
    return {natives[name]: tensor for name, tensor in release_weights().items()}


def assert_equal(weights: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert weights.keys() == expected.keys()
    assert [name for name in weights if not torch.equal(weights[name], expected[name])] == []


@pytest.fixture
def release(tmp_path) -> Path:
    return make_release(tmp_path, image_encoder=False, video_encoder=False)


class TestCheckpoints:
    def test_native_folder(self, tmp_path, release):
        convert(release, tmp_path / "out" / "native")
        native = tmp_path / "out" / "native"
        assert {file.name for file in native.iterdir()} == FILES
        assert [file.name for file in native.parent.iterdir()] == ["native"], "something was left over"
        assert_equal(load_file(native / "model.safetensors"), native_weights())
        config = json.loads((native / "config.json").read_text())
        assert config["model_type"] == "mobile_videogpt"
        assert config["vision_config"]["patch_size"] == 8
        assert config["dtype"] == "float32"
        assert json.loads((native / "generation_config.json").read_text())["eos_token_id"] == [257, 256]

    def test_it_needs_nothing_else(self, tmp_path, release):
        convert(release, tmp_path / "native")
        for name in ("release", "clip", "videomamba"):
            (tmp_path / name).rename(tmp_path / f"{name}-away")
        model = AutoModelForImageTextToText.from_pretrained(tmp_path / "native")
        processor = AutoProcessor.from_pretrained(tmp_path / "native")
        assert type(model) is MobileVideoGPTForConditionalGeneration
        assert type(processor) is MobileVideoGPTProcessor
        assert processor.num_video_tokens == model.config.num_video_tokens == 24
        assert processor.tokenizer.padding_side == "left"

    def test_given_encoders(self, tmp_path):
        release = make_release(
            tmp_path, image_encoder=False, video_encoder=False, image_mm_vision_tower=None, mm_vision_tower=None
        )
        convert(release, tmp_path / "native", image_encoder=tmp_path / "clip", video_encoder=tmp_path / "videomamba")
        assert_equal(load_file(tmp_path / "native" / "model.safetensors"), native_weights())

    def test_native_source(self, tmp_path, release):
        convert(release, tmp_path / "native")
        convert(tmp_path / "native", tmp_path / "again")
        for name in FILES:
            assert (tmp_path / "native" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name

    def test_model_without_head(self, tmp_path):
        model = MobileVideoGPTForConditionalGeneration.from_pretrained(make_release(tmp_path))
        model.model.save_pretrained(tmp_path / "headless", save_original_format=False)
        MobileVideoGPTProcessor.from_pretrained(tmp_path / "release").save_pretrained(tmp_path / "headless")
        convert(tmp_path / "headless", tmp_path / "native")
        assert_equal(load_file(tmp_path / "native" / "model.safetensors"), native_weights())

    def test_dtype(self, tmp_path, release):
        convert(release, tmp_path / "native", dtype="bfloat16")
        expected = {name: tensor.bfloat16() for name, tensor in native_weights().items()}
        assert_equal(load_file(tmp_path / "native" / "model.safetensors"), expected)
        assert AutoModelForImageTextToText.from_pretrained(tmp_path / "native").dtype == torch.bfloat16

    def test_weights_that_nobody_has_or_reads_are_not_made_up(self, tmp_path):
        unread = ("clip_decoder.", "post_layernorm.", "encoder.layers.1.")
        release = make_release(tmp_path)
        prefixes = tuple(prefix + name for prefix in (IMAGE_PREFIX, VIDEO_PREFIX) for name in unread)
        weights = {name: tensor for name, tensor in release_weights().items() if not name.startswith(prefixes)}
        save_file(weights, release / "model.safetensors")
        convert(release, tmp_path / "native")
        natives = native_names(weights, "mobile_videogpt")
        expected = {natives[name]: tensor for name, tensor in weights.items()}
        assert_equal(load_file(tmp_path / "native" / "model.safetensors"), expected)

    def test_missing_encoder(self, tmp_path):
        release = make_release(tmp_path, video_encoder=False, mm_vision_tower="OpenGVLab/VideoMamba")
        with pytest.raises(
            OSError, match="40 weights of the video encoder are missing .*OpenGVLab/VideoMamba is neither"
        ):
            convert(release, tmp_path / "native")
        assert not (tmp_path / "native").exists()

    def test_missing_projector(self, tmp_path, release):
        weights = load_file(release / "model.safetensors")
        save_file({k: v for k, v in weights.items() if ".image_mm_projector." not in k}, release / "model.safetensors")
        with pytest.raises(ValueError, match="6 weights of image_projector are missing in .*release, such as"):
            convert(release, tmp_path / "native")

    def test_other_model(self, tmp_path):
        with pytest.raises(ValueError, match="is a qwen2 model, not mobile_videogpt or MobileVideoGPT_qwen"):
            convert(make_language_model(tmp_path / "language_model"), tmp_path / "native")

    def test_other_tokenizer(self, tmp_path):
        release = make_release(tmp_path, video_token_id=270)
        with pytest.raises(ValueError, match="`video_token_id` is 270 in the config of .*, but 263 in its tokenizer"):
            convert(release, tmp_path / "native")

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("/no/where", "There is no model folder '/no/where'"),
            ("no/where", "There is no model folder 'no/where', and no repository of this name in the cache"),
        ],
    )
    def test_no_source(self, tmp_path, source, message):
        with pytest.raises(OSError, match=message):
            convert(source, tmp_path / "native")

    def test_base_model_for_a_checkpoint(self, tmp_path, release):
        with pytest.raises(
            ValueError, match=r"A base model \(x/y\) was given, but .*release is not an output of training"
        ):
            convert(release, tmp_path / "native", base_model="x/y")


class TestTarget:
    def test_progress(self, tmp_path, release):
        steps = []
        convert(release, tmp_path / "native", on_progress=lambda *step: steps.append(step))
        loading, writing = f"Loading {release}", f"Writing {tmp_path / 'native'}"
        assert steps[:4] == [(loading, 0, 1), (loading, 1, 1), (writing, 0, 1), (writing, 1, 1)]
        assert steps[4:] == [("Comparing tensors", n, 122) for n in range(1, 123)]

    @pytest.mark.parametrize("stop_at", ["Loading", "Writing", "Comparing"])
    def test_nothing_is_left_when_stopped(self, tmp_path, release, stop_at):
        def stop(step: str, completed: int, total: int) -> None:
            if step.startswith(stop_at) and completed == total:
                raise KeyboardInterrupt

        before = sorted(tmp_path.iterdir())
        with pytest.raises(KeyboardInterrupt):
            convert(release, tmp_path / "native", on_progress=stop)
        assert sorted(tmp_path.iterdir()) == before

    def test_differences_are_found(self, tmp_path, release, monkeypatch):
        save = MobileVideoGPTForConditionalGeneration.save_pretrained

        def save_with_an_error(self, folder, state_dict, **kwargs):
            name = "model.video_projector.conv.bias"
            state_dict = {**state_dict, name: state_dict[name].clone()}
            state_dict[name][3] = -state_dict[name][3]
            save(self, folder, state_dict=state_dict, **kwargs)

        monkeypatch.setattr(MobileVideoGPTForConditionalGeneration, "save_pretrained", save_with_an_error)
        before = sorted(tmp_path.iterdir())
        with pytest.raises(
            RuntimeError, match=r"1 parts were read differently .*, such as model\.video_projector\.conv\.bias"
        ):
            convert(release, tmp_path / "native")
        assert sorted(tmp_path.iterdir()) == before

    @pytest.mark.parametrize(
        ("tensor", "other", "identical"),
        [
            (torch.tensor([float("nan")]), torch.tensor([float("nan")]), True),
            (torch.tensor(1.0), torch.tensor(1.0), True),
            (torch.tensor([0.0]), torch.tensor([-0.0]), False),
            (torch.tensor([1.0]), torch.tensor([1.0], dtype=torch.float16), False),
            (torch.zeros(2, 3), torch.zeros(3, 2), False),
        ],
        ids=["nan", "scalar", "signed-zero", "dtype", "shape"],
    )
    def test_comparison_is_bitwise(self, tensor, other, identical):
        assert native_folder._is_identical(tensor, other) is identical

    def test_empty_folder(self, tmp_path, release):
        (tmp_path / "native").mkdir()
        convert(release, tmp_path / "native")
        assert {file.name for file in (tmp_path / "native").iterdir()} == FILES

    @pytest.mark.skipif(sys.platform == "win32", reason="permission bits")
    def test_permissions_are_the_usual_ones(self, tmp_path, release):
        (tmp_path / "usual").mkdir()
        convert(release, tmp_path / "native")
        assert (tmp_path / "native").stat().st_mode == (tmp_path / "usual").stat().st_mode

    def test_existing_folder(self, tmp_path, release):
        convert(release, tmp_path / "native")
        with pytest.raises(FileExistsError, match="native is not empty: .*let it be replaced"):
            convert(release, tmp_path / "native", dtype="float16")
        convert(release, tmp_path / "native", dtype="float16", overwrite=True)
        assert json.loads((tmp_path / "native" / "config.json").read_text())["dtype"] == "float16"
        assert sorted(file.name for file in tmp_path.iterdir()) == ["clip", "native", "release", "videomamba"]

    def test_failed_overwrite_keeps_the_old_folder(self, tmp_path, release):
        convert(release, tmp_path / "native")
        before = (tmp_path / "native" / "model.safetensors").read_bytes()
        with pytest.raises(OSError, match="image encoder"):
            convert(release, tmp_path / "native", image_encoder="no/where", overwrite=True)
        assert (tmp_path / "native" / "model.safetensors").read_bytes() == before

    def test_foreign_files_are_not_replaced(self, tmp_path, release):
        convert(release, tmp_path / "native")
        (tmp_path / "native" / "notes.txt").write_text("mine")
        with pytest.raises(FileExistsError, match=r"not made by a conversion .* \(it holds notes.txt\)"):
            convert(release, tmp_path / "native", overwrite=True)

    def test_another_model_is_not_replaced(self, tmp_path, release):
        other = make_language_model(tmp_path / "language_model")
        with pytest.raises(FileExistsError, match=r"not made by a conversion .*it holds no mobile_videogpt model"):
            convert(release, other, overwrite=True)
        assert (other / "model.safetensors").exists()

    def test_source_is_not_replaced(self, tmp_path, release):
        convert(release, tmp_path / "native")
        with pytest.raises(FileExistsError, match="native is the source itself"):
            convert(tmp_path / "native", tmp_path / "native", overwrite=True)

    def test_file(self, tmp_path, release):
        (tmp_path / "native").write_text("")
        with pytest.raises(FileExistsError, match="native is a file"):
            convert(release, tmp_path / "native", overwrite=True)


def test_nothing_is_printed(tmp_path, release, capfd):
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        convert(release, tmp_path / "native")
    finally:
        logging.enable_progress_bar()
    assert capfd.readouterr() == ("", "")
    assert os.listdir(tmp_path / "native")
