# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Runs of lmms-eval with `--model mvgpt`, in a process of their own or several of `accelerate launch`. Arguments: a JSON file with a list of
runs, and the file to write what came of them to. lmms-eval's own tasks are left out: looking for them takes a minute.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from accelerate import PartialState
from lmms_eval.evaluator import simple_evaluate
from lmms_eval.tasks import TaskManager


TASKS = Path(__file__).parents[1] / "data" / "lmms_eval"


def evaluate(
    data: str, task: str, model_args: str, batch_size: int = 1, force_simple: bool = False
) -> dict[str, Any] | None:
    """Scores and answers by document, in the main process; where lmms-eval fails, what it says. `data` is where a task's files are."""
    os.chdir(data)
    try:
        results = simple_evaluate(
            "mvgpt",
            model_args=f"device=cpu,{model_args}",
            tasks=[task],
            batch_size=batch_size,
            task_manager=TaskManager(include_path=str(TASKS), include_defaults=False, model_name="mvgpt"),
            force_simple=force_simple,
        )
    except ValueError as error:
        return {"error": str(error)}
    if results is None:
        return None
    samples = sorted(results["samples"][task], key=lambda sample: sample["doc_id"])
    scores = {name.removesuffix(",none"): value for name, value in results["results"][task].items()}
    return {"scores": scores, "answers": [sample["filtered_resps"][0] for sample in samples]}


if __name__ == "__main__":
    plan, out = map(Path, sys.argv[1:])
    records: dict[str, Any] = {name: evaluate(**run) for name, run in json.loads(plan.read_text("utf-8")).items()}
    records["processes"] = PartialState().num_processes
    if PartialState().is_main_process:
        out.write_text(json.dumps(records, default=float), encoding="utf-8")
