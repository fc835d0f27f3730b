# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the release's training leaves behind becomes a complete model, with nothing of it lost."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from release_layout import make_language_model, make_release, release_weights
from transformers_mvgpt.conversion import convert
from transformers_mvgpt.conversion.weight_names import native_names


PROJECTORS = ("model.mm_projector.", "model.image_mm_projector.")
LORA_MODULES = [f"model.layers.{layer}.{name}" for layer in (0, 1) for name in ("self_attn.q_proj", "mlp.down_proj")]
SCALING = 2.0  # alpha / r


def trained_projectors(*prefixes: str) -> dict[str, torch.Tensor]:
    return {name: tensor + 1 for name, tensor in release_weights().items() if name.startswith(prefixes)}


def lora_weights() -> dict[str, torch.Tensor]:
    """An adapter of rank 4 by the release's names, as peft saves it."""
    weights = {}
    for module in LORA_MODULES:
        rows, columns = release_weights()[f"{module}.weight"].shape
        weights[f"base_model.model.{module}.lora_A.weight"] = torch.randn(4, columns)
        weights[f"base_model.model.{module}.lora_B.weight"] = torch.randn(rows, 4)
    return weights


def make_lora_output(folder: Path, base: Path, adapter: dict[str, torch.Tensor], **config) -> Path:
    folder.mkdir()
    settings = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "lora_dropout": 0.05}
    settings |= {"target_modules": ["q_proj", "down_proj"], "base_model_name_or_path": str(base), **config}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    save_file(adapter, folder / "adapter_model.safetensors")
    full = {f"base_model.model.{name}": tensor for name, tensor in trained_projectors(*PROJECTORS).items()}
    torch.save(full, folder / "non_lora_trainables.bin")
    return folder


def assert_converted(folder: Path, changed: dict[str, torch.Tensor], dtype: torch.dtype = torch.float32) -> None:
    """The folder has the release's weights, but for the changed ones, which have the release's names."""
    expected = {**release_weights(), **changed}
    natives = native_names(expected, "mobile_videogpt")
    weights = load_file(folder / "model.safetensors")
    assert weights.keys() == set(natives.values())
    differing = [name for name in expected if not torch.equal(weights[natives[name]], expected[name].to(dtype))]
    assert differing == []


@pytest.fixture
def release(tmp_path) -> Path:
    return make_release(tmp_path, image_encoder=False, video_encoder=False)


@pytest.fixture
def language_model(tmp_path) -> Path:
    return make_language_model(tmp_path / "language_model")


