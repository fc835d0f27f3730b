# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""transformers' Trainer, with what vision-language models need beside it."""

import json
import os
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import Trainer
from transformers.utils import logging

from ..families import family_of
from ..modeling.projector_pooled import PooledProjector
from ..processing.out_of_memory import explain_out_of_memory
from .data import InstructionDataset
from .sampler import GroupedSampler


logger = logging.get_logger(__name__)

PROBLEMS_FILE = "problems.jsonl"


def count_problems(folder: str | os.PathLike) -> int:
    """How many problems with samples a run has written down in its output folder."""
    path = Path(folder) / PROBLEMS_FILE
    if not path.is_file():
        return 0
    with open(path, "rb") as file:
        return sum(1 for _ in file)


class VisionLanguageTrainer(Trainer):
    r"""
    [`~transformers.Trainer`] with a learning rate of their own for the projectors, and batches of one modality.

    Args:
        projector_learning_rate (`float`, *optional*):
            Of the projectors, where it differs from `args.learning_rate`.
        on_unreadable (`str`, defaults to `"stop"`):
            `"stop"` raises on a sample that [`DataCollator`] could not use; `"report"` warns, writes it to `problems.jsonl`
            in `problems_folder` and counts it in `num_problems`.
        problems_folder (`str`, *optional*): by default `args.output_dir`.
        kwargs: as for [`~transformers.Trainer`].

    Raises:
        ValueError: on several GPUs in one process, or while training on a sample that cannot be used.
    """

    def __init__(
        self,
        *args: Any,
        projector_learning_rate: float | None = None,
        on_unreadable: Literal["stop", "report"] = "stop",
        problems_folder: str | os.PathLike | None = None,
        **kwargs: Any,
    ):
        super().__init__(*args, **kwargs)
        if self.args.n_gpu > 1:
            raise ValueError(
                f"One process sees {self.args.n_gpu} GPUs, but a batch cannot be split among them: start one process for each "
                "with `accelerate launch`, or let it see one with CUDA_VISIBLE_DEVICES=0."
            )
        # The base class has set it, for good: a model that was trained would generate without a cache.
        vars(self.model.config).pop("use_cache", None)
        # Checkpoints are loaded without translation: they need the names that weights have in memory.
        self.model._weight_conversions = []
        self.projector_learning_rate = projector_learning_rate
        self.on_unreadable = on_unreadable
        self.problems_folder = Path(self.args.output_dir if problems_folder is None else problems_folder)
        self.num_problems = 0

    def create_optimizer(self, model=None) -> torch.optim.Optimizer:
        """As the base class, with groups of their own for the projectors."""
        is_new = self.optimizer is None
        optimizer = super().create_optimizer(model)
        if not is_new or self.projector_learning_rate is None:
            return optimizer
        named = (self.model if model is None else model).named_parameters()
        parts = family_of(self.model.config).projectors
        projectors = {parameter for name, parameter in named if any(f".{part}." in name for part in parts)}
        for group in list(optimizer.param_groups):
            own = [parameter for parameter in group["params"] if parameter in projectors]
            if not own:
                continue
            others = [parameter for parameter in group["params"] if parameter not in projectors]
            group["params"] = others
            optimizer.add_param_group({**group, "params": own, "lr": self.projector_learning_rate})
        optimizer.param_groups[:] = [group for group in optimizer.param_groups if group["params"]]
        return optimizer

    def _get_train_sampler(self, train_dataset=None) -> torch.utils.data.Sampler | None:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        if not isinstance(dataset, InstructionDataset):
            return super()._get_train_sampler(train_dataset)
        # whole numbers stand for the ends of epochs, also after a checkpoint was loaded
        return self._grouped(dataset, self.args.train_batch_size, lambda: int(self.state.epoch or 0))

    def _get_eval_sampler(self, eval_dataset) -> torch.utils.data.Sampler | None:
        if not isinstance(eval_dataset, InstructionDataset):
            return super()._get_eval_sampler(eval_dataset)
        return self._grouped(eval_dataset, self.args.eval_batch_size, lambda: 0)

    def _grouped(self, dataset: InstructionDataset, batch_size: int, epoch) -> GroupedSampler:
        num_processes = self.args.world_size
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        return GroupedSampler(
            dataset.modalities,
            dataset.lengths,
            batch_size * num_processes,
            seed,
            epoch,
            whole_batches=num_processes > 1,
        )

    def training_step(self, model: torch.nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
        """
        As the base class.

        Raises:
            torch.OutOfMemoryError: if memory does not suffice; says what to lower.
        """
        with explain_out_of_memory(lambda: self._what_to_lower(*inputs["input_ids"].shape)):
            return super().training_step(model, inputs, *args, **kwargs)

    def compute_loss(self, model: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        """As the base class. Under DeepSpeed, a projector that a batch does not need gets a gradient of zeros."""
        result = super().compute_loss(model, *args, **kwargs)
        if not (self.is_deepspeed_enabled and model.training):
            return result
        # without one, ZeRO-3 would take its last gradient once more
        for projector in model.modules():
            if isinstance(projector, PooledProjector) and projector.linear_1.weight.requires_grad:
                nothing = projector.linear_1.weight.new_zeros(1, 1, projector.linear_1.in_features)
                zero = 0 * projector(nothing).sum()
                result = (result[0] + zero, *result[1:]) if isinstance(result, tuple) else result + zero
        return result

    def _what_to_lower(self, num_samples: int, num_tokens: int) -> str:
        return (
            f"Out of memory with {num_samples} samples of {num_tokens:,} tokens on {self.args.device}: lower `batch_size` "
            f"({self.args.per_device_train_batch_size}) and raise `gradient_accumulation` "
            f"({self.args.gradient_accumulation_steps}) by the same factor, set `gradient_checkpointing=true`, or lower "
            "`max_length`."
        )

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        problems = inputs.pop("problems", [])
        inputs["use_cache"] = False  # nothing is generated
        for problem in problems:
            self._handle(problem)
        return super()._prepare_inputs(inputs)

    def _handle(self, problem: str) -> None:
        if self.on_unreadable == "stop":
            raise ValueError(f"{problem}. With `on_unreadable: report` the run goes on without it.")
        logger.warning(problem)
        self.num_problems += 1
        self.problems_folder.mkdir(parents=True, exist_ok=True)
        with open(self.problems_folder / PROBLEMS_FILE, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": self.state.global_step, "problem": problem}, ensure_ascii=False) + "\n")

    def _get_num_items_in_batch(self, batch_samples: list, device: torch.device) -> torch.Tensor | int | None:
        count = super()._get_num_items_in_batch(batch_samples, device)
        # a batch of which nothing could be read has a loss of 0 / 1
        return count.clamp(min=1) if isinstance(count, torch.Tensor) else count

    def _save_rng_state(self, output_dir: str) -> None:
        """Only the state of the trainer is written later: where that is whole, so is the checkpoint."""
        super()._save_rng_state(output_dir)
        self.accelerator.wait_for_everyone()
