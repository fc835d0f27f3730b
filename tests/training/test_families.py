# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Every stage of the families that read images alone (MobileVLM) or videos alone (TinyLLaVA-Video)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor, TrainerCallback

from tiny_families import NUM_QUERIES, write_mobilevlm, write_tinyllava
from training_data import Recorder, picture, tiny_recipe, write_json
from transformers_mvgpt.conversion.loading import load_model
from transformers_mvgpt.training import DataCollator, InstructionDataset, VisionLanguageTrainer, merge, run
from transformers_mvgpt.training.arguments import training_arguments
from transformers_mvgpt.training.chat_encoding import IGNORED
from transformers_mvgpt.training.stages import prepare_model
from video_files import write_video


# peft asks for it under its old name
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and "
    "polite answers to the user's questions. "
)
FAMILIES = {
    "mobilevlm v1": lambda folder: write_mobilevlm(folder, projector_type="ldp"),
    "mobilevlm v2": write_mobilevlm,
    "tinyllava": write_tinyllava,
    "tinyllava naive": lambda folder: write_tinyllava(folder, resampler_type="naive"),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {name: write(folder / name) for name, write in FAMILIES.items()}


@pytest.fixture(scope="module")
def collators(models) -> dict[str, DataCollator]:
    return {name: DataCollator(AutoProcessor.from_pretrained(folder)) for name, folder in models.items()}


def kind_of(family: str) -> str:
    return "image" if family.startswith("mobilevlm") else "video"


def data_of(family: str, images: Path, clips: Path) -> Path:
    return images if kind_of(family) == "image" else clips


def changed(before: Path, after: Path) -> set[str]:
    weights, others = load_file(before / "model.safetensors"), load_file(after / "model.safetensors")
    assert weights.keys() == others.keys()
    return {name for name in weights if not torch.equal(weights[name], others[name])}


def say(*turns, visuals=()):
    """A chat; each of `visuals` is (kind, source, turn)."""
    roles = ("user", "assistant")
    messages = [
        {"role": roles[number % 2], "content": [{"type": "text", "text": turn}]} for number, turn in enumerate(turns)
    ]
    for kind, source, turn in visuals:
        messages[turn]["content"].insert(-1, {"type": kind, kind: source})
    return {"messages": messages, "name": "a sample"}


def still(number: int = 0) -> Image.Image:
    return Image.fromarray(picture("red", number))


def film(num_frames: int) -> np.ndarray:
    return np.stack([picture("blue", number) for number in range(num_frames)])


@pytest.mark.parametrize(
    ("family", "stage", "learned"),
    [
        ("mobilevlm v1", "image_projector", ("model.image_projector.",)),
        ("mobilevlm v2", "pretraining", ("model.image_projector.", "model.language_model.", "lm_head.")),
        ("mobilevlm v1", "instruction", ("model.image_projector.", "model.language_model.", "lm_head.")),
        ("tinyllava", "video_projector", ("model.video_projector.",)),
        ("tinyllava naive", "instruction", ("model.video_projector.", "model.language_model.", "lm_head.")),
    ],
)
def test_stage_trains_what_it_should_and_nothing_else(tmp_path, models, images, clips, family, stage, learned):
    if stage == "video_projector":
        data = write_json(
            clips.with_name("captions.json"),
            [{**row, "conversations": row["conversations"][:2]} for row in json.loads(clips.read_text())],
        )
    else:
        data = data_of(family, images, clips)
    recorder = Recorder()
    recipe = tiny_recipe(stage, models[family], data, tmp_path / "output", lora=None, max_steps=6, learning_rate=2e-2)
    output = run(recipe, callbacks=[recorder])
    names = set(load_file(output / "model.safetensors"))
    assert changed(models[family], output) == {name for name in names if name.startswith(learned)}
    assert np.mean(recorder.losses[-3:]) < recorder.losses[0]


@pytest.mark.parametrize("family", ["mobilevlm v2", "tinyllava"])
def test_adapter_and_projector_are_merged(tmp_path, models, collators, images, clips, family):
    recorder = Recorder()
    data = data_of(family, images, clips)
    adapter = run(tiny_recipe("instruction", models[family], data, tmp_path / "adapter"), callbacks=[recorder])
    assert {path.name for path in adapter.glob("*.safetensors")} == {"adapter_model.safetensors"}
    merge(adapter, tmp_path / "merged", base_model=models[family])
    linears = ("self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up", "mlp.down")
    learned = {f"model.language_model.layers.{layer}.{name}_proj.weight" for layer in (0, 1) for name in linears}
    learned |= {name for name in load_file(tmp_path / "merged" / "model.safetensors") if "_projector." in name}
    assert changed(models[family], tmp_path / "merged") == learned

    batch = collators[family]([InstructionDataset(data)[index] for index in (0, 1)])
    with torch.no_grad():
        expected = recorder.model.eval()(**batch).logits
        merged = AutoModelForImageTextToText.from_pretrained(tmp_path / "merged").eval()
        torch.testing.assert_close(merged(**batch).logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["mobilevlm v2", "tinyllava"])
def test_encoder_learns_if_it_is_to(tmp_path, models, images, clips, family):
    settings = {"lora": None, "train_encoders": True, "max_steps": 2}
    output = run(
        tiny_recipe("instruction", models[family], data_of(family, images, clips), tmp_path / "output", **settings)
    )
    learned = {name for name in changed(models[family], output) if ".vision_tower." in name}
    read = {
        name
        for name in load_file(output / "model.safetensors")
        if ".vision_tower." in name
        and ".encoder.layers.1." not in name
        and not any(part in name for part in (".post_layernorm.", ".head."))
    }
    # the class token's embedding is that of a token that is dropped, but other tokens attend to it
    assert learned == read


def test_run_that_was_interrupted_goes_on_to_the_same_weights(tmp_path, models, clips):
    class Stop(Exception):
        pass

    class StopAfter(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            if state.global_step == 3:
                raise Stop

    def recipe(name):
        lora = {"r": 4, "alpha": 8, "dropout": 0.2}
        return tiny_recipe(
            "instruction", models["tinyllava"], clips, tmp_path / name, save_steps=2, max_steps=4, lora=lora
        )

    expected = run(recipe("uninterrupted"))
    with pytest.raises(Stop):
        run(recipe("interrupted"), callbacks=[StopAfter()])
    output = run(recipe("interrupted"))
    weights, others = (load_file(folder / "adapter_model.safetensors") for folder in (output, expected))
    assert weights.keys() == others.keys()
    assert [name for name in weights if not torch.equal(weights[name], others[name])] == []


@pytest.mark.parametrize("family", ["mobilevlm v1", "tinyllava naive"])
def test_gradient_checkpointing_changes_nothing(tmp_path, models, images, clips, family):
    gradients = []
    for checkpointing in (False, True):
        recorder = Recorder()
        settings = {"max_steps": 1, "batch_size": 4, "lora": None, "gradient_checkpointing": checkpointing}
        settings["trainer"] = {"use_cpu": True, "max_grad_norm": 0}
        data = data_of(family, images, clips)
        run(
            tiny_recipe("instruction", models[family], data, tmp_path / str(checkpointing), **settings),
            callbacks=[recorder],
        )
        gradients.append(recorder.gradients)
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize(
    ("family", "lora"),
    [("mobilevlm v1", None), ("mobilevlm v2", {"r": 2}), ("tinyllava", {"r": 2}), ("tinyllava naive", None)],
)
def test_projector_that_a_batch_does_not_need_has_a_gradient_of_zeros_under_deepspeed(tmp_path, models, family, lora):
    loaded = load_model(str(models[family]), {}, dtype=torch.float32)
    recipe = tiny_recipe("instruction", models[family], "data", tmp_path, lora=lora)
    trainer = VisionLanguageTrainer(
        prepare_model(loaded.model, recipe), training_arguments(recipe, tmp_path), DataCollator(loaded.processor)
    )
    for is_enabled in (False, True):
        trainer.is_deepspeed_enabled = is_enabled
        batch = trainer.data_collator([say("Is it?", "it.")])
        trainer.compute_loss(
            trainer.model.train(), {name: batch[name] for name in batch if name != "names"}
        ).backward()
        gradients = [
            p.grad for name, p in trainer.model.named_parameters() if p.requires_grad and "_projector." in name
        ]
        assert gradients
        if is_enabled:
            assert all(gradient is not None and not gradient.any() for gradient in gradients)
        else:
            assert not any(gradient is not None for gradient in gradients)


class TestText:
    """Ids and labels against texts put together by hand, whose pieces are tokenized apart."""

    def check(self, collator, sample, pieces, learned):
        """`pieces` are texts, and None for a visual; `learned` what the labels say, without what was left out between."""
        processor = collator.processor
        tokenizer, [token_id] = (
            processor.tokenizer,
            {getattr(processor, f"{modality}_token_id") for modality in processor.placeholders},
        )
        ids = []
        for number, piece in enumerate(pieces):
            if piece is None:
                ids += [token_id] * NUM_QUERIES
            else:
                ids += tokenizer(piece, add_special_tokens=number == 0)["input_ids"]
        batch = collator([sample])
        assert batch["input_ids"].tolist() == [ids]
        [labels] = batch["labels"]
        assert torch.equal(labels[labels != IGNORED], batch["input_ids"][0][labels != IGNORED])
        stretches = np.split(labels.numpy(), np.flatnonzero(np.diff(labels.numpy() != IGNORED)) + 1)
        said = [tokenizer.decode(stretch) for stretch in stretches if stretch[0] != IGNORED]
        assert said == learned

    def test_mobilevlm(self, collators):
        sample = say("Is it red?", "3.", "And?", "it A", visuals=[("image", still(), 0)])
        pieces = [SYSTEM + "USER: ", None, "\nIs it red? ASSISTANT: 3.</s>USER: And? ASSISTANT: it A</s>"]
        # the tokenizer has no piece for " 3", so that the model has to say the blank
        self.check(collators["mobilevlm v1"], sample, pieces, ["3.</s>", "it A</s>"])
        blank = collators["mobilevlm v1"].processor.tokenizer.convert_tokens_to_ids("▁")
        [labels] = collators["mobilevlm v1"]([sample])["labels"]
        assert labels[labels != IGNORED][0] == blank

    def test_tinyllava(self, collators):
        sample = say("Is it red?", "3.", "And?", "it A", visuals=[("video", film(3), 0)])
        pieces = [
            SYSTEM + "USER: ",
            None,
            "\nIs it red? ASSISTANT: 3.<|endoftext|>USER: And? ASSISTANT: it A<|endoftext|>",
        ]
        self.check(collators["tinyllava"], sample, pieces, [" 3.<|endoftext|>", " it A<|endoftext|>"])

    @pytest.mark.parametrize(("family", "source"), [("mobilevlm v2", still()), ("tinyllava", film(2))])
    @pytest.mark.parametrize("answer", ["3.", "\nit", "it A"])
    def test_prompt_of_an_answer_is_that_of_generation(self, collators, family, source, answer):
        processor = collators[family].processor
        visuals = [(kind_of(family), source, 0)]
        batch = collators[family]([say("Is it?", answer, visuals=visuals)])
        first = int((batch["labels"][0] != IGNORED).nonzero()[0])
        prompt = processor.apply_chat_template(
            say("Is it?", visuals=visuals)["messages"], add_generation_prompt=True, tokenize=True, return_dict=True
        )
        assert batch["input_ids"][0, :first].tolist() == prompt["input_ids"][0]

    def test_several_visuals_and_turns(self, collators):
        visuals = [("image", still(), 0), ("image", still(1), 0), ("image", still(2), 2)]
        sample = say("Same?", "it", "And?", "A", visuals=visuals)
        pieces = [
            SYSTEM + "USER: ",
            None,
            "\n",
            None,
            "\nSame? ASSISTANT: it</s>USER: ",
            None,
            "\nAnd? ASSISTANT: A</s>",
        ]
        self.check(collators["mobilevlm v2"], sample, pieces, ["it</s>", "A</s>"])

    @pytest.mark.parametrize(("family", "source"), [("mobilevlm v2", still()), ("tinyllava", film(2))])
    def test_caption(self, collators, family, source):
        collator = DataCollator(collators[family].processor, text="caption")
        self.check(
            collator, say("What?", "it A", visuals=[(kind_of(family), source, 0)]), ["", None, "it A\n"], ["it A\n"]
        )


class TestSamplesThatCannotBeUsed:
    """What stands for them has something of each visual that the model takes, and nothing to learn."""

    @pytest.mark.parametrize(
        ("family", "text", "visuals", "problem"),
        [
            ("mobilevlm v2", "chat", [("video", film(2), 0)], "it has the part 'video': the model takes images alone"),
            (
                "mobilevlm v2",
                "caption",
                [("image", still(), 0)] * 2,
                "it must have one visual and one answer, but it has 2 and 1",
            ),
            ("mobilevlm v2", "caption", [], "it must have one visual and one answer, but it has 0 and 1"),
            ("tinyllava", "chat", [("image", still(), 0), ("video", "absent.mp4", 0)], "absent.mp4"),
        ],
    )
    def test_stand_in(self, models, collators, family, text, visuals, problem):
        processor = collators[family].processor
        collator = DataCollator(processor, on_unreadable="report", text=text)
        batch = collator([say("What?", "it", visuals=visuals)])
        [reported] = batch["problems"]
        assert problem in reported
        assert (batch["labels"] == IGNORED).all()
        model = AutoModelForImageTextToText.from_pretrained(models[family])
        inputs = {name: batch[name] for name in batch if name != "problems"}
        assert model(**inputs, num_items_in_batch=torch.tensor(1)).loss == 0

    def test_run_that_shows_videos_to_a_model_of_images(self, tmp_path, models, images, clips):
        recipe = tiny_recipe("instruction", models["mobilevlm v1"], [images, clips], tmp_path / "output")
        message = r"^MobileVLM takes images alone, but sample 0 of .*clips.json has a video \(8 such samples\): take them out"
        with pytest.raises(ValueError, match=message):
            run(recipe)

    def test_run_of_a_stage_of_captions_on_text(self, tmp_path, models):
        turns = [{"from": "human", "value": "What?"}, {"from": "gpt", "value": "it"}]
        data = write_json(tmp_path / "text.json", [{"conversations": turns}])
        message = r"^The stage 'video_projector' is trained on videos or images with captions, but sample 0 of .*text.json has not one"
        with pytest.raises(ValueError, match=message):
            run(tiny_recipe("video_projector", models["tinyllava"], data, tmp_path / "output"))


def test_rows_of_a_batch_do_not_see_each_other(models, collators):
    """Text alone, several images and images between turns: each row has the loss that it has alone."""
    samples = [
        say("Is it?", "A."),
        say("Same?", "it is", visuals=[("image", still(), 0), ("image", still(1), 0)]),
        say("Is it?", "it", "And?", "A and so on", visuals=[("image", still(2), 0), ("image", still(3), 2)]),
    ]
    assert_same_loss(models["mobilevlm v2"], collators["mobilevlm v2"], samples)


def test_videos_of_different_lengths_and_images_in_one_batch(models, collators, tmp_path):
    """At one frame per second, and in training without a cap."""
    for num_seconds in (3, 5):
        write_video(tmp_path / f"{num_seconds}.mp4", film(4 * num_seconds), fps=4)
    samples = [
        say("Is it?", "A.", "And?", "it", visuals=[("image", still(), 0), ("video", str(tmp_path / "5.mp4"), 2)]),
        say("Is it?", "A."),
        say("What?", "it is", visuals=[("video", str(tmp_path / "3.mp4"), 0)]),
    ]
    collator = DataCollator(collators["tinyllava"].processor)
    collator.processor.video_processor.num_frames, collator.processor.video_processor.max_frames = None, 2
    batch = collator(samples)
    assert batch["num_frames_per_video"].tolist() == [1, 5, 3]
    assert batch["pixel_values_videos"].shape == (9, 3, 32, 32)
    assert_same_loss(models["tinyllava"], collator, samples)


def assert_same_loss(folder, collator, samples):
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    with torch.no_grad():
        batch = collator(samples)
        together = model(**batch).loss
        alone = [collator([sample]) for sample in samples]
        counts = torch.tensor([float((row["labels"][:, 1:] != IGNORED).sum()) for row in alone])
        losses = torch.stack([model(**row).loss for row in alone])
    torch.testing.assert_close(together, (losses * counts).sum() / counts.sum(), rtol=1e-5, atol=1e-5)
    assert losses.unique().numel() == len(samples)
