# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""TRL's SFTTrainer, with its own collator, trains the model on chats about videos."""

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from training_data import Recorder
from transformers_mvgpt.training import DataCollator, InstructionDataset


datasets = pytest.importorskip("datasets")
peft = pytest.importorskip("peft")
trl = pytest.importorskip("trl")

# peft asks for it under its old name
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


@pytest.fixture
def chats(clips):
    rows = []
    for sample in InstructionDataset(clips):
        messages = [
            {
                "role": message["role"],
                "content": [
                    {"type": "video", "path": part["video"]} if part["type"] == "video" else part
                    for part in message["content"]
                ],
            }
            for message in sample["messages"]
        ]
        rows.append({"messages": messages, "images": []})  # TRL wants the column, also of chats without images
    return datasets.Dataset.from_list(rows)


def test_sft_trainer(tmp_path, release, clips, chats):
    processor = AutoProcessor.from_pretrained(release)
    config = trl.SFTConfig(
        str(tmp_path / "output"), max_steps=8, per_device_train_batch_size=4, learning_rate=1e-2, logging_steps=1,
        assistant_only_loss=True, max_length=None, use_cpu=True, bf16=False, report_to="none", save_strategy="no", disable_tqdm=True,
        activation_checkpointing=False, dataset_kwargs={"skip_prepare_dataset": True},
    )  # fmt: skip
    recorder = Recorder()
    trainer = trl.SFTTrainer(
        AutoModelForImageTextToText.from_pretrained(release),
        args=config,
        train_dataset=chats,
        processing_class=processor,
        peft_config=peft.LoraConfig(
            r=4,
            target_modules=r"model\.language_model\..*_proj",
            modules_to_save=["image_projector", "video_projector"],
        ),
        callbacks=[recorder],
    )
    batch = trainer.data_collator([chats[0], chats[1]])
    expected = DataCollator(processor)([InstructionDataset(clips)[index] for index in (0, 1)])
    for name in ("input_ids", "labels", "pixel_values_videos", "context_pixel_values_videos"):
        assert torch.equal(batch[name], expected[name]), name
    trainer.train()
    assert recorder.losses[-1] < 0.9 * recorder.losses[0]
