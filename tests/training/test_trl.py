# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""TRL's trainers train the models of all families, on the same numbers as our own."""

import copy
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor, Trainer, TrainingArguments

from tiny_families import write_mobilevlm
from tiny_trained import MOBILEVLM, PICTURE_SEEDS, TINYLLAVA, picture, write_drawn_clip
from training_data import Recorder
from transformers_mvgpt.compat.checkpointing_name import CHECKPOINTING
from transformers_mvgpt.demo import CHECKPOINT, CLIP
from transformers_mvgpt.training import DataCollator, InstructionDataset, RowCollator, VisionLanguageTrainer


datasets = pytest.importorskip("datasets")
peft = pytest.importorskip("peft")
trl = pytest.importorskip("trl")

# peft asks for it under its old name
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

QUESTION, ANSWER, OTHER = "What colour is it?", "It is blue.", "Red, and very large."
SETTINGS = {
    "max_steps": 2, "per_device_train_batch_size": 2, "learning_rate": 1e-3, "logging_steps": 1, "use_cpu": True, "bf16": False,
    "report_to": "none", "save_strategy": "no", "disable_tqdm": True,
}  # fmt: skip
# not of the name that is deprecated
OF_TRL = {**SETTINGS, CHECKPOINTING: False}
# TRL would tokenize the rows itself
LEFT_TO_THE_COLLATOR = {"dataset_kwargs": {"skip_prepare_dataset": True}, "remove_unused_columns": False}


@dataclass(frozen=True)
class Family:
    """
    Args:
        folder (`Path`): a small trained model.
        visuals (`list`): two of what it looks at, images or paths of videos.
    """

    folder: Path
    visuals: list[Any]

    @property
    def kind(self) -> str:
        return "video" if isinstance(self.visuals[0], str) else "image"

    def model(self) -> Any:
        return AutoModelForImageTextToText.from_pretrained(self.folder)

    def processor(self) -> Any:
        return AutoProcessor.from_pretrained(self.folder)

    def question(self, number: int, with_source: bool) -> list[dict[str, Any]]:
        """A chat up to the answer, whose visual has a source or is a placeholder."""
        source = {"path": self.visuals[number]} if with_source else {}
        parts = [{"type": self.kind, **source}, {"type": "text", "text": QUESTION}]
        return [{"role": "user", "content": parts}]

    def rows(self, make: Callable[[list[dict[str, Any]]], dict[str, Any]], numbers=(0, 1), column="images") -> Any:
        """As TRL reads them: sources of images in a column of their own, those of videos in the messages; or all in that column."""
        in_column = self.kind == "image" or column == "videos"
        rows = []
        for number in numbers:
            row = make(self.question(number, with_source=not in_column))
            rows.append(
                {**row, (f"{self.kind}s" if in_column else column): [self.visuals[number]] if in_column else []}
            )
        return datasets.Dataset.from_list(rows)

    def samples(self) -> InstructionDataset:
        rows = self.rows(chat, column="videos" if self.kind == "video" else "images")
        return InstructionDataset(rows, media_anywhere=True)


def turn(text: str) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": [{"type": "text", "text": text}]}]


def chat(question: list[dict[str, Any]]) -> dict[str, Any]:
    return {"messages": question + turn(ANSWER)}


def completion(question: list[dict[str, Any]]) -> dict[str, Any]:
    return {"prompt": question, "completion": turn(ANSWER)}


def preference(question: list[dict[str, Any]]) -> dict[str, Any]:
    return {"prompt": question, "chosen": turn(ANSWER), "rejected": turn(OTHER)}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_drawn_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


def every_family(*quick: str) -> Any:
    """The test runs with these families, and in `make test-slow` with the others too."""
    names = ("mobile_videogpt", "mobilevlm", "tinyllava_video")
    params = [pytest.param(name, marks=() if name in quick else pytest.mark.slow) for name in names]
    return pytest.mark.parametrize("family", params, indirect=True)


