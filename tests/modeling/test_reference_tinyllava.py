# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
TinyLLaVA-Video against what the released system was measured to compute, on small checkpoints in the published layout with seeded
weights. `tests/data/README.md` says what the files hold.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText
from transformers.core_model_loading import revert_weight_conversion

from seeded_weights import draw, seeded_weight
from transformers_mvgpt.modeling.resampler_tinyllava import position_table


DATA = Path(__file__).parents[1] / "data"
MEASURED = load_file(DATA / "tinyllava_video_cases.safetensors")
NUM_FRAMES = {
    "small_group_16f": [16],
    "small_group_5f": [5],
    "small_group_batch2": [3, 1],
    "small_naive_16f": [16],
    "small_naive_5f": [5],
}
CASES = [pytest.param(case, marks=[pytest.mark.slow] if 16 in NUM_FRAMES[case] else []) for case in NUM_FRAMES]
NUM_SUFFIX_IDS = 48


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """By the type of the resampler."""
    models = {}
    for kind in ("group", "naive"):
        folder = tmp_path_factory.mktemp(kind)
        layout = json.loads((DATA / f"tinyllava_video_layout_{kind}.json").read_text())
        (folder / "config.json").write_text(json.dumps(layout["config_saved"]))
        weights = {name: seeded_weight(name, tuple(shape)) for name, shape in layout["state_dict"].items()}
        if kind == "naive":
            del weights["language_model.lm_head.weight"]  # tied
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        models[kind], info = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True)
        assert not any(info.values()), info
    return models


def pixels(name, num_frames):
    """(num_frames, 3, 384, 384)"""
    squares = torch.from_numpy(draw(name, (num_frames, 3, 16, 16)))
    return squares.repeat_interleave(24, dim=2).repeat_interleave(24, dim=3)


def assert_agrees(actual, case, array, tolerance=5e-5):
    """Within a part of the array's own deviation."""
    expected = MEASURED[f"{case}/{array}"]
    assert actual.shape == expected.shape
    assert (actual - expected).abs().max() < tolerance * expected.std(), array


@pytest.mark.parametrize("case", CASES)
@torch.no_grad()
def test_measured_outputs(models, case):
    model = models[case.split("_")[1]]
    counts = NUM_FRAMES[case]
    assert MEASURED[f"{case}/frames"].tolist() == counts
    videos = [pixels(f"{case}.pixel_values_videos.{number}", count) for number, count in enumerate(counts)]
    if len(videos) == 1:
        video = model.get_video_features(torch.stack(videos))
    else:
        video = model.get_video_features(torch.cat(videos), num_frames_per_video=torch.tensor(counts))
    assert_agrees(video.last_hidden_state[::3, ::73, ::32], case, "image_encoder_features")
    if len(videos) == 1:
        assert_agrees(video.last_hidden_state.flatten(0, 1)[None, ::149, ::48], case, "connector_input")
    tolerance = 1e-4 if "naive" in case else 5e-5  # where the table may differ by a step of float16
    assert_agrees(video.pooler_output[:, ::11, ::8], case, "connector_output", tolerance)

    prefix, suffix = (MEASURED[f"{case}/input_{part}_ids"].long() for part in ("prefix", "suffix"))
    num_prompts = len(counts)
    placeholders = torch.full((num_prompts, 512), model.config.video_token_id)
    ids = torch.cat([prefix.expand(num_prompts, -1), placeholders, suffix], dim=1)
    assert ids.shape[1] == MEASURED[f"{case}/sequence_length"].item()
    encoded = {"mm_encoder_outputs": {"video": video}}
    labels = ids.clone()
    labels[:, :-NUM_SUFFIX_IDS] = -100
    seen = []
    hook = model.model.language_model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["inputs_embeds"]), with_kwargs=True
    )
    outputs = model(ids, **encoded, labels=labels)
    hook.remove()
    assert_agrees(seen[0][:, ::13, ::8], case, "inputs_embeds", tolerance)
    assert_agrees(outputs.logits[:, -4:], case, "last_logits")
    assert abs(outputs.loss.item() - MEASURED[f"{case}/loss"].item()) < 1e-5

    generated = model.generate(
        ids,
        **encoded,
        max_new_tokens=16,
        eos_token_id=[],
        pad_token_id=0,
        return_dict_in_generate=True,
        output_logits=True,
    )
    assert torch.equal(generated.sequences[:, ids.shape[1] :], MEASURED[f"{case}/generated_ids"].long())
    assert_agrees(torch.stack(generated.logits, dim=1)[..., ::16], case, "generated_logits")


@pytest.mark.parametrize("kind", ["group", "naive"])
def test_published_names_go_out_again(models, kind):
    layout = json.loads((DATA / f"tinyllava_video_layout_{kind}.json").read_text())
    weights = models[kind].state_dict()
    expected = dict(layout["state_dict"])
    if kind == "naive":  # tied
        del weights["lm_head.weight"], expected["language_model.lm_head.weight"]
    weights = revert_weight_conversion(models[kind], weights)
    assert {name: list(weight.shape) for name, weight in weights.items()} == expected


@pytest.mark.parametrize(("num_rows", "step"), [(512, 17), (11648, 277)])
def test_position_table(num_rows, step):
    table = position_table(0, num_rows, 128, torch.device("cpu"))
    assert table.dtype == torch.float16
    expected = MEASURED[f"position_table_128/rows_{num_rows}"]
    # exp and sin of another processor may differ in the last bit
    assert (table[::step, ::3] - expected).abs().max() <= 1e-3
    assert (table[::step, ::3] != expected).float().mean() < 0.01
    part = position_table(num_rows - 10, 10, 128, torch.device("cpu"))
    assert torch.equal(part, table[-10:])
