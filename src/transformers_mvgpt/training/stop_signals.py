# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Ctrl-C and SIGTERM in a training run: a checkpoint, and then the end."""

import os
import signal
import sys
import threading
from typing import Any

import torch
from transformers.trainer_callback import TrainerCallback


class TrainingStopped(KeyboardInterrupt):
    """
    A run was stopped by Ctrl-C or SIGTERM.

    Args:
        message (`str`): where it stopped and how it goes on.
        signal_number (`int`): of the signal; 128 more is the exit code of a command.
    """

    def __init__(self, message: str, signal_number: int):
        super().__init__(message)
        self.signal_number = signal_number


class StopSignals(TrainerCallback):
    """
    While it is entered, the first Ctrl-C or SIGTERM ends a run at the next place where a checkpoint can be written, and the second
    of the same kind ends the process at once. Before training begins, the first one ends the run on the spot.

    Python raises its KeyboardInterrupt wherever it happens to be, and where that is a callback from C, such as a finalizer or a
    hook of the autograd engine, it is printed and forgotten. A mark that is looked at after each step cannot get lost.

    Attributes:
        received (`int`, *optional*): the first signal.
    """

    def __init__(self):
        self.received: int | None = None
        self._is_training = False
        self._stops = 0  # a signal that all processes know of
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        self._process = os.getpid()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *error: Any) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """
        Raises:
            TrainingStopped: if a signal came, also where its exception was lost.
        """
        if self.received is not None:
            raise TrainingStopped("Stopped before the first step, so that there is no checkpoint.", self.received)

    def _handle(self, number: int, frame: Any) -> None:
        if os.getpid() != self._process:
            return  # a worker that was forked: it goes on to feed the last step, and ends with the run
        signal.signal(number, signal.SIG_DFL)
        if self.received is not None:  # a launcher that passes on Ctrl-C sends SIGTERM too
            return
        self.received = number
        if not self._is_training:
            self.check()
        again = "press Ctrl-C" if number == signal.SIGINT else "send SIGTERM"
        sys.stderr.write(f"\nStopping after this step, with a checkpoint; {again} again to end at once.\n")

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