@pytest.fixture
def family(request, clip):
    return {
        "mobile_videogpt": lambda: Family(CHECKPOINT, [clip, str(CLIP)]),
        "mobilevlm": lambda: Family(MOBILEVLM, [picture(seed) for seed in PICTURE_SEEDS]),
        "tinyllava_video": lambda: Family(TINYLLAVA, [clip, str(CLIP)]),
    }[request.param]()


@pytest.fixture
def collator(family):
    return RowCollator(family.processor(), media_anywhere=True)


def losses(trainer: Any, train: Callable[[], Any] | None = None) -> list[float]:
    """Of all steps; gradients have come to the projectors, and changed their weights."""
    names = type(trainer.model).projectors
    before = {name: copy.deepcopy(trainer.model.base_model.get_submodule(name).state_dict()) for name in names}
    recorder = Recorder()
    trainer.add_callback(recorder)
    (train or trainer.train)()
    used = [name for name, gradient in recorder.gradients.items() if gradient.abs().sum() > 0]
    assert any(f".{name}." in used_name for name in names for used_name in used)
    after = {name: trainer.model.base_model.get_submodule(name).state_dict() for name in names}
    assert any(not torch.equal(before[name][key], after[name][key]) for name in names for key in before[name])
    return recorder.losses


@pytest.fixture
def expected(family, tmp_path):
    """What our own trainer says of the same rows."""
    if family.folder not in _EXPECTED:
        trainer = VisionLanguageTrainer(
            family.model(),
            TrainingArguments(str(tmp_path / "own"), remove_unused_columns=False, **SETTINGS),
            DataCollator(family.processor()),
            family.samples(),
        )
        _EXPECTED[family.folder] = losses(trainer)
    return _EXPECTED[family.folder]


_EXPECTED: dict[Path, list[float]] = {}


def sft(family: Family, folder: Path, rows: Any, **settings: Any) -> Any:
    own = settings.pop("data_collator", None)
    arguments = trl.SFTConfig(str(folder / "trl"), **{**OF_TRL, "max_length": None, **settings})
    return trl.SFTTrainer(
        family.model(), args=arguments, train_dataset=rows, processing_class=family.processor(), data_collator=own
    )


@every_family("mobilevlm", "tinyllava_video")
def test_sft_equals_our_trainer(family, tmp_path, expected, collator):
    """With its own collator where it passes the visuals on, and with ours for all rows."""
    steps = losses(sft(family, tmp_path, family.rows(chat), assistant_only_loss=True))
    assert steps == pytest.approx(expected, rel=2e-5)
    ours = {"data_collator": collator, **LEFT_TO_THE_COLLATOR}
    for make in (chat, completion):
        steps = losses(sft(family, tmp_path, family.rows(make, column="videos"), **ours))
        assert steps == pytest.approx(expected, rel=2e-5)
    # the pixels arrive
    others = losses(sft(family, tmp_path, family.rows(chat, (1, 1)), assistant_only_loss=True, max_steps=1))
    assert others[0] != pytest.approx(expected[0], rel=1e-4)


@every_family("mobile_videogpt")
def test_sft_on_whole_texts_leaves_placeholders_out(family, tmp_path):
    """TRL copies the ids to labels, counts them, and computes the loss without the model's forward."""
    trainer = sft(family, tmp_path, family.rows(chat), max_steps=1)
    batch = trainer.data_collator([trainer.train_dataset[index] for index in (0, 1)])
    ids, labels = batch["input_ids"], batch["labels"]
    token_id = getattr(family.processor(), f"{family.kind}_token_id")
    assert torch.equal(labels == -100, (ids == token_id) | (batch["attention_mask"] == 0))
    logits = family.model()(**{name: value for name, value in batch.items() if name != "labels"}).logits
    right = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
    assert losses(trainer) == pytest.approx([right.item()], rel=1e-4)


