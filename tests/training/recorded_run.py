# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
`recorded_run.py RECIPE FILE [STEP]` trains, and writes the loss and the gradients of the first step to FILE. With STEP, each
process is killed before it begins that step, counted from 0.

Where accelerate is told to shard the model (FSDP), it is sharded on the CPU.
"""

import os
import signal
import sys
from pathlib import Path

import torch
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType
from transformers import TrainerCallback


sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))

from training_data import Recorder  # noqa: E402
from transformers_mvgpt.training import load_recipe, run  # noqa: E402


class KillBefore(TrainerCallback):
    def __init__(self, step: int):
        self.step = step

    def on_step_begin(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def allow_sharding_on_cpu() -> None:
    """accelerate heeds FSDP among processes of GPUs only. On CPU it is the same but for this mark, which it then lacks."""
    initialize = AcceleratorState.__init__

    def initialize_sharded(self, *args, fsdp_plugin=None, **kwargs):
        initialize(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
        if fsdp_plugin is not None:
            self.fsdp_plugin = fsdp_plugin
            self.distributed_type = PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    AcceleratorState.__init__ = initialize_sharded


if __name__ == "__main__":
    allow_sharding_on_cpu()
    recorder = Recorder()
    output = run(load_recipe(sys.argv[1]), callbacks=[recorder, *(KillBefore(int(step)) for step in sys.argv[3:])])
    if recorder.is_main_process:
        torch.save({"loss": recorder.losses[0], "gradients": recorder.gradients}, sys.argv[2])
