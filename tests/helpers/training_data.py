# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Small images and clips of one colour, with conversations that name it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback, TrainingArguments

from transformers_mvgpt.conversion.loading import load_model
from transformers_mvgpt.training import DataCollator, InstructionDataset, Recipe, VisionLanguageTrainer, make_recipe
from video_files import write_video


COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 220), "white": (240, 240, 240)}
NUM_IMAGE_TOKENS = 4  # of the checkpoint that `release_layout` makes
NUM_FRAME_TOKENS = 4  # of an image through the video encoder
NUM_VIDEO_TOKENS = 4 * 4 + 2 * 4


def picture(colour: str, number: int = 0) -> np.ndarray:
    """uint8 RGB of shape (24, 32, 3), with a dark column that tells pictures of one colour apart."""
    pixels = np.full((24, 32, 3), COLOURS[colour], dtype=np.uint8)
    pixels[:, number % 32] //= 2
    return pixels


def make_images(folder: Path, num_samples: int = 8) -> Path:
    """Writes images and `folder`/images.json, captions in the release's form."""
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for number in range(num_samples):
        colour = list(COLOURS)[number % 4]
        Image.fromarray(picture(colour, number)).save(folder / f"{number}.png")
        turns = [{"from": "human", "value": "<image>\nColour?"}, {"from": "gpt", "value": f"It is {colour}."}]
        records.append({"id": number, "image": f"{number}.png", "conversations": turns})
    return write_json(folder / "images.json", records)


def make_clips(folder: Path, num_samples: int = 8) -> Path:
    """Writes clips and `folder`/clips.json, conversations of two turns in the release's form."""
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for number in range(num_samples):
        colour, other = list(COLOURS)[number % 4], list(COLOURS)[(number + 1) % 4]
        pictures = [picture(colour if frame < 4 else other, number) for frame in range(8)]
        write_video(folder / f"{number}.mp4", pictures, fps=4)
        turns = [
            {"from": "human", "value": "<video>\nFirst?"},
            {"from": "gpt", "value": colour},
            {"from": "human", "value": "Then?"},
            {"from": "gpt", "value": other},
        ]
        records.append({"id": number, "video": f"{number}.mp4", "conversations": turns})
    return write_json(folder / "clips.json", records)


def write_json(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def tiny_recipe(stage: str, model: Path, data: Any, output: Path, **values: Any) -> Recipe:
    """Six steps in float32, without workers."""
    defaults = {
        "max_steps": 6,
        "learning_rate": 1e-2,
        "batch_size": 2,
        "dtype": "fp32",
        "num_workers": 0,
        "logging_steps": 1,
        "save_steps": None,
        "lora": {"r": 4, "alpha": 8, "dropout": 0.0},
        "trainer": {"use_cpu": True},
    }
    data = [str(path) for path in data] if isinstance(data, list) else str(data)
    places = {"stage": stage, "model": str(model), "data": data, "output": str(output)}
    return make_recipe({**defaults, **places, **values})


def make_trainer(
    folder: Path, release: Path, images: Path, callbacks: Any = (), **arguments: Any
) -> VisionLanguageTrainer:
    """For the image projector, three steps of two samples, with a checkpoint after each."""
    loaded = load_model(str(release), {}, dtype=torch.float32)
    loaded.model.requires_grad_(False)
    loaded.model.get_submodule("model.image_projector").requires_grad_(True)
    settings = {
        "use_cpu": True,
        "per_device_train_batch_size": 2,
        "max_steps": 3,
        "report_to": "none",
        "disable_tqdm": True,
    }
    settings |= {"remove_unused_columns": False, "save_steps": 1, "learning_rate": 1e-3}
    return VisionLanguageTrainer(
        model=loaded.model,
        args=TrainingArguments(str(folder / "checkpoints"), **{**settings, **arguments}),
        train_dataset=InstructionDataset(images),
        data_collator=DataCollator(loaded.processor),
        callbacks=list(callbacks),
    )


class Recorder(TrainerCallback):
    """What the first step has computed, and the weights at the end."""

    def __init__(self):
        self.gradients = {}  # of a run that goes on from a later step there are none

    def on_pre_optimizer_step(self, args, state, control, model=None, optimizer=None, **kwargs):
        if state.global_step == 0:
            named = list(model.named_parameters())
            self.gradients = {name: _whole(p.grad).clone() for name, p in named if p.grad is not None}
            self.names = {id(parameter): name for name, parameter in named}
            self.groups = [
                ({self.names[id(p)] for p in group["params"]}, group["initial_lr"], group["weight_decay"])
                for group in optimizer.param_groups
            ]

    def on_train_end(self, args, state, control, model=None, **kwargs):
        self.is_main_process = state.is_world_process_zero
        self.losses = [record["loss"] for record in state.log_history if "loss" in record]
        self.eval_losses = [record["eval_loss"] for record in state.log_history if "eval_loss" in record]
        self.model = model
        self.weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}


def _whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor of which each process has a part."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
