# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A recipe in the terms of transformers' Trainer."""

import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from transformers import TrainingArguments

from ..compat.checkpointing_name import CHECKPOINTING
from .recipe import Recipe, check_names
from .sampler import check_strategy
from .stage_records import LANGUAGE_MODEL_STAGE_NAMES


# What the recipe has a name of its own for.
_OWN_NAMES = {
    "output_dir": "output",
    "num_train_epochs": "num_epochs",
    "max_steps": "max_steps",
    "learning_rate": "learning_rate",
    "per_device_train_batch_size": "batch_size",
    "gradient_accumulation_steps": "gradient_accumulation",
    "warmup_steps": "warmup_ratio",
    "weight_decay": "weight_decay",
    "lr_scheduler_type": "scheduler",
    "activation_checkpointing": "gradient_checkpointing",
    "gradient_checkpointing": "gradient_checkpointing",
    "bf16": "dtype",
    "fp16": "dtype",
    "dataloader_num_workers": "num_workers",
    "seed": "seed",
    "save_steps": "save_steps",
    "save_strategy": "save_steps",
    "eval_steps": "eval_steps",
    "eval_strategy": "eval_steps",
    "logging_steps": "logging_steps",
    "report_to": "report_to",
}

_METRICS = "a recipe has no metrics to compute from predictions"
_PUSH = "checkpoints are not published; publish the result, with `mvgpt export-hub`"
# What would be without effect in a run, or spoil it, and why.
_REFUSED = {
    "do_train": "`mvgpt train` trains",
    "do_eval": "set `eval_data` instead",
    "do_predict": "use `mvgpt evaluate`",
    "resume_from_checkpoint": "the same command goes on from the last checkpoint in `output`",
    "remove_unused_columns": "samples need all they have",
    "prediction_loss_only": _METRICS,
    "label_names": "labels have one name",
    "length_column_name": "lengths are counted",
    "include_for_metrics": _METRICS,
    "batch_eval_metrics": _METRICS,
    "eval_do_concat_batches": _METRICS,
    "eval_use_gather_object": _METRICS,
    "enable_jit_checkpoint": "a run writes a checkpoint on SIGTERM anyway",
    "use_cache": "nothing is generated in training",
    "local_rank": "launchers set it",
    **dict.fromkeys(
        (
            "push_to_hub", "hub_token", "hub_private_repo", "hub_model_id", "hub_strategy", "hub_always_push", "hub_revision"
        ),
        _PUSH,
    ),
}  # fmt: skip


def training_arguments(recipe: Recipe, output_dir: Path) -> TrainingArguments:
    """
    Args:
        recipe ([`Recipe`]): the recipe.
        output_dir (`Path`): where checkpoints go.

    Raises:
        ValueError: if `trainer` has a key that is unknown, without effect, or that the recipe has under another name.
    """
    check_names(recipe.trainer, [field.name for field in fields(TrainingArguments)], "`trainer` of the recipe")
    for name in recipe.trainer:
        if name in _OWN_NAMES:
            raise ValueError(f"`trainer.{name}` has a place of its own in a recipe: set `{_OWN_NAMES[name]}` instead.")
        if name in _REFUSED:
            raise ValueError(f"`trainer.{name}` cannot be set: {_REFUSED[name]}.")
    check_strategy(recipe.trainer.get("train_sampling_strategy", "random"))
    evaluation = "no" if recipe.eval_data is None else "epoch" if recipe.eval_steps is None else "steps"
    values: dict[str, Any] = {
        "num_train_epochs": recipe.num_epochs or 1,
        "max_steps": recipe.max_steps or -1,
        "learning_rate": recipe.learning_rate,
        "per_device_train_batch_size": recipe.batch_size,
        "per_device_eval_batch_size": recipe.batch_size,
        "gradient_accumulation_steps": recipe.gradient_accumulation,
        "warmup_steps": recipe.warmup_ratio,
        "weight_decay": recipe.weight_decay,
        "lr_scheduler_type": recipe.scheduler,
        "bf16": recipe.dtype == "bf16",
        "fp16": recipe.dtype == "fp16",
        "dataloader_num_workers": min(recipe.num_workers, _num_processors()),
        "dataloader_pin_memory": torch.accelerator.is_available(),
        "use_cpu": not torch.accelerator.is_available(),
        "seed": recipe.seed,
        "save_strategy": "no" if recipe.save_steps is None else "steps",
        "save_steps": recipe.save_steps or 500,
        "save_total_limit": 2,
        "eval_strategy": evaluation,
        "eval_steps": recipe.eval_steps,
        "logging_steps": recipe.logging_steps,
        "logging_first_step": True,
        "report_to": recipe.report_to,
        # a batch without a video does not use the video projector
        "ddp_find_unused_parameters": recipe.stage in LANGUAGE_MODEL_STAGE_NAMES,
        "prediction_loss_only": True,
        "remove_unused_columns": False,
        "disable_tqdm": True,
    }
    if recipe.gradient_checkpointing:
        values |= {CHECKPOINTING: True, f"{CHECKPOINTING}_kwargs": {"use_reentrant": False}}
    return TrainingArguments(str(output_dir), **{**values, **recipe.trainer})


def _num_processors() -> int:
    """Those that this process may use."""
    # not on macOS and Windows
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
