# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""One step of training against a hand-written one, however the batch is split."""

import pytest
import torch
from transformers import Trainer

from training_data import Recorder, tiny_recipe
from transformers_mvgpt.conversion.loading import load_model
from transformers_mvgpt.training import DataCollator, InstructionDataset, run


# peft asks for it under its old name
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

PROJECTOR_SHAPES = ("linear_1.weight", "linear_1.bias", "linear_2.weight", "linear_2.bias", "conv.weight", "conv.bias")


def first_step(folder, release, stage, data, **values):
    """Loss and gradients of the first step of a run, without clipping."""
    recorder = Recorder()
    values["trainer"] = {"use_cpu": True, "max_grad_norm": 0, **values.get("trainer", {})}
    run(tiny_recipe(stage, release, data, folder, max_steps=1, **values), callbacks=[recorder])
    return recorder.losses[0], recorder.gradients


def hand_written_step(release, stage, samples):
    """The mean negative log-likelihood of what the assistant says, with the prompt put together row by row."""
    loaded = load_model(str(release), {}, dtype=torch.float32)
    model, processor = loaded.model.requires_grad_(False), loaded.processor
    projector = getattr(model.model, stage).requires_grad_(True)
    total, count = torch.zeros(()), 0
    for sample in samples:
        [path] = [part["image"] for part in sample["messages"][0]["content"] if part["type"] == "image"]
        [question] = [part["text"] for part in sample["messages"][0]["content"] if part["type"] == "text"]
        [answer] = [part["text"] for part in sample["messages"][1]["content"]]
        num_frame_tokens = 4 if stage == "video_projector" else None
        batch = DataCollator(processor, num_frame_tokens=num_frame_tokens)([sample])
        if stage == "video_projector":
            patches = model.model.video_tower(batch["pixel_values_videos"]).last_hidden_state[:, 1:]
        else:
            outputs = model.model.vision_tower(batch["pixel_values"], output_hidden_states=True)
            patches = outputs.hidden_states[-2][:, 1:]
        before = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        after = f"\n{question}<|im_end|>\n<|im_start|>assistant\n"
        texts = (before, after, answer + "<|im_end|>")
        ids = [processor.tokenizer(text, return_tensors="pt")["input_ids"] for text in texts]
        embedded = [model.get_input_embeddings()(part) for part in ids]
        prompt = torch.cat([embedded[0], projector(patches), *embedded[1:]], dim=1)
        logits = model.lm_head(model.model.language_model(inputs_embeds=prompt).last_hidden_state)[0]
        num_answer = ids[2].shape[1]
        predictions = logits[-num_answer - 1 : -1].log_softmax(-1)
        total = total - predictions[torch.arange(num_answer), ids[2][0]].sum()
        count += num_answer
        assert path.endswith(".png")
    loss = total / count
    loss.backward()
    return loss.item(), {f"model.{stage}.{name}": p.grad for name, p in projector.named_parameters()}


def assert_same(actual, expected):
    assert actual[0] == pytest.approx(expected[0], rel=1e-5)
    assert actual[1].keys() == expected[1].keys()
    for name, gradient in expected[1].items():
        assert gradient.abs().max() > 0 or name.endswith("lora_A.default.weight"), name
        torch.testing.assert_close(actual[1][name], gradient, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("stage", ["video_projector", "image_projector"])
def test_step_is_the_hand_written_one(tmp_path, release, images, stage):
    samples = InstructionDataset(images)
    actual = first_step(tmp_path, release, stage, images, batch_size=len(samples))
    expected = hand_written_step(release, stage, list(samples))
    assert set(expected[1]) == {f"model.{stage}.{name}" for name in PROJECTOR_SHAPES}
    assert_same(actual, expected)


def test_accumulation_is_a_larger_batch(tmp_path, release, clips, images):
    """Also where the parts of the batch have different numbers of tokens to learn, and different visuals."""
    data = [clips, images]
    whole = first_step(tmp_path / "whole", release, "instruction", data, batch_size=16)
    parts = first_step(tmp_path / "parts", release, "instruction", data, batch_size=2, gradient_accumulation=8)
    assert_same(parts, whole)


def test_gradient_checkpointing_changes_nothing(tmp_path, release, clips, images):
    data = [clips, images]
    plain = first_step(tmp_path / "plain", release, "instruction", data, batch_size=16)
    saving = first_step(tmp_path / "saving", release, "instruction", data, batch_size=16, gradient_checkpointing=True)
    assert_same(saving, plain)


def test_bf16_is_near_float32(tmp_path, release, clips):
    plain = first_step(tmp_path / "plain", release, "instruction", clips, batch_size=8)
    half = first_step(tmp_path / "half", release, "instruction", clips, batch_size=8, dtype="bf16")
    assert half[0] == pytest.approx(plain[0], rel=1e-2)
    assert half[0] != plain[0]
    name = "base_model.model.model.image_projector.modules_to_save.default.linear_1.weight"
    assert half[1][name].dtype == torch.float32
    similarity = torch.cosine_similarity(half[1][name].flatten(), plain[1][name].flatten(), dim=0)
    assert similarity > 0.98


def test_optimizer_holds_both_learning_rates(tmp_path, release, clips):
    recorder = Recorder()
    recipe = tiny_recipe("instruction", release, clips, tmp_path, max_steps=1, learning_rate=3e-3,
                         projector_learning_rate=2e-4, weight_decay=0.1)  # fmt: skip
    run(recipe, callbacks=[recorder])
    found = {name: (rate, decay) for names, rate, decay in recorder.groups for name in names}
    assert len(found) == sum(len(names) for names, *_ in recorder.groups)
    assert found.keys() == recorder.gradients.keys()
    for name, (rate, decay) in found.items():
        assert rate == (2e-4 if "_projector." in name else 3e-3), name
        assert decay == (0.0 if name.endswith("bias") else 0.1), name


def test_one_learning_rate_unless_told_otherwise(tmp_path, release, images):
    recorder = Recorder()
    run(tiny_recipe("image_projector", release, images, tmp_path, max_steps=1), callbacks=[recorder])
    assert {rate for _, rate, _ in recorder.groups} == {1e-2}


def test_out_of_memory_says_what_to_lower(tmp_path, release, images, monkeypatch):
    def fail(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(Trainer, "training_step", fail)
    advice = r"Out of memory with 3 samples of \d+ tokens on cpu: lower `batch_size` \(3\) and raise `gradient_accumulation` \(2\)"
    with pytest.raises(
        torch.OutOfMemoryError, match=rf"{advice} .*`gradient_checkpointing=true`.* CUDA out of memory"
    ):
        first_step(tmp_path, release, "image_projector", images, batch_size=3, gradient_accumulation=2)
