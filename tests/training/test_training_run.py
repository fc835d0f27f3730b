# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from release_layout import make_release
from training_data import Recorder, make_clips, make_images, tiny_recipe
from transformers_mvgpt.training import run


def test_full_training_evaluation_and_tensorboard(tmp_path, release, clips, images):
    """From an output folder of a whole model on, with everything that records at the same time."""
    pytest.importorskip("tensorboard")
    recorder = Recorder()
    settings = {"lora": None, "eval_data": str(images), "eval_steps": 2, "save_steps": 3, "report_to": "tensorboard"}
    recipe = tiny_recipe("instruction", release, [clips, images], tmp_path / "output", **settings)
    output = run(recipe, callbacks=[recorder])
    assert len(recorder.eval_losses) == 3
    assert recorder.eval_losses[-1] < recorder.eval_losses[0]
    records = [json.loads(line) for line in (output / "loss.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records if "eval_loss" in record] == [2, 4, 6]
    assert list(output.rglob("events.out.tfevents.*"))
    assert sorted(path.name for path in (output / "checkpoints").glob("checkpoint-*")) == [
        "checkpoint-3",
        "checkpoint-6",
    ]
    saved, base = load_file(output / "model.safetensors"), load_file(release / "model.safetensors")
    assert saved["model.video_tower.norm.weight"].equal(base["model.vision_tower.vision_encoder.norm.weight"])
    assert not saved["model.language_model.norm.weight"].equal(base["model.norm.weight"])
    # a checkpoint has the names that the model has in memory, not those of the release that it came from
    assert load_file(output / "checkpoints" / "checkpoint-6" / "model.safetensors").keys() == saved.keys()


def test_encoder_that_the_release_lacks_and_weights_that_nothing_reads(tmp_path, images):
    release = make_release(tmp_path, video_encoder=False)
    output = run(tiny_recipe("image_projector", release, images, tmp_path / "output", max_steps=1))
    assert "model.video_tower.norm.weight" in load_file(output / "model.safetensors")


def test_images_are_padded_if_the_recipe_says_so(tmp_path, release, images):
    """Squares with the borders already on them, cropped, give the same first step."""
    squares = make_images(tmp_path / "squares")
    for path in squares.parent.glob("*.png"):
        with Image.open(path) as image:
            square = Image.new("RGB", (32, 32), (122, 116, 104))
            square.paste(image, (0, 4))
        square.save(path)
    losses = []
    for data, pad_images in ((images, True), (squares, False), (images, False)):
        recorder = Recorder()
        output = tmp_path / f"{len(losses)}"
        recipe = tiny_recipe("image_projector", release, data, output, max_steps=1, pad_images=pad_images)
        run(recipe, callbacks=[recorder])
        losses += recorder.losses
    assert losses[0] == losses[1] != losses[2]


def test_video_in_a_stage_of_images(tmp_path, release, clips, images):
    recipe = tiny_recipe("video_projector", release, [images, clips], tmp_path / "output")
    message = r"'video_projector' is trained on images with captions, but sample 0 of .*clips.json has a video \(8 such samples\)"
    with pytest.raises(ValueError, match=message):
        run(recipe)


class TestUnreadable:
    @pytest.fixture
    def damaged(self, tmp_path):
        path = make_clips(tmp_path / "clips", num_samples=4)
        (tmp_path / "clips" / "2.mp4").write_bytes(b"no video")
        return path

    @pytest.mark.parametrize("num_workers", [0, 1])
    def test_stop(self, tmp_path, release, damaged, num_workers):
        recipe = tiny_recipe("instruction", release, damaged, tmp_path / "output", num_workers=num_workers)
        with pytest.raises(ValueError) as error:
            run(recipe)
        [line] = str(error.value).splitlines()  # no traceback of a worker in it
        assert line.startswith(f"sample 2 of {damaged} cannot be used: ")
        assert str(damaged.parent / "2.mp4") in line
        assert line.endswith("With `on_unreadable: report` the run goes on without it.")

    def test_report(self, tmp_path, release, damaged, caplog):
        settings = {"max_steps": 3, "batch_size": 4, "on_unreadable": "report", "lora": None}
        output = run(tiny_recipe("instruction", release, damaged, tmp_path / "output", **settings))
        problems = [json.loads(line) for line in (output / "problems.jsonl").read_text().splitlines()]
        assert [problem["step"] for problem in problems] == [0, 1, 2]  # an epoch is a step
        assert all(str(damaged.parent / "2.mp4") in problem["problem"] for problem in problems)
        assert [record.message for record in caplog.records if "2.mp4" in record.message] == [
            problem["problem"] for problem in problems
        ]

    def test_nothing_is_learned_of_what_cannot_be_read(self, tmp_path, release, damaged):
        """As from the others alone."""
        settings = {"max_steps": 1, "lora": None, "on_unreadable": "report"}
        settings["trainer"] = {"use_cpu": True, "max_grad_norm": 0}
        records = json.loads(damaged.read_text())
        damaged.with_name("others.json").write_text(json.dumps([*records[:2], records[3]]))
        gradients = []
        for name, batch_size in (("clips.json", 4), ("others.json", 3)):
            recorder = Recorder()
            data = damaged.with_name(name)
            recipe = tiny_recipe("instruction", release, data, tmp_path / name, batch_size=batch_size, **settings)
            run(recipe, callbacks=[recorder])
            gradients.append(recorder.gradients)
        for name, gradient in gradients[1].items():
            torch.testing.assert_close(gradients[0][name], gradient, rtol=1e-4, atol=1e-6, msg=name)

    def test_batch_without_anything_that_can_be_read(self, tmp_path, release):
        path = make_images(tmp_path / "images", num_samples=2)
        for image in path.parent.glob("*.png"):
            image.unlink()
        settings = {"max_steps": 1, "on_unreadable": "report"}
        recorder = Recorder()
        run(tiny_recipe("video_projector", release, path, tmp_path / "output", **settings), callbacks=[recorder])
        assert recorder.losses == [0.0]
        assert not any(gradient.any() for gradient in recorder.gradients.values())


def test_several_gpus_in_one_process(tmp_path, release, images, monkeypatch):
    from transformers import TrainingArguments

    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda self: 2))
    with pytest.raises(ValueError, match="One process sees 2 GPUs, .* with `accelerate launch`, or let it see one"):
        run(tiny_recipe("image_projector", release, images, tmp_path / "output"))
