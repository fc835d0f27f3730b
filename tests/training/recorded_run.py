# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`recorded_run.py RECIPE FILE` trains, and writes the loss and the gradients of the first step to FILE."""

import sys
from pathlib import Path

import torch


sys.path.insert(0, str(Path(__file__).parents[1]))

from training_data import Recorder  # noqa: E402
from transformers_mvgpt.training import load_recipe, run  # noqa: E402


if __name__ == "__main__":
    recorder = Recorder()
    output = run(load_recipe(sys.argv[1]), callbacks=[recorder])
    if recorder.is_main_process:
        torch.save({"loss": recorder.losses[0], "gradients": recorder.gradients}, sys.argv[2])
