# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The loss of a run, as lines of JSON and as a picture."""

import json
import os
from pathlib import Path
from typing import Any

from transformers.trainer_callback import TrainerCallback
from transformers.utils import logging

from .requirements import is_installed


logger = logging.get_logger(__name__)

LOSS_FILE = "loss.jsonl"
PICTURE_FILE = "loss.png"


class LossCurve(TrainerCallback):
    """
    Writes what the trainer logs to `loss.jsonl`, one line each, and draws it into `loss.png` whenever a checkpoint is saved
    and at the end. A run that goes on from a checkpoint leaves no line twice. Without matplotlib there is no picture.

    Args:
        folder (`str`): where to.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.draws = True

    def on_train_begin(self, args, state, control, **kwargs):
        if state.is_world_process_zero:
            self._write(state.log_history, "w")
            self.draws = is_installed("matplotlib")
            if not self.draws:
                logger.warning(
                    f"{PICTURE_FILE} is not drawn, since matplotlib is not installed; {LOSS_FILE} has its numbers. To have it: "
                    "pip install 'transformers-mvgpt[train]'."
                )

    def on_log(self, args, state, control, **kwargs):
        if state.is_world_process_zero:
            self._write(state.log_history[-1:], "a")

    def on_save(self, args, state, control, **kwargs):
        if state.is_world_process_zero and self.draws:
            draw_loss(state.log_history, self.folder / PICTURE_FILE)

    on_train_end = on_save

    def _write(self, records: list[dict[str, Any]], mode: str) -> None:
        with open(self.folder / LOSS_FILE, mode, encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in records)


def draw_loss(records: list[dict[str, Any]], path: str | os.PathLike) -> None:
    """
    Draws the loss over the steps.

    Args:
        records (`list[dict]`): what the trainer logged; those with a `"loss"` or an `"eval_loss"` are drawn.
        path (`str`): the picture to write.

    Raises:
        ImportError: without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("Drawing the loss needs matplotlib: pip install 'transformers-mvgpt[train]'.") from error
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, label, style in (("loss", "training", "-"), ("eval_loss", "evaluation", "o-")):
        points = [(record["step"], record[name]) for record in records if name in record]
        if points:
            axes.plot(*zip(*points, strict=True), style, label=label)
    axes.set(xlabel="step", ylabel="loss per token")
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    figure.savefig(path, dpi=100)
