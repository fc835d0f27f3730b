# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What learns in each stage, and the path of images through the video encoder."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from seeded_weights import seeded_pixels, seeded_weight
from tiny_models import VIDEO_SIZE, make_prompt, make_sample, tiny_model
from transformers_mvgpt import MobileVideoGPTConfig, MobileVideoGPTForConditionalGeneration
from transformers_mvgpt.conversion.weight_names import native_names
from transformers_mvgpt.families import FAMILIES, family_of
from transformers_mvgpt.training import make_recipe, stages
from transformers_mvgpt.training.images_as_video_mvgpt import encode_images_as_video
from transformers_mvgpt.training.stage_records import MOBILE_VIDEOGPT, STAGE_NAMES
from transformers_mvgpt.training.stages import prepare_model


DATA = Path(__file__).parents[1] / "data"
MEASURED = load_file(DATA / "small_cases.safetensors")
UNREAD = (
    "model.vision_tower.encoder.layers.2.",
    "model.vision_tower.post_layernorm.",
    "model.video_tower.clip_decoder.",
)

# peft asks for it under its old name
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def recipe(stage, **values):
    places = {"model": "m", "data": "d", "output": "o", "max_steps": 1, "learning_rate": 1}
    return make_recipe({"stage": stage, **places, **values})


def trainable(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("stage", ["image_projector", "video_projector"])
def test_one_projector_learns(stage):
    model = prepare_model(tiny_model(), recipe(stage))
    parts = ("linear_1.weight", "linear_1.bias", "linear_2.weight", "linear_2.bias", "conv.weight", "conv.bias")
    assert trainable(model) == {f"model.{stage}.{part}" for part in parts}


def test_families_have_stages_of_their_own(monkeypatch):
    family = replace(family_of("mobile_videogpt"), name="Other", stages=MOBILE_VIDEOGPT[1:])
    monkeypatch.setattr(stages, "family_of", lambda config: family)
    prepare_model(tiny_model(), recipe("image_projector"))
    with pytest.raises(ValueError, match=r"`stage` \(video_projector\) of Other must be image_projector or inst"):
        prepare_model(tiny_model(), recipe("video_projector"))


def test_recipes_know_the_stages_of_all_families():
    assert set(STAGE_NAMES) >= {stage.name for family in FAMILIES for stage in family.stages}


def test_lora_is_on_every_linear_of_the_language_model_alone():
    model = prepare_model(tiny_model(), recipe("instruction", lora={"r": 3, "alpha": 6}))
    names = trainable(model)
    lora = {name for name in names if ".lora_" in name}
    linears = {
        name
        for name, module in tiny_model().named_modules()
        if isinstance(module, nn.Linear) and ".language_model." in name
    }
    assert len(linears) == 2 * 7
    expected = {f"base_model.model.{name}.lora_{side}.default.weight" for name in linears for side in "AB"}
    assert lora == expected
    others = names - lora
    prefixes = tuple(
        f"base_model.model.model.{name}.modules_to_save.default." for name in ("image_projector", "video_projector")
    )
    assert len(others) == 12
    assert all(name.startswith(prefixes) for name in others)
    settings = model.peft_config["default"]
    assert (settings.r, settings.lora_alpha, settings.lora_dropout) == (3, 6, 0.05)


def test_full_training():
    model = prepare_model(tiny_model(), recipe("instruction", lora=None))
    parts = ("model.language_model.", "lm_head.", "model.image_projector.", "model.video_projector.")
    assert trainable(model) == {name for name, _ in model.named_parameters() if name.startswith(parts)}


@pytest.mark.parametrize("lora", [None, {"r": 2}], ids=["full", "lora"])
def test_encoders_learn_if_they_are_to(lora):
    model = prepare_model(tiny_model(), recipe("instruction", lora=lora, train_encoders=True))
    names = {
        name.removeprefix("base_model.model.").replace("modules_to_save.default.", "") for name in trainable(model)
    }
    encoders = {name for name in names if "_tower." in name}
    towers = {name for name, _ in tiny_model().named_parameters() if "_tower." in name}
    assert encoders == {name for name in towers if not name.startswith(UNREAD)}

    sample = make_sample(5, "video:a", 6, "image:i", 7, 8)
    labels = sample["input_ids"].masked_fill(sample["input_ids"] >= 97, -100)
    model(**sample, labels=labels).loss.backward()
    without = {name for name, p in model.named_parameters() if p.requires_grad and p.grad is None}
    assert without == set()


def test_images_as_video_are_what_was_measured():
    """Against the published system; `tests/data/README.md` says what the arrays hold."""
    layout = json.loads((DATA / "small_layout.json").read_text())
    encoders = {"vision_config": layout["clip"], "video_config": {"num_hidden_layers": layout["videomamba_depth"]}}
    model = MobileVideoGPTForConditionalGeneration(
        MobileVideoGPTConfig.from_dict({**layout["config_saved"], **encoders})
    )
    names = native_names(layout["state_dict"], "mobile_videogpt")
    weights = {names[name]: seeded_weight(name, tuple(shape)) for name, shape in layout["state_dict"].items()}
    model.load_state_dict(weights)
    model = prepare_model(model, recipe("video_projector"))

    output = encode_images_as_video(model, seeded_pixels("small_image_mode.pixel_values", 1)[None])
    for name, actual in (
        ("video_encoder_features", output.last_hidden_state[:, ::13, ::16]),
        ("video_projector_output", output.pooler_output[:, ::7, ::8]),
    ):
        expected = MEASURED[f"small_image_mode/{name}"]
        assert actual.shape == expected.shape
        assert (actual - expected).abs().max() < 1e-3 * expected.std(), name
    assert output.pooler_output.shape == (1, 49, 128)


def test_visual_tokens_go_to_the_placeholders_of_the_image():
    model = prepare_model(tiny_model(), recipe("video_projector"))
    frames = torch.stack([seeded_pixels(name, 1, VIDEO_SIZE) for name in "ab"])  # (2, 1, 3, H, W)
    visual_tokens = encode_images_as_video(model, frames).pooler_output
    assert visual_tokens.shape == (2, 4, 32)
    image = model.config.image_token_id
    ids = torch.tensor([[5, image, image, image, image, 6, 7], [8, image, image, image, image, 9, 5]])
    outputs = model(ids, pixel_values_videos=frames)
    assert torch.equal(outputs.image_hidden_states, visual_tokens)

    embedded = model.get_input_embeddings()(ids.masked_fill(ids == image, 0))
    embedded[:, 1:5] = visual_tokens
    expected = model.lm_head(model.model.language_model(inputs_embeds=embedded).last_hidden_state)
    torch.testing.assert_close(outputs.logits, expected)


def test_frozen_encoder_computes_no_gradients():
    model = prepare_model(tiny_model(), recipe("video_projector"))
    frames = seeded_pixels("a", 1, VIDEO_SIZE)[None]
    output = encode_images_as_video(model, frames)
    assert not output.last_hidden_state.requires_grad
    assert output.pooler_output.requires_grad


def test_text_alone_is_left_as_it_is():
    model = prepare_model(tiny_model(), recipe("video_projector"))
    ids = make_prompt(5, 6, 7)
    assert torch.equal(model(ids).logits, tiny_model()(ids).logits)
