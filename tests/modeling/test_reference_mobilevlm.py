# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
MobileVLM V1 and V2 against what the released system was measured to compute, on small checkpoints in the published layout with
seeded weights. `tests/data/README.md` says what the files hold.
"""

import functools
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

from seeded_weights import draw, seeded_weight
from transformers_mvgpt import MobileVLMForConditionalGeneration


DATA = Path(__file__).parents[1] / "data"
LAYOUT = json.loads((DATA / "mobilevlm_layout.json").read_text())
MEASURED = load_file(DATA / "mobilevlm_cases.safetensors")
CASES = sorted({name.partition("/")[0] for name in MEASURED})
NUM_NEW_TOKENS = 16

every_case = pytest.mark.parametrize("case", CASES)


@functools.cache
def seeded_weights(projector_type):
    layout = LAYOUT["projectors"][projector_type]
    weights = {name: seeded_weight(name, tuple(shape)) for name, shape in layout["state_dict"].items()}
    for name, checksum in layout["checksums"].items():
        assert weights[name].double().sum().item() == pytest.approx(checksum, rel=1e-9, abs=1e-9), name
    return weights


def write_checkpoint(folder, projector_type):
    """As the release saves it."""
    config = {**LAYOUT["projectors"][projector_type]["config_saved"], "vision_config": LAYOUT["vision"]}
    (folder / "config.json").write_text(json.dumps(config))
    weights = seeded_weights(projector_type)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return dict(weights)


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    models = {}

    def load(projector_type):
        if projector_type not in models:
            folder = tmp_path_factory.mktemp(projector_type)
            write_checkpoint(folder, projector_type)
            models[projector_type] = AutoModelForImageTextToText.from_pretrained(folder)
        return models[projector_type]

    return load


def measured(case):
    return {name.partition("/")[2]: array for name, array in MEASURED.items() if name.startswith(f"{case}/")}


def inputs_of(case, config):
    arrays = measured(case)
    suffix = arrays["input_suffix_ids"]
    image = torch.full((len(suffix), 144), config.image_token_id)
    parts = [arrays["input_prefix_ids"].expand(len(suffix), -1), image]
    for between in arrays.get("input_between_ids", ()):
        parts += [between.expand(len(suffix), -1), image]
    num_images = len(suffix) * (len(parts) // 2)
    squares = [torch.from_numpy(draw(f"{case}.pixel_values.{number}", (1, 3, 16, 16))) for number in range(num_images)]
    pixels = torch.cat(squares).repeat_interleave(21, dim=2).repeat_interleave(21, dim=3)
    return {"input_ids": torch.cat([*parts, suffix], dim=1), "pixel_values": pixels}


@pytest.fixture(scope="module")
def computed(load):
    """case -> array -> what this model computes; each case runs once."""
    results = {}

    @torch.no_grad()
    def computed(case):
        if case not in results:
            model = load(case.split("_")[1])
            inputs = inputs_of(case, model.config)
            labels = inputs["input_ids"].clone()
            labels[:, :-24] = -100
            embeds = []
            hook = model.model.language_model.register_forward_pre_hook(
                lambda _, args, kwargs: embeds.append(kwargs["inputs_embeds"]), with_kwargs=True
            )
            outputs = model(**inputs, labels=labels)
            hook.remove()
            options = {"max_new_tokens": NUM_NEW_TOKENS, "do_sample": False, "eos_token_id": None}
            generated = model.generate(**inputs, **options, return_dict_in_generate=True, output_logits=True)
            results[case] = {
                "image_encoder_features": outputs.image_outputs.last_hidden_state[:, ::37, ::32],
                "projector_output": outputs.image_hidden_states[:, ::5, ::4],
                "inputs_embeds": embeds[0][:, ::7, ::4],
                "sequence_length": torch.tensor([embeds[0].shape[1]]),
                "last_logits": outputs.logits[:, -4:],
                "loss": outputs.loss[None].double(),
                "generated_ids": generated.sequences[:, -NUM_NEW_TOKENS:],
                "generated_logits": torch.stack(generated.logits, dim=1)[..., ::16],
            }
        return results[case]

    return computed


@every_case
def test_case(case, computed):
    expected, actual = measured(case), computed(case)
    assert actual.keys() == {name for name in expected if not name.startswith("input_")}
    for name, array in actual.items():
        assert array.shape == expected[name].shape, name
        if not array.is_floating_point():
            assert torch.equal(array, expected[name]), name
        elif name == "loss":
            assert array.item() == pytest.approx(expected[name].item(), rel=1e-5)
        else:
            assert (array - expected[name]).abs().max() < 5e-5 * expected[name].std(), name


@pytest.mark.parametrize("projector_type", LAYOUT["projectors"])
def test_published_checkpoint_goes_in_and_out_unchanged(projector_type, tmp_path):
    weights = write_checkpoint(tmp_path, projector_type)
    model, info = MobileVLMForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    model.save_pretrained(tmp_path / "saved")
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert saved.keys() == weights.keys()
    assert all(torch.equal(saved[name], weights[name]) for name in weights)


def test_buffers_of_old_checkpoints_are_ignored(tmp_path):
    weights = write_checkpoint(tmp_path, "ldpnetv2")
    vision = "model.vision_tower.vision_tower.vision_model"
    weights |= {
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(16),
        f"{vision}.embeddings.position_ids": torch.arange(577)[None],
    }
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    _, info = MobileVLMForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info


def test_missing_image_encoder_is_not_drawn_at_random(tmp_path):
    weights = write_checkpoint(tmp_path, "ldpnet")
    weights = {name: weight for name, weight in weights.items() if "vision_tower" not in name}
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises((OSError, ValueError), match="openai/clip-vit-large-patch14-336"):
        MobileVLMForConditionalGeneration.from_pretrained(tmp_path)
