# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A device without torch: a fresh process that finds five packages and an exported folder, and nothing of ours."""

import importlib.metadata
import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from transformers_mvgpt.demo import CHECKPOINT, CLIP
from transformers_mvgpt.runtime import export_onnx

from .quality import OnProgress
from .records import Records


PACKAGES = ("onnxruntime", "numpy", "av", "tokenizers", "jinja2")
QUESTION = "Describe the video."
_SCRIPT = "mvgpt_onnx.py"
# Runs a script as `python SCRIPT ...` does, and writes at its end what it has needed. The interpreter sees the standard library and what
# is named here alone.
_PROGRAM = """
import atexit, importlib.util, json, runpy, sys
site, script, memory, note, *arguments = sys.argv[1:]
sys.path[:0] = [script.rpartition("/")[0], site]
def write():
    peak = runpy.run_path(memory)["peak_bytes"]()
    names = [name for name in ("torch", "transformers", "transformers_mvgpt") if importlib.util.find_spec(name)]
    with open(note, "w") as file:
        json.dump({"peak_memory_bytes": peak, "importable": names, "modules": len(sys.modules)}, file)
atexit.register(write)
sys.argv = [script, *arguments]
runpy.run_path(script, run_name="__main__")
"""


def measure_start(records: Records, work: Path, runs: int, report: OnProgress) -> None:
    """
    Adds a record of a process that is asked about the clip of the package, unless there is one.

    Args:
        records ([`Records`]): where it goes.
        work (`Path`): a folder for what the process sees.
        runs (`int`): how many processes, of which the medians count.
        report (`Callable[[str, int], None]`): called with what is done and how much of it.

    Raises:
        RuntimeError: if a process fails, or finds torch.
    """
    if records.find(model="small model") is not None:
        return
    exported, site = work / "small-onnx", work / "site"
    if not exported.is_dir():
        export_onnx(CHECKPOINT, exported, precisions=("fp32",))
    link_packages(PACKAGES, site)
    notes = []
    for run in range(runs + 1):
        report("start", run)
        notes.append(ask_once(exported, site, CLIP, QUESTION, work / "note.json"))
    # the first one fills the system's cache of files
    measured = notes[1:]
    records.add(
        {
            "model": "small model",
            "precision": "fp32",
            "runs": runs,
            "answer": measured[0]["answer"],
            "first_start_seconds": notes[0]["seconds"],
            "start_to_answer_seconds": statistics.median(note["seconds"] for note in measured),
            "peak_memory_bytes": max(note["peak_memory_bytes"] for note in measured),
            "modules": measured[0]["modules"],
            "site_bytes": installed_bytes(site),
            "folder_bytes": sum(file.stat().st_size for file in exported.rglob("*") if file.is_file()),
        }
    )


def ask_once(exported: Path, site: Path, video: Path, question: str, note: Path) -> dict[str, Any]:
    """
    Starts a process, and waits for its answer.

    Returns:
        `dict[str, Any]`: `answer`; `seconds` from the start of the process to its end; `peak_memory_bytes`; `importable`, what it should not
        find, and `modules`, how many it has loaded.

    Raises:
        RuntimeError: if it fails, or finds torch, transformers or this package.
    """
    script = str((exported / _SCRIPT).resolve())
    arguments = [str(site.resolve()), script, str(Path(__file__).with_name("peak_memory.py")), str(note)]
    begun = time.perf_counter()
    # neither environment variables, nor packages of this environment or of the user
    process = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _PROGRAM, *arguments, str(video), question],
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - begun
    if process.returncode:
        raise RuntimeError(f"{script} ended with {process.returncode}: {process.stderr.strip()[-1000:]}")
    result = json.loads(note.read_text("utf-8"))
    if result["importable"]:
        raise RuntimeError(f"The process without torch finds {', '.join(result['importable'])}.")
    return {**result, "answer": process.stdout.strip(), "seconds": seconds}


def link_packages(names: tuple[str, ...], site: Path) -> None:
    """A folder that holds links to what an installation of these packages and of what they require would put there."""
    shutil.rmtree(site, ignore_errors=True)
    site.mkdir(parents=True)
    pending, seen = list(names), set()
    while pending:
        name = re.sub(r"[-_.]+", "-", pending.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        for file in distribution.files or ():
            if (top := file.parts[0]) not in ("..", "__pycache__") and not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution.locate_file(top))).resolve())
        requirements = map(Requirement, distribution.requires or ())
        pending += [each.name for each in requirements if each.marker is None or each.marker.evaluate({"extra": ""})]


def installed_bytes(site: Path) -> int:
    """Of the files behind the links."""
    files = (file for entry in site.iterdir() for file in ([entry] if entry.is_file() else entry.rglob("*")))
    return sum(file.stat().st_size for file in files if file.is_file() and file.suffix != ".pyc")
