# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Which checkpoint an interrupted run goes on from."""

import json
import os
import re
from pathlib import Path

from transformers.trainer import TRAINER_STATE_NAME


def list_checkpoints(folder: str | os.PathLike) -> tuple[list[Path], list[Path]]:
    """
    The checkpoints of a run that are whole, oldest first, and those that were interrupted while they were written. The state
    of the trainer is the last file of a checkpoint, and JSON that lacks its end cannot be read.

    Args:
        folder (`str`): where they are; it may not exist.
    """
    whole: dict[int, Path] = {}
    unfinished = []
    for path in Path(folder).glob("checkpoint-*"):
        step = re.fullmatch(r"checkpoint-(\d+)", path.name)
        if step is None or not path.is_dir():
            continue
        try:
            state = json.loads((path / TRAINER_STATE_NAME).read_text("utf-8"))
            is_whole = state["global_step"] == int(step[1])
        except (OSError, ValueError, KeyError, TypeError):
            is_whole = False
        if is_whole:
            whole[int(step[1])] = path
        else:
            unfinished.append(path)
    return [whole[step] for step in sorted(whole)], unfinished