def test_sft_on_prompts_and_completions_about_images(tmp_path):
    """TRL's own collator renders the chat and tokenizes the text; or takes both as text that is ready."""
    family = Family(MOBILEVLM, [picture(seed) for seed in PICTURE_SEEDS])
    rows = family.rows(completion)
    [conversational] = losses(sft(family, tmp_path, rows, max_steps=1))
    expected = sft(family, tmp_path, family.rows(chat), assistant_only_loss=True).data_collator(
        list(family.rows(chat))
    )
    assert conversational == pytest.approx(family.model()(**expected).loss.item(), rel=1e-4)
    processor = family.processor()
    ready = []
    for row in rows:
        prompt = processor.apply_chat_template(row["prompt"], add_generation_prompt=True)
        whole = processor.apply_chat_template(row["prompt"] + row["completion"])
        ready.append({"prompt": prompt, "completion": whole.removeprefix(prompt), "images": row["images"]})
    standard = losses(sft(family, tmp_path, datasets.Dataset.from_list(ready), max_steps=1))
    assert standard == pytest.approx([conversational], rel=1e-4)


def test_ids_begin_as_those_of_an_answer(tmp_path):
    """MobileVLM's with BOS, although TRL asks for no special tokens: its chat template writes it."""
    family = Family(write_mobilevlm(tmp_path), [picture(seed) for seed in PICTURE_SEEDS])
    processor = family.processor()
    [row] = family.rows(chat, (0,))
    prompt = processor.apply_chat_template(
        [
            {
                "role": "user",
                "content": [{"type": "image", "image": row["images"][0]}, {"type": "text", "text": QUESTION}],
            }
        ],
        add_generation_prompt=True,
        tokenize=True,
    )
    assert prompt[0][0] == processor.tokenizer.bos_token_id
    expected = RowCollator(processor)([row])
    collate = partial(trl.trainer.sft_trainer.DataCollatorForVisionLanguageModeling, processor)
    batches = {
        "messages": collate(assistant_only_loss=True)([row]),
        "prompt and completion": collate(completion_only_loss=True)([*family.rows(completion, (0,))]),
        "ours": RowCollator(processor)([*family.rows(completion, (0,))]),
    }
    for name, batch in batches.items():
        assert batch["input_ids"][0, : len(prompt[0])].tolist() == prompt[0], name
        assert torch.equal(batch["input_ids"], expected["input_ids"]), name
        assert torch.equal(batch["labels"], expected["labels"]), name


def test_what_would_train_without_the_video_is_refused(clip, tmp_path):
    family = Family(CHECKPOINT, [clip, str(CLIP)])
    with pytest.raises(
        ValueError, match=r"352 video placeholders, .* make 0 visual .* column `images`, which may hold"
    ):
        sft(family, tmp_path, family.rows(chat).remove_columns("images")).train()
    with pytest.raises(
        ValueError, match=r"^Found \d <\|video_pad\|> tokens .* `data_collator=RowCollator\(processor\)`"
    ):
        sft(family, tmp_path, family.rows(chat, column="videos").add_column("images", [[], []])).train()
    with pytest.raises(
        ValueError, match=r"^Found \d <\|video_pad\|> tokens .* `data_collator=RowCollator\(processor\)`"
    ):
        sft(family, tmp_path, family.rows(completion)).train()


@every_family("mobilevlm")
def test_dpo(family, tmp_path, collator):
    """The reference model is loaded by the name of the one that learns. Before the first step they agree."""
    arguments = trl.DPOConfig(str(tmp_path), **{**OF_TRL, "max_length": None, "learning_rate": 1e-4})
    rows = family.rows(preference)
    trainer = trl.DPOTrainer(
        family.model(), args=arguments, train_dataset=rows, processing_class=family.processor(), data_collator=collator
    )
    batch = collator(list(rows))
    assert batch["completion_mask"].shape == batch["input_ids"].shape and "labels" not in batch
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    chosen = DataCollator(family.processor())([*family.samples()])["labels"]
    assert torch.equal(labels[:2, : chosen.shape[1]], chosen)
    first, second = losses(trainer)
    assert first == pytest.approx(torch.tensor(2.0).log().item(), abs=1e-4) and second < first
    if family.kind == "image":
        theirs = trl.DPOTrainer(
            family.model(), args=arguments, train_dataset=rows, processing_class=family.processor()
        )
        assert losses(theirs) == pytest.approx([first, second], rel=1e-3)