class TestProjectors:
    @pytest.fixture
    def output(self, tmp_path) -> Path:
        (tmp_path / "output").mkdir()
        return tmp_path / "output"

    @pytest.mark.parametrize("prefix", ["model.", "", "base_model.model.model.", "module.model."])
    def test_one_projector_on_a_release(self, tmp_path, release, output, prefix):
        projector = trained_projectors("model.mm_projector.")
        torch.save(
            {prefix + name.removeprefix("model."): t for name, t in projector.items()}, output / "mm_projector.bin"
        )
        convert(output, tmp_path / "native", base_model=release)
        assert_converted(tmp_path / "native", projector)

    def test_native_base(self, tmp_path, release, output):
        convert(release, tmp_path / "base")
        projector = trained_projectors("model.image_mm_projector.")
        torch.save(projector, output / "mm_projector.bin")
        convert(output, tmp_path / "native", base_model=tmp_path / "base")
        assert_converted(tmp_path / "native", projector)

    def test_language_model(self, tmp_path, release, language_model, output):
        """All that training has saved is the projectors and the config."""
        projectors = trained_projectors(*PROJECTORS)
        torch.save(projectors, output / "mm_projector.bin")
        shutil.copy(release / "config.json", output)
        convert(output, tmp_path / "native", base_model=language_model)
        assert_converted(tmp_path / "native", projectors)

    def test_language_model_without_a_projector(self, tmp_path, release, language_model, output):
        torch.save(trained_projectors("model.mm_projector."), output / "mm_projector.bin")
        shutil.copy(release / "config.json", output)
        message = (
            "6 weights of image_projector are missing in .*output and .*language_model, such as .*take a base model"
        )
        with pytest.raises(ValueError, match=message):
            convert(output, tmp_path / "native", base_model=language_model)

    def test_language_model_of_other_sizes(self, tmp_path, language_model, output):
        """Without a saved config, the encoders are the published ones."""
        torch.save(trained_projectors(*PROJECTORS), output / "mm_projector.bin")
        message = (
            r"embeddings.class_embedding of the image encoder in .* has the shape \(32,\), but .* makes it \(768,\)"
        )
        make_release(tmp_path)
        weights = load_file(tmp_path / "clip" / "model.safetensors")
        names = [f"encoder.layers.{layer}.{rest}" for layer in range(2, 12) for rest in self._layer_names(weights)]
        weights |= {f"vision_model.{name}": torch.zeros(1) for name in names}
        save_file(weights, tmp_path / "clip" / "model.safetensors")
        with pytest.raises(ValueError, match=message):
            convert(output, tmp_path / "native", base_model=language_model, image_encoder=tmp_path / "clip")

    @staticmethod
    def _layer_names(weights: dict[str, torch.Tensor]) -> list[str]:
        prefix = "vision_model.encoder.layers.0."
        return [name.removeprefix(prefix) for name in weights if name.startswith(prefix)]

    def test_unknown_weights(self, tmp_path, release, output):
        weights = {**trained_projectors(*PROJECTORS), "model.mm_projector.pos_embed": torch.zeros(3)}
        torch.save(weights, output / "mm_projector.bin")
        message = (
            r"output has weights that are none of Mobile-VideoGPT's, .*: model\.mm_projector\.pos_embed \(1 in all\)"
        )
        with pytest.raises(ValueError, match=message):
            convert(output, tmp_path / "native", base_model=release)

    def test_the_same_weight_twice(self, tmp_path, release, output):
        name = "mm_projector.peg.peg.0.bias"
        torch.save({f"model.{name}": torch.zeros(32), name: torch.ones(32)}, output / "mm_projector.bin")
        with pytest.raises(ValueError, match=f"{name} in .* is there a second time, as model.{name}"):
            convert(output, tmp_path / "native", base_model=release)

    def test_no_tensor(self, tmp_path, release, output):
        torch.save({"model.mm_projector.peg.peg.0.bias": [1, 2]}, output / "mm_projector.bin")
        with pytest.raises(ValueError, match=r"peg\.0\.bias in .*mm_projector\.bin is a list, not a tensor"):
            convert(output, tmp_path / "native", base_model=release)

    def test_other_sizes(self, tmp_path, release, output):
        torch.save({"model.mm_projector.peg.peg.0.bias": torch.zeros(64)}, output / "mm_projector.bin")
        message = r"model\.video_projector\.conv\.bias in .* has the shape \(64,\), but the config makes it \(32,\); 1 weights"
        with pytest.raises(ValueError, match=message):
            convert(output, tmp_path / "native", base_model=release)

    def test_no_base_model(self, tmp_path, output):
        torch.save(trained_projectors(*PROJECTORS), output / "mm_projector.bin")
        with pytest.raises(ValueError, match="is an output of training: say which base model it belongs to"):
            convert(output, tmp_path / "native")

    def test_whole_checkpoint_beside_its_projector(self, tmp_path, release):
        torch.save(trained_projectors(*PROJECTORS), release / "mm_projector.bin")
        convert(release, tmp_path / "native")
        assert_converted(tmp_path / "native", {})


