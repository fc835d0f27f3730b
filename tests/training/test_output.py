# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Whose an output folder is."""

import dataclasses
import json

import pytest

from training_data import tiny_recipe
from transformers_mvgpt.training import load_recipe, run
from transformers_mvgpt.training.output import claimed_output


def recipe_for(output, **values):
    return tiny_recipe("image_projector", "model", "data.json", output, **values)


def make_checkpoint(output, step=3):
    folder = output / "checkpoints" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}))


def test_run_that_failed_before_its_first_step_does_not_claim_it(tmp_path, release, images):
    output = tmp_path / "a" / "output"
    with pytest.raises(FileNotFoundError, match="There is no data at"):
        run(tiny_recipe("image_projector", release, tmp_path / "absent.json", output))
    assert not output.exists()
    run(tiny_recipe("image_projector", release, images, output, max_steps=1))
    assert (output / "model.safetensors").exists()
    assert not list(output.glob(".*"))


def test_folder_that_was_there_stays(tmp_path):
    with pytest.raises(RuntimeError), claimed_output(recipe_for(tmp_path)):
        assert load_recipe(tmp_path / "recipe.yaml").output == str(tmp_path)
        (tmp_path / "checkpoints" / "checkpoint-1").mkdir(parents=True)  # half written
        (tmp_path / "loss.jsonl").touch()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("has_learned", [False, True])
def test_another_recipe(tmp_path, has_learned):
    """Also after a SIGKILL, which leaves a recipe without a checkpoint."""
    recipe = recipe_for(tmp_path)
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    if has_learned:
        make_checkpoint(tmp_path)
    other = dataclasses.replace(recipe, learning_rate=0.5)
    if has_learned:
        with pytest.raises(FileExistsError, match="`learning_rate` was 0.01, now 0.5"), claimed_output(other):
            pass
    else:
        with claimed_output(other):
            assert load_recipe(tmp_path / "recipe.yaml").learning_rate == 0.5


def test_failed_run_with_a_checkpoint_keeps_it(tmp_path):
    recipe = recipe_for(tmp_path)
    with pytest.raises(RuntimeError), claimed_output(recipe):
        make_checkpoint(tmp_path)
        raise RuntimeError
    assert load_recipe(tmp_path / "recipe.yaml") == recipe
    with pytest.raises(FileExistsError, match="belongs to a run with another recipe"):
        with claimed_output(dataclasses.replace(recipe, seed=3)):
            pass


def test_two_runs_at_once(tmp_path):
    pytest.importorskip("fcntl")
    recipe = recipe_for(tmp_path / "output")
    with claimed_output(recipe):
        with pytest.raises(FileExistsError, match="Another run is writing to .*output: wait for its end, or choose"):
            with claimed_output(recipe):
                pass
        assert (tmp_path / "output" / "recipe.yaml").is_file()
    with claimed_output(recipe):
        pass
