# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the trainings of small models share: parts that are not done again, their logs, the recipes' stages, the result."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from transformers_mvgpt.modeling.vision_language_model import VisionLanguageForConditionalGeneration
from transformers_mvgpt.training import load_recipe, run


LOG_FILE, SCORES_FILE = "training.jsonl", "scores.json"
# A file that is written when a part is finished.
DONE = "done"

# Called with what is going on, how much of it is done and how much there is, and figures of it.
OnProgress = Callable[[str, int, int, dict[str, float]], None]


def processor_seconds() -> float:
    """What this process, and those that it has waited for, have used of all cores."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Stopwatch:
    """
    Seconds that each part took, kept in a file so that an interrupted run adds up.

    Args:
        path (`Path`): the file.
        clock (`Callable`, defaults to `time.perf_counter`): tells seconds.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.perf_counter):
        self.path, self.clock = path, clock
        self.seconds: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}

    def __call__(self, part: str) -> "Stopwatch":
        self.part, self.start = part, self.clock()
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        passed = self.clock() - self.start
        self.seconds[self.part] = round(self.seconds.get(self.part, 0) + passed, 1)
        self.path.write_text(json.dumps(self.seconds))


def follow(
    part: str,
    records: Iterable[dict[str, float]],
    total: int,
    model: VisionLanguageForConditionalGeneration,
    processor: Any,
    work: Path,
    report: OnProgress,
) -> None:
    """Trains to the end, writes every tenth record as the stages do, and saves the model."""
    folder = work / part
    folder.mkdir(exist_ok=True)
    with open(folder / "loss.jsonl", "w", encoding="utf-8") as log:
        for record in records:
            report(part, int(record["step"]), total, record)
            if record["step"] % 10 == 0 or record["step"] in (1, total):
                log.write(json.dumps({name: round(value, 4) for name, value in record.items()}) + "\n")
                log.flush()
    model.save_pretrained(folder, save_original_format=False)
    processor.save_pretrained(folder)
    (folder / DONE).touch()


def run_stage(stage: str, recipe: Path, overrides: Sequence[str], report: OnProgress) -> Path:
    """Runs a recipe; it goes on where it was interrupted. Returns the folder of the trained model."""
    return run(load_recipe(recipe, list(overrides)), callbacks=[_ProgressReport(stage, report)])


class _ProgressReport(TrainerCallback):
    """Reports the steps of a stage, and its loss where it is logged."""

    def __init__(self, stage: str, report: OnProgress):
        self.stage, self.report = stage, report

    def on_step_end(self, args, state, control, **kwargs):
        figures = {"loss": state.log_history[-1]["loss"]} if state.log_history else {}
        self.report(self.stage, state.global_step, state.max_steps, figures)


def write_model(source: Path, target: Path, work: Path, parts: Iterable[str], scores: dict[str, Any]) -> None:
    """Copies a model, and writes the logs of all parts and the scores beside it."""
    target.mkdir(parents=True, exist_ok=True)
    for file in source.iterdir():
        if file.suffix in (".json", ".safetensors", ".jinja", ".txt"):
            shutil.copy(file, target / file.name)
    with open(target / LOG_FILE, "w", encoding="utf-8") as log:
        for part in parts:
            for line in (work / part / "loss.jsonl").read_text(encoding="utf-8").splitlines():
                log.write(json.dumps({"stage": part, **json.loads(line)}) + "\n")
    (target / SCORES_FILE).write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