class TestLora:
    @pytest.fixture
    def adapter(self) -> dict[str, torch.Tensor]:
        return lora_weights()

    @pytest.fixture
    def merged(self, adapter) -> dict[str, torch.Tensor]:
        """The weights that differ from the release's, after merging by hand."""
        products = {
            f"{module}.weight": adapter[f"base_model.model.{module}.lora_B.weight"]
            @ adapter[f"base_model.model.{module}.lora_A.weight"]
            for module in LORA_MODULES
        }
        merged = {name: release_weights()[name] + SCALING * product for name, product in products.items()}
        return {**merged, **trained_projectors(*PROJECTORS)}

    @pytest.mark.parametrize("base", ["release", "native", "language_model"])
    def test_merges_on(self, tmp_path, release, language_model, adapter, merged, base):
        if base == "native":
            convert(release, tmp_path / "native")
        output = make_lora_output(tmp_path / "output", tmp_path / base, adapter)
        shutil.copy(release / "config.json", output)
        convert(output, tmp_path / "converted")
        assert_converted(tmp_path / "converted", merged)

    def test_given_base_model_wins(self, tmp_path, release, adapter, merged):
        output = make_lora_output(tmp_path / "output", Path("/home/somebody/qwen"), adapter)
        convert(output, tmp_path / "converted", base_model=release)
        assert_converted(tmp_path / "converted", merged)

    def test_merges_before_rounding(self, tmp_path, release, adapter, merged):
        output = make_lora_output(tmp_path / "output", release, adapter)
        convert(output, tmp_path / "converted", dtype="bfloat16")
        assert_converted(tmp_path / "converted", merged, torch.bfloat16)

    def test_adapter_saved_by_torch(self, tmp_path, release, adapter, merged):
        output = make_lora_output(tmp_path / "output", release, adapter)
        (output / "adapter_model.safetensors").unlink()
        torch.save(adapter, output / "adapter_model.bin")
        convert(output, tmp_path / "converted")
        assert_converted(tmp_path / "converted", merged)

    def test_without_peft(self, tmp_path, release, monkeypatch):
        output = make_lora_output(tmp_path / "output", release, lora_weights())
        monkeypatch.setitem(sys.modules, "peft", None)
        with pytest.raises(
            ImportError, match=r"output has a LoRA adapter, .* pip install 'transformers-mvgpt\[train\]'"
        ):
            convert(output, tmp_path / "native")

    def test_without_weights(self, tmp_path, release):
        output = make_lora_output(tmp_path / "output", release, lora_weights())
        (output / "adapter_model.safetensors").unlink()
        with pytest.raises(OSError, match="but neither adapter_model.safetensors nor adapter_model.bin"):
            convert(output, tmp_path / "native")

    def test_unknown_module(self, tmp_path, release):
        adapter = {**lora_weights(), "base_model.model.model.layers.7.mlp.down_proj.lora_A.weight": torch.zeros(4, 64)}
        output = make_lora_output(tmp_path / "output", release, adapter)
        with pytest.raises(
            ValueError, match=r"none of Mobile-VideoGPT's, .*: base_model\.model\.model\.layers\.7\.mlp"
        ):
            convert(output, tmp_path / "native")

    def test_half_a_module(self, tmp_path, release):
        adapter = lora_weights()
        del adapter["base_model.model.model.layers.0.mlp.down_proj.lora_B.weight"]
        output = make_lora_output(tmp_path / "output", release, adapter)
        with pytest.raises(
            ValueError, match=r"does not fit its configuration: 1 weights are missing .*down_proj\.lora_B"
        ):
            convert(output, tmp_path / "native")

    def test_other_rank(self, tmp_path, release):
        output = make_lora_output(tmp_path / "output", release, lora_weights(), r=8)
        with pytest.raises(ValueError, match=r"does not fit the model: .*size mismatch"):
            convert(output, tmp_path / "native")

    def test_other_kind_of_adapter(self, tmp_path, release):
        output = make_lora_output(tmp_path / "output", release, lora_weights(), peft_type="IA3")
        with pytest.raises(ValueError, match="adapter_config.json is of the type 'IA3'; only 'LORA' can be merged"):
            convert(output, tmp_path / "native")
