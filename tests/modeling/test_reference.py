# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The model against what the released system was measured to compute, on a small checkpoint in the published layout with
seeded weights. `tests/data/README.md` says what the files hold.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText
from transformers.modeling_outputs import BaseModelOutputWithPooling

from seeded_weights import seeded_pixels, seeded_weight
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration


DATA = Path(__file__).parents[1] / "data"
LAYOUT = json.loads((DATA / "small_layout.json").read_text())
MEASURED = load_file(DATA / "small_cases.safetensors")

NUM_FRAMES = {
    "small_video_16f_k4_0": 16,
    "small_video_64f_k1_3": 64,
    "small_video_16f_bottom4_7": 16,
    "small_video_batch2_1": 16,
    "small_video_12real": 16,
}
OPTIONS = {
    "small_video_64f_k1_3": {"num_frames": 64, "num_selected_frames": 1},
    "small_video_16f_bottom4_7": {"select_most_attended": False},
}
FLOAT_ARRAYS = sorted(name for name, array in MEASURED.items() if array.dtype == torch.float32)

every_video_case = pytest.mark.parametrize("case", NUM_FRAMES)


def measured(case, array):
    return MEASURED[f"{case}/{array}"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The folder of a small model, as the release saves it."""
    folder = tmp_path_factory.mktemp("small_release")
    config = {
        **LAYOUT["config_saved"],
        "vision_config": LAYOUT["clip"],
        "video_config": {"num_hidden_layers": LAYOUT["videomamba_depth"]},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text("{}")  # else transformers makes one of the old config
    weights = {name: seeded_weight(name, tuple(shape)) for name, shape in LAYOUT["state_dict"].items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def load(checkpoint):
    def load(case=None, **options):
        return AutoModelForImageTextToText.from_pretrained(checkpoint, **OPTIONS.get(case, {}), **options)

    return load


def inputs_of(case, config):
    if case not in NUM_FRAMES:
        visuals = {"pixel_values": seeded_pixels(f"{case}.pixel_values", 1)}
        block = torch.full((1, config.num_image_tokens), config.image_token_id)
        suffix = measured(case, "input_suffix_ids")[None]
    else:
        num_frames = NUM_FRAMES[case]
        suffix = measured(case, "input_suffix_ids")
        names = {"pixel_values_videos": "pixel_values_videos", "context_pixel_values_videos": "context"}
        visuals = {
            argument: torch.stack(
                [seeded_pixels(f"{case}.{name}.{video}", num_frames) for video in range(len(suffix))]
            )
            for argument, name in names.items()
        }
        if case == "small_video_12real":
            visuals = {argument: pixels[:, :12] for argument, pixels in visuals.items()}
        block = torch.full((len(suffix), config.num_video_tokens), config.video_token_id)
    prefix = measured(case, "input_prefix_ids").expand(len(suffix), -1)
    return {"input_ids": torch.cat([prefix, block, suffix], dim=1), **visuals}


@torch.no_grad()
def compute(case, model):
    """What was measured of a case, from the hidden places of the model as well, sliced as in the file."""
    config = model.config
    inputs = inputs_of(case, config)
    input_ids = inputs["input_ids"]
    labels = input_ids.clone()
    labels[:, : -measured(case, "input_suffix_ids").shape[-1]] = -100

    seen = {}
    modules = ("video_tower", "image_projector", "video_projector", "language_model")
    for name in modules:

        def record(module, args, kwargs, output, name=name):
            seen[name] = (args[0] if args else kwargs["inputs_embeds"], output)

        getattr(model.model, name).register_forward_hook(record, with_kwargs=True)

    outputs = model(**inputs, labels=labels)
    image_features, image_rows = seen["image_projector"]
    inputs_embeds, _ = seen.pop("language_model")
    results = {
        "sequence_length": torch.tensor([input_ids.shape[1]]),
        "inputs_embeds": inputs_embeds[:, :: 53 if case in NUM_FRAMES else 13, ::8],
        "last_logits": outputs.logits[:, -4:],
    }
    if case in NUM_FRAMES:
        projector_input, video_rows = seen["video_projector"]
        encoded = BaseModelOutputWithPooling(pooler_output=outputs.video_hidden_states)
        generated = model.generate(
            input_ids,
            mm_encoder_outputs={"video": encoded},
            max_new_tokens=24,
            do_sample=False,
            eos_token_id=None,
        )
        scores = outputs.frame_scores.unflatten(1, (config.num_chunks, -1))
        first = torch.arange(config.num_chunks)[:, None] * config.frames_per_chunk
        results |= {
            "image_encoder_features": image_features[::5, ::49, ::64],
            "image_projector_output": image_rows[::5, ::29, ::8],
            "frame_scores": scores,
            "selected_frames": outputs.selected_frames.unflatten(1, (config.num_chunks, -1)) - first,
            "video_encoder_features": seen["video_tower"][1].last_hidden_state[:, ::61, ::16],
            "video_projector_input": projector_input[:, ::37, ::16],
            "video_projector_output": video_rows[:, ::7, ::8],
            "loss": outputs.loss[None].double(),
            "generated_ids": generated[:, input_ids.shape[1] :],
        }
    return results


@torch.no_grad()
def compute_image_mode(model):
    features = model.model.video_tower(seeded_pixels("small_image_mode.pixel_values", 1)[:, None]).last_hidden_state
    return {
        "video_encoder_features": features[:, ::13, ::16],
        "video_projector_output": model.model.video_projector(features[:, 1:])[:, ::7, ::8],
    }


@pytest.fixture(scope="module")
def computed(load):
    """case -> array -> what this model computes; each case runs once."""
    results = {}

    def computed(case):
        if case not in results:
            model = load(case)
            results[case] = compute_image_mode(model) if case == "small_image_mode" else compute(case, model)
        return results[case]

    return computed


def test_weights_are_those_that_were_measured(checkpoint):
    weights = load_file(checkpoint / "model.safetensors")
    assert weights.keys() == LAYOUT["checksums"].keys()
    for name, checksum in LAYOUT["checksums"].items():
        assert weights[name].double().sum().item() == pytest.approx(checksum, rel=1e-9, abs=1e-9), name


def test_every_weight_is_used(checkpoint):
    _, info = MobileVideoGPTForConditionalGeneration.from_pretrained(checkpoint, output_loading_info=True)
    assert not any(info.values())


def test_all_cases_are_compared():
    cases = {name.partition("/")[0] for name in MEASURED}
    assert cases == {*NUM_FRAMES, "small_image", "small_image_mode"}


@pytest.mark.parametrize("name", FLOAT_ARRAYS)
def test_array_is_within_a_thousandth_of_its_spread(name, computed):
    case, _, array = name.partition("/")
    expected, actual = MEASURED[name], computed(case)[array]
    assert actual.shape == expected.shape
    assert (actual - expected).abs().max() < 1e-3 * expected.std()


@pytest.mark.parametrize("case", [*NUM_FRAMES, "small_image"])
def test_sequence_length(case, computed):
    assert torch.equal(computed(case)["sequence_length"], measured(case, "sequence_length"))


@every_video_case
def test_selected_frames(case, computed):
    actual, expected = computed(case)["selected_frames"], measured(case, "selected_frames")
    if case == "small_video_12real":
        # frames 4 to 7 of the second chunk are zeros and tie
        zero_frames = torch.tensor([False, True])[:, None] & (torch.stack([actual, expected]) >= 4)
        actual, expected = torch.stack([actual, expected]).masked_fill(zero_frames, 4)
    assert torch.equal(actual, expected)


@every_video_case
def test_loss(case, computed):
    assert computed(case)["loss"].item() == pytest.approx(measured(case, "loss").item(), rel=1e-5)


@every_video_case
def test_generated_ids(case, computed):
    assert torch.equal(computed(case)["generated_ids"], measured(case, "generated_ids"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("case", ["small_video_16f_k4_0", "small_video_16f_bottom4_7", "small_video_batch2_1"])
def test_half_precision_selects_the_same_frames(case, dtype, load):
    model = load(case, dtype=dtype)
    config, inputs = model.config, inputs_of(case, model.config)
    del inputs["input_ids"]
    with torch.no_grad():
        features = model.get_video_features(**inputs)
    first = torch.arange(config.num_chunks)[:, None] * config.frames_per_chunk
    selected = features.selected_frames.unflatten(1, (config.num_chunks, -1)) - first
    assert torch.equal(selected, measured(case, "selected_frames"))
