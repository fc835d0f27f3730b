# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""transformers' Trainer, with what vision-language models need beside it."""

import json
import os
from pathlib import Path
from typing import Any, Literal

import torch
from torch.nn import functional as F
from torch.utils.data import SequentialSampler
from transformers import Trainer
from transformers.trainer_utils import TrainOutput
from transformers.utils import logging

from ..compat.safetensors_files import full_disk_is_named, usual_file_mode
from ..families import family_of
from ..modeling.resampler_tinyllava import Resampler
from ..processing.labeled_inputs import IGNORED
from ..processing.out_of_memory import explain_out_of_memory
from .checkpoints import list_checkpoints
from .data import InstructionDataset
from .divergence import DivergedError, NamedBatches, diverged, first_not_finite, is_finite
from .sampler import GroupedSampler, check_strategy


logger = logging.get_logger(__name__)

PROBLEMS_FILE = "problems.jsonl"
_NUM_TOKENS = 16  # a square, as projectors of images want it


def count_problems(folder: str | os.PathLike) -> int:
    """How many problems with samples a run has written down in its output folder."""
    path = Path(folder) / PROBLEMS_FILE
    if not path.is_file():
        return 0
    with open(path, "rb") as file:
        return sum(1 for _ in file)


class VisionLanguageTrainer(Trainer):
    r"""
    [`~transformers.Trainer`] with a learning rate of their own for the projectors, and batches of one modality. It stops at the
    first loss, gradient norm or weight that is not finite, before the weights learn of it, and saves none that are not.

    Samples of an [`InstructionDataset`] come as `args.train_sampling_strategy` says: `"random"` within a modality,
    `"group_by_length"` with about one length in each batch, or `"sequential"`.

    Args:
        projector_learning_rate (`float`, *optional*):
            Of the projectors, where it differs from `args.learning_rate`.
        on_unreadable (`str`, defaults to `"stop"`):
            `"stop"` raises on a sample that [`DataCollator`] could not use; `"report"` warns, writes it to `problems.jsonl`
            in `problems_folder` and counts it in `num_problems`.
        problems_folder (`str`, *optional*): by default `args.output_dir`.
        kwargs: as for [`~transformers.Trainer`].

    Raises:
        ValueError: on several GPUs in one process, on another sampling strategy, or while training on a sample that cannot be used.
        DivergedError: a `ValueError`, while training, if something is not finite.
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
        check_strategy(self.args.train_sampling_strategy)
        self.data_collator: Any = NamedBatches(self.data_collator)
        # The base class has set it, for good: a model that was trained would generate without a cache.
        vars(self.model.config).pop("use_cache", None)
        # Checkpoints are loaded without translation: they need the names that weights have in memory.
        self.model._weight_conversions = []
        self.projector_learning_rate = projector_learning_rate
        self.on_unreadable = on_unreadable
        self.problems_folder = Path(self.args.output_dir if problems_folder is None else problems_folder)
        self.num_problems = 0
        self._names: list[str] = []  # of the samples since the last step of the optimizer

    def train(self, *args: Any, **kwargs: Any) -> TrainOutput:
        """
        As the base class.

        Raises:
            DivergedError: if a loss, a gradient norm or a weight is not finite.
        """
        self._names = []
        result = super().train(*args, **kwargs)
        self._check_weights()
        return result

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
        return self._sampler(dataset, self._train_batch_size, lambda: int(self.state.epoch or 0))

    def _get_eval_sampler(self, eval_dataset) -> torch.utils.data.Sampler | None:
        if not isinstance(eval_dataset, InstructionDataset):
            return super()._get_eval_sampler(eval_dataset)
        return self._sampler(eval_dataset, self.args.eval_batch_size, lambda: 0)

    def _sampler(self, dataset: InstructionDataset, batch_size: int, epoch) -> torch.utils.data.Sampler:
        num_processes, strategy = self.args.world_size, self.args.train_sampling_strategy
        if strategy == "sequential":
            if num_processes > 1 and len(set(dataset.modalities.tolist())) > 1:
                raise ValueError(
                    "With `train_sampling_strategy='sequential'`, processes would meet images, videos and texts in different "
                    "batches: train on one of them at a time, in one process, or with 'random'."
                )
            return SequentialSampler(dataset)
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        return GroupedSampler(
            dataset.modalities,
            dataset.lengths if strategy == "group_by_length" else None,
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
            DivergedError: if the loss is not finite.
        """
        names = inputs.get("names", [])
        self._names += names
        with explain_out_of_memory(lambda: self._what_to_lower(*inputs["input_ids"].shape)):
            loss = super().training_step(model, inputs, *args, **kwargs)
        if not is_finite(loss):
            raise self._diverged(f"the loss is {loss.item()}", names, self.state.global_step + 1)
        return loss

    def _get_grad_norm(self, model: torch.nn.Module, grad_norm: Any = None) -> Any:
        """
        Raises:
            DivergedError: if it is not finite, before the optimizer makes its step.
        """
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        # In float16, gradients overflow from time to time: the step is left out and their scale halved.
        scaler = self.accelerator.scaler
        may_overflow = scaler is not None and scaler.is_enabled() and scaler.get_scale() > 1
        if not may_overflow and not is_finite(norm):
            raise self._diverged(
                f"the norm of the gradients is {float(norm)}", self._names, self.state.global_step + 1
            )
        self._names = []
        return norm

    def prediction_step(self, model: torch.nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> tuple:
        """
        As the base class. A batch without anything to predict, since nothing could be read, has no loss.

        Raises:
            DivergedError: if the loss is not finite.
        """
        names, labels = inputs.get("names", []), inputs.get("labels")
        has_labels = labels is None or bool((labels[:, 1:] != IGNORED).any())
        loss, *others = super().prediction_step(model, inputs, *args, **kwargs)
        if not has_labels:
            # all processes gather it
            loss = None if self.args.world_size == 1 else torch.zeros_like(loss)
        if not is_finite(loss):
            raise self._diverged(f"the loss of the evaluation is {loss.item()}", names, self.state.global_step)
        return (loss, *others)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """
        As the base class.

        Raises:
            DivergedError: if a weight is not finite.
        """
        self._check_weights()
        super().save_model(output_dir, _internal_call)

    def _check_weights(self) -> None:
        if name := first_not_finite(self.model.named_parameters()):
            raise self._diverged(f"the weight {name} is not finite", [], self.state.global_step)

    def _diverged(self, what: str, names: list[str], step: int) -> DivergedError:
        whole, _ = list_checkpoints(self.args.output_dir)
        return diverged(what, step, names, whole[-1] if whole else None, self.args.learning_rate)

    def compute_loss(self, model: torch.nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As the base class. Under DeepSpeed, a projector that a batch does not need gets a gradient of zeros."""
        if self.label_smoother is not None and inputs.get("labels") is not None:
            inputs = {**inputs, "labels": self._following_labels(inputs)}
            inputs.pop("shift_labels", None)
        result = super().compute_loss(model, inputs, *args, **kwargs)
        if not (self.is_deepspeed_enabled and model.training):
            return result
        # without one, ZeRO-3 would take its last gradient once more
        names = family_of(self.model.config).projectors
        for name, projector in model.named_modules():
            if name.rpartition(".")[2] in names and any(weight.requires_grad for weight in projector.parameters()):
                zero = 0 * projector(_no_features(projector)).sum()
                result = (result[0] + zero, *result[1:]) if isinstance(result, tuple) else result + zero
        return result

    def _following_labels(self, inputs: dict[str, Any]) -> torch.Tensor:
        """For each of the logits the id that follows: the base class smooths labels of these models without moving them."""
        if inputs.get("shift_labels") is not None:
            return inputs["shift_labels"]
        labels = inputs["labels"]
        for name in ("image_token_id", "video_token_id"):
            if (token_id := getattr(self.model.config, name, None)) is not None:
                labels = labels.masked_fill(inputs["input_ids"] == token_id, IGNORED)
        return F.pad(labels[:, 1:], (0, 1), value=IGNORED)

    def _what_to_lower(self, num_samples: int, num_tokens: int) -> str:
        return (
            f"Out of memory with {num_samples} samples of {num_tokens:,} tokens on {self.args.device}: lower `batch_size` "
            f"({self.args.per_device_train_batch_size}) and raise `gradient_accumulation` "
            f"({self.args.gradient_accumulation_steps}) by the same factor, set `gradient_checkpointing=true`, or lower "
            "`max_length`."
        )

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        inputs.pop("names", None)
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

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """As the base class; the weights of an adapter, too, have the mode of other new files."""
        folder = self.args.output_dir if output_dir is None else output_dir
        with full_disk_is_named(folder), usual_file_mode(folder):
            super()._save(output_dir, state_dict)

    def _save_rng_state(self, output_dir: str) -> None:
        """Only the state of the trainer is written later: where that is whole, so is the checkpoint."""
        super()._save_rng_state(output_dir)
        self.accelerator.wait_for_everyone()


def _no_features(projector: torch.nn.Module) -> torch.Tensor:
    """A few features of zeros: `(1, num_tokens, input_size)`, and for a resampler, which takes one video, `(num_tokens, input_size)`."""
    modules = list(projector.modules())  # with LoRA, peft has wrapped it
    linear = next(module for module in modules if isinstance(module, torch.nn.Linear))
    features = linear.weight.new_zeros(_NUM_TOKENS, linear.in_features)
    return features if any(isinstance(module, Resampler) for module in modules) else features[None]
