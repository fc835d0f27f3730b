# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A tiny run of all stages, each on the output of the one before, and the merged model at the end."""

import shutil
from importlib.metadata import version

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from training_data import Recorder, tiny_recipe
from transformers_mvgpt.conversion import convert
from transformers_mvgpt.training import DataCollator, InstructionDataset, load_recipe, merge, run


peft = pytest.importorskip("peft")

# peft asks for it under its old name
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


class Chain:
    """What each stage started from, wrote and computed."""

    def __init__(self, folder, release, images, clips):
        self.base = folder / "base"
        convert(release, self.base)
        self.recorders = {}
        self.outputs = {}
        model = self.base
        for stage, data, steps in (
            ("video_projector", images, 12),
            ("image_projector", images, 12),
            ("instruction", [clips, images], 24),
        ):
            recorder = self.recorders[stage] = Recorder()
            rates = {"projector_learning_rate": 5e-3} if stage == "instruction" else {}
            recipe = tiny_recipe(stage, model, data, folder / stage, max_steps=steps, **rates)
            self.outputs[stage] = model = run(recipe, callbacks=[recorder])
        self.adapter = model
        self.merged = folder / "merged"
        merge(self.adapter, self.merged)


@pytest.fixture(scope="module")
def chain(tmp_path_factory, release, images, clips):
    return Chain(tmp_path_factory.mktemp("chain"), release, images, clips)


def changed(before, after):
    weights, others = load_file(before / "model.safetensors"), load_file(after / "model.safetensors")
    assert weights.keys() == others.keys()
    return {name for name in weights if not torch.equal(weights[name], others[name])}


def logits(model, processor, clips):
    dataset = InstructionDataset(clips)
    batch = DataCollator(processor)([dataset[0], dataset[1]])
    with torch.no_grad():
        return model.eval()(**batch).logits


def test_loss_falls(chain):
    for stage, factor in (("video_projector", 0.97), ("image_projector", 0.97), ("instruction", 0.7)):
        losses = chain.recorders[stage].losses
        assert losses[-1] < factor * losses[0], stage
        assert (chain.outputs[stage] / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_frozen_does_not_move_by_a_bit(chain):
    before = chain.base
    for stage in ("video_projector", "image_projector"):
        names = changed(before, chain.outputs[stage])
        assert len(names) == 6
        assert all(name.startswith(f"model.{stage}.") for name in names)
        before = chain.outputs[stage]
    names = changed(before, chain.merged)
    learned = {name for name in load_file(chain.merged / "model.safetensors") if "_projector." in name}
    learned |= {
        f"model.language_model.layers.{layer}.{linear}_proj.weight"
        for layer in (0, 1)
        for linear in ("self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up", "mlp.down")
    }
    assert names == learned


def test_adapter_is_what_was_trained(chain, clips):
    base = AutoModelForImageTextToText.from_pretrained(chain.outputs["image_projector"])
    loaded = peft.PeftModel.from_pretrained(base, chain.adapter)
    processor = AutoProcessor.from_pretrained(chain.adapter)
    trained = chain.recorders["instruction"].model
    weights = loaded.state_dict()
    assert weights.keys() == chain.recorders["instruction"].weights.keys()
    for name, tensor in chain.recorders["instruction"].weights.items():
        # of the projectors that peft has set aside, nothing is read
        assert torch.equal(weights[name], tensor), name
    assert torch.equal(logits(loaded, processor, clips), logits(trained, processor, clips))


def test_merged_model_is_what_was_trained(chain, clips):
    model = AutoModelForImageTextToText.from_pretrained(chain.merged)
    processor = AutoProcessor.from_pretrained(chain.merged)
    expected = logits(chain.recorders["instruction"].model, processor, clips)
    torch.testing.assert_close(logits(model, processor, clips), expected, rtol=1e-4, atol=1e-4)
    base = AutoModelForImageTextToText.from_pretrained(chain.outputs["image_projector"])
    assert (logits(base, processor, clips) - expected).abs().max() > 0.1
    assert not hasattr(model.config, "use_cache")  # training computes without, generation does not


def test_outputs_are_complete(chain):
    native = {"config.json", "generation_config.json", "model.safetensors"}
    # no card: peft's would name the base model by its path
    adapter = {"adapter_config.json", "adapter_model.safetensors"}
    processor = {"processor_config.json", "tokenizer_config.json", "tokenizer.json", "chat_template.jinja"}
    run_files = {"recipe.yaml", "loss.jsonl", "loss.png", "checkpoints"}
    for stage, files in (("video_projector", native), ("instruction", adapter)):
        names = {path.name for path in chain.outputs[stage].iterdir()}
        assert names == files | processor | run_files


def test_recipe_is_saved_with_versions(chain):
    text = (chain.adapter / "recipe.yaml").read_text()
    assert text.startswith(
        f"# transformers_mvgpt {version('transformers-mvgpt')}, torch {torch.__version__}, transformers "
    )
    recipe = load_recipe(chain.adapter / "recipe.yaml")
    assert (recipe.stage, recipe.max_steps, recipe.model) == ("instruction", 24, str(chain.outputs["image_projector"]))


class TestMerge:
    def test_base_that_has_moved(self, chain, tmp_path):
        moved = tmp_path / "moved"
        shutil.copytree(chain.adapter, moved)
        config = moved / "adapter_config.json"
        config.write_text(config.read_text().replace(str(chain.outputs["image_projector"]), "/nowhere/base"))
        with pytest.raises(
            FileNotFoundError, match="was trained on /nowhere/base, which is not there: say where it is"
        ):
            merge(moved, tmp_path / "merged")
        merge(moved, tmp_path / "merged", base_model=chain.outputs["image_projector"], dtype="bfloat16")
        expected = load_file(chain.merged / "model.safetensors")
        for name, tensor in load_file(tmp_path / "merged" / "model.safetensors").items():
            assert torch.equal(tensor, expected[name].bfloat16()), name

    def test_no_adapter(self, chain, tmp_path):
        with pytest.raises(
            FileNotFoundError, match="image_projector has no adapter_config.json: give the output of an"
        ):
            merge(chain.outputs["image_projector"], tmp_path / "merged")

    def test_target_that_is_in_use(self, chain):
        with pytest.raises(FileExistsError, match="merged is not empty: choose another folder"):
            merge(chain.adapter, chain.merged)
        merge(chain.adapter, chain.merged, overwrite=True)


def test_adapter_is_no_start_for_another(chain, clips, tmp_path):
    recipe = tiny_recipe("instruction", chain.adapter, clips, tmp_path / "output")
    with pytest.raises(
        ValueError, match="instruction is a LoRA adapter: merge it first, `mvgpt merge .*instruction TARGET`"
    ):
        run(recipe)
