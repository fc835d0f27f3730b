# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
`recorded_run.py RECIPE FILE [STEP]` trains, and writes the loss and the gradients of the first step to FILE. With STEP, each
process is killed before it begins that step, counted from 0.
"""

import os
import signal
import sys
from pathlib import Path

import torch
from transformers import TrainerCallback


sys.path.insert(0, str(Path(__file__).parents[1]))

from training_data import Recorder  # noqa: E402
from transformers_mvgpt.training import load_recipe, run  # noqa: E402


class KillBefore(TrainerCallback):
    def __init__(self, step: int):
        self.step = step

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    recorder = Recorder()
    output = run(load_recipe(sys.argv[1]), callbacks=[recorder, *(KillBefore(int(step)) for step in sys.argv[3:])])
    if recorder.is_main_process:
        torch.save({"loss": recorder.losses[0], "gradients": recorder.gradients}, sys.argv[2])