@pytest.mark.slow
def test_grpo_on_images(tmp_path):
    family = Family(MOBILEVLM, [picture(seed) for seed in PICTURE_SEEDS])
    sizes = {"num_generations": 4, "per_device_train_batch_size": 4, "max_completion_length": 4, "max_steps": 1}
    trainer = trl.GRPOTrainer(
        family.model(),
        reward_funcs=lambda completions, **_: [float(len(set(str(text)))) for text in completions],
        args=trl.GRPOConfig(str(tmp_path), **{**OF_TRL, **sizes, "temperature": 8.0}),
        train_dataset=family.rows(lambda question: {"prompt": question}),
        processing_class=family.processor(),
    )
    seen = []
    trainer.model.base_model.register_forward_pre_hook(
        lambda _, args, inputs: seen.append("pixel_values" in inputs and torch.is_grad_enabled()), with_kwargs=True
    )
    losses(trainer)
    assert any(seen)


PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text("utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE.partition("## TRL")[2], re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("code", SNIPPETS, ids=["messages", "prompt and completion", "preferences"])
def test_page(clip, tmp_path, monkeypatch, code):
    """As it is written, but for one step on the CPU."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(clip, "clip.mp4")
    Path("my-model").symlink_to(CHECKPOINT)
    steps = {**OF_TRL, "max_steps": 1}
    for name in ("SFTConfig", "DPOConfig"):
        monkeypatch.setattr(trl, name, partial(getattr(trl, name), **steps))
    learned = []
    for trainer_class in (trl.SFTTrainer, trl.DPOTrainer):
        monkeypatch.setattr(
            trainer_class,
            "train",
            lambda trainer: learned.extend(losses(trainer, train=partial(Trainer.train, trainer))),
        )
    exec(code, {})
    assert len(learned) == 1


def test_sft_with_adapters(tmp_path, release, clips):
    """LoRA on the language model, projectors in full, on our small untrained model: it learns."""
    rows = datasets.Dataset.from_list([{**chat_of(sample), "images": []} for sample in InstructionDataset(clips)])
    processor = AutoProcessor.from_pretrained(release)
    recorder = Recorder()
    trainer = trl.SFTTrainer(
        AutoModelForImageTextToText.from_pretrained(release),
        args=trl.SFTConfig(
            str(tmp_path),
            **{**OF_TRL, "max_steps": 8, "per_device_train_batch_size": 4, "learning_rate": 1e-2},
            assistant_only_loss=True,
            max_length=None,
        ),
        train_dataset=rows,
        processing_class=processor,
        peft_config=peft.LoraConfig(
            r=4,
            target_modules=r"model\.language_model\..*_proj",
            modules_to_save=["image_projector", "video_projector"],
        ),
        callbacks=[recorder],
    )
    batch = trainer.data_collator([rows[0], rows[1]])
    expected = DataCollator(processor)([InstructionDataset(clips)[index] for index in (0, 1)])
    for name in ("input_ids", "labels", "pixel_values_videos", "context_pixel_values_videos"):
        assert torch.equal(batch[name], expected[name]), name
    trainer.train()
    assert recorder.losses[-1] < 0.9 * recorder.losses[0]


def chat_of(sample: dict[str, Any]) -> dict[str, Any]:
    """What TRL takes: sources of videos under a name that transformers knows."""
    messages = copy.deepcopy(sample["messages"])
    for part in (part for message in messages for part in message["content"]):
        if part["type"] == "video":
            part["path"] = part.pop("video")
    return {"messages": messages}


@every_family("tinyllava_video")
def test_plain_trainer_of_transformers(family, tmp_path, expected):
    trainer = Trainer(
        family.model(),
        TrainingArguments(str(tmp_path), remove_unused_columns=False, **SETTINGS),
        DataCollator(family.processor()),
        family.samples(),
    )
    assert losses(trainer) == pytest.approx(expected, rel=2e-5)
