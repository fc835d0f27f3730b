# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Ctrl-C and SIGTERM in a training run: a checkpoint, and then the end."""

from typing import Any

import torch
from transformers.trainer_callback import TrainerCallback

from ..conversion.first_signal import FirstSignal, Stopped


class TrainingStopped(Stopped):
    """A run was stopped; it says which checkpoint there is."""


class StopSignals(FirstSignal, TrainerCallback):
    """
    While it is entered, the first Ctrl-C or SIGTERM ends a run at the next place where a checkpoint can be written, and the second
    of the same kind ends the process at once. Before training begins, the first one ends the run on the spot.

    Attributes:
        received (`int`, *optional*): the first signal.
    """

    def __init__(self):
        super().__init__("step, with a checkpoint")
        self._is_training = False
        self._stops = 0  # a signal that all processes know of

    def check(self) -> None:
        """
        Raises:
            TrainingStopped: if a signal came, also where its exception was lost.
        """
        if self.received is not None:
            raise TrainingStopped("Stopped before the first step, so that there is no checkpoint.", self.received)

    def on_first(self):
        if not self._is_training:
            self.check()
        super().on_first()

    def on_train_begin(self, args, state, control, **kwargs):
        self.check()
        self._is_training = True

    def on_step_end(self, args, state, control, **kwargs):
        if self._is_stopping(args) and state.global_step < state.max_steps:
            control.should_save = True
            control.should_evaluate = False

    def on_prediction_step(self, args, state, control, **kwargs):
        # several processes would have to stop at the same batch
        if self.received is not None and args.world_size == 1 and state.global_step < state.max_steps:
            raise TrainingStopped("Stopped in an evaluation.", self.received)

    def on_save(self, args, state, control, **kwargs):
        if self._stops and state.global_step < state.max_steps:
            raise TrainingStopped("Stopped after a checkpoint.", self._stops)

    def _is_stopping(self, args: Any) -> bool:
        """Whether any process has got a signal; all come to the same answer."""
        received = self.received or 0
        if args.world_size > 1:
            numbers = torch.tensor([received], device=args.device)
            torch.distributed.all_reduce(numbers, torch.distributed.ReduceOp.MAX)
            received = int(numbers)
        self._stops = received
        return received > 0
