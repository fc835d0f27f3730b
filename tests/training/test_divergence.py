# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A run stops at the first number that is not finite, and writes no such weights."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from training_data import make_trainer, tiny_recipe
from transformers_mvgpt.training import run
from transformers_mvgpt.training.checkpoints import list_checkpoints
from transformers_mvgpt.training.divergence import DivergedError, first_not_finite


class Spoil(TrainerCallback):
    """Puts a NaN into a weight when a step begins, or into its gradient before the optimizer sees it."""

    def __init__(self, step, value=float("nan"), gradient=False):
        self.step, self.value, self.gradient = step, value, gradient

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        if state.global_step == self.step:
            parameter = next(p for p in model.parameters() if p.requires_grad)
            if self.gradient:
                self.hook = parameter.register_hook(lambda gradient: torch.full_like(gradient, self.value))
            else:
                parameter.data.view(-1)[0] = self.value


def names_of(message):
    return [int(number) for number in re.findall(r"sample (\d+) of [^,]*images.json", message)]


def assert_nothing_was_written(output):
    assert not (output / "config.json").exists()
    assert not (output / "model.safetensors").exists()
    for folder in list_checkpoints(output / "checkpoints")[0]:
        weights = load_file(folder / "model.safetensors")
        assert all(tensor.isfinite().all() for tensor in weights.values())


@pytest.mark.parametrize(
    ("spoil", "options", "words"),
    [
        (Spoil(3), {}, "step 4: the loss is nan"),
        (Spoil(3), {"trainer": {"use_cpu": True, "logging_nan_inf_filter": False}}, "step 4: the loss is nan"),
        (Spoil(3, gradient=True), {"gradient_accumulation": 2}, "step 4: the norm of the gradients is nan"),
        (
            Spoil(3, float("inf"), gradient=True),
            {"trainer": {"use_cpu": True, "max_grad_norm": 0}, "dtype": "bf16"},
            "step 4: the norm of the gradients is",
        ),
    ],
    ids=["loss", "loss, without the filter", "gradients, accumulated", "gradients, not clipped"],
)
def test_run_stops(tmp_path, release, images, spoil, options, words):
    output = tmp_path / "output"
    recipe = tiny_recipe("image_projector", release, images, output, save_steps=2, logging_steps=10, **options)
    with pytest.raises(DivergedError, match=re.escape(f"Training diverged in {words}")) as error:
        run(recipe, callbacks=[spoil])
    message = str(error.value)
    assert len(set(names_of(message))) == (4 if options.get("gradient_accumulation") else 2)  # all samples of the step
    assert f"the last good checkpoint is {output / 'checkpoints' / 'checkpoint-2'}." in message
    assert "Lower `learning_rate` (0.01)" in message
    assert "\n" not in message
    assert_nothing_was_written(output)
    # what is wrong with the last good weights is not hidden by going on from them
    assert [path.name for path in list_checkpoints(output / "checkpoints")[0]] == ["checkpoint-2"]
    if spoil.gradient is False:
        with pytest.raises(DivergedError, match="step 4: the loss is nan"):
            run(recipe, callbacks=[spoil])


class SpoilAfter(TrainerCallback):
    """As an optimizer whose step was too large."""

    def __init__(self, step):
        self.step = step

    def on_step_end(self, args, state, control, model=None, **kwargs):
        if state.global_step == self.step:
            next(p for p in model.parameters() if p.requires_grad).data.view(-1)[0] = float("inf")


@pytest.mark.parametrize(("save_steps", "step"), [(2, 4), (None, 6)], ids=["checkpoint", "result"])
def test_weights_are_looked_at_before_they_are_written(tmp_path, release, images, save_steps, step):
    output = tmp_path / "output"
    recipe = tiny_recipe("image_projector", release, images, output, save_steps=save_steps)
    with pytest.raises(
        DivergedError, match=rf"diverged in step {step}: the weight \S*image_projector\S* is not finite"
    ):
        run(recipe, callbacks=[SpoilAfter(step)])
    assert_nothing_was_written(output)


def test_evaluation_stops(tmp_path, release, images):
    output = tmp_path / "output"
    options = {"eval_data": str(images), "eval_steps": 2}
    recipe = tiny_recipe("image_projector", release, images, output, **options)
    with pytest.raises(DivergedError, match="step 2: the loss of the evaluation is nan, with sample") as error:
        run(recipe, callbacks=[SpoilAfter(2)])
    assert "there is no checkpoint" in str(error.value)
    assert_nothing_was_written(output)


def test_float16_may_overflow_while_its_scale_can_fall(tmp_path, release, images):
    """A gradient that is too large for the scale is left out, and no failure."""
    trainer = make_trainer(tmp_path, release, images)

    class Scaler:
        def __init__(self, scale):
            self.get_scale = lambda: scale

        def is_enabled(self):
            return True

    trainer.accelerator.scaler = Scaler(65536.0)
    norm = torch.tensor(float("inf"))
    assert trainer._get_grad_norm(trainer.model, grad_norm=norm) is norm
    trainer.accelerator.scaler = Scaler(1.0)
    with pytest.raises(DivergedError, match="the norm of the gradients is inf"):
        trainer._get_grad_norm(trainer.model, grad_norm=norm)


def test_trainer_as_a_library(tmp_path, release, images):
    trainer = make_trainer(tmp_path, release, images, callbacks=[Spoil(2)])
    with pytest.raises(DivergedError, match="step 3: the loss is nan, with sample") as error:
        trainer.train()
    assert str(tmp_path / "checkpoints" / "checkpoint-2") in str(error.value)
    with pytest.raises(DivergedError, match="the weight .* is not finite"):
        trainer.save_model(str(tmp_path / "saved"))
    assert not (tmp_path / "saved").exists()


def test_evaluation_of_samples_that_cannot_be_read(tmp_path, release, images):
    """They have no loss, which is no divergence."""
    rows = json.loads(images.read_text())
    rows += [{**row, "image": "absent.png"} for row in rows[:4]]
    data = images.with_name("some_absent.json")
    data.write_text(json.dumps(rows))
    options = {"eval_data": str(data), "eval_steps": 1, "max_steps": 1, "batch_size": 1, "on_unreadable": "report"}
    output = run(tiny_recipe("image_projector", release, images, tmp_path / "output", **options))
    records = [json.loads(line) for line in (output / "loss.jsonl").read_text().splitlines()]
    [loss] = [record["eval_loss"] for record in records if "eval_loss" in record]
    assert 0 < loss < 100


def test_first_not_finite():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    assert first_not_finite(model.named_parameters()) is None
    model[1].weight.data[0, 0] = float("-inf")
    assert first_not_finite(model.named_parameters()) == "1.weight"
    model[1].weight.requires_grad_(False)
    assert first_not_finite(model.named_parameters()) is None
