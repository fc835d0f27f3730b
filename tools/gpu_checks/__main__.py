# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`make gpu`: what needs a GPU, for whoever has one for a quarter of an hour."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from transformers_mvgpt.evaluation.choices import BASELINE_NAMES

from .goals import Row, scan_rows, speed_rows


ROOT = Path(__file__).parents[2]
LOGS = ROOT / "build" / "gpu"
BENCH_FILE, SCANS_FILE, TABLE_FILE = "0.5b-bfloat16.json", "scans.json", "checks.md"


class Part(NamedTuple):
    """
    Args:
        name (`str`): for the table.
        command (`list[str]`): what does it.
        max_seconds (`float`): when it is ended.
    """

    name: str
    command: list[str]
    max_seconds: float


class Outcome(NamedTuple):
    """How a part ended: `"passed"` or why not, after how long, and the last line that it wrote."""

    name: str
    status: str
    seconds: float
    last_line: str


def make_parts(folder: Path) -> list[Part]:
    """What is measured comes first: a machine that is hot from tests is slower. Together at most 460 seconds."""
    python = sys.executable
    # of all files, collecting takes longer than these tests
    tests = [str(file) for file in sorted(ROOT.glob("tests/**/test_*.py")) if "needs_cuda" in file.read_text("utf-8")]
    processes = ["-n", "4"] if importlib.util.find_spec("xdist") else []
    bench = [python, "-m", "mvgpt_command", "bench", "0.5b", "--dtype", "bfloat16", "--batch-sizes", "1,8,32"]
    bench += ["--compare", ",".join(BASELINE_NAMES), "--overwrite", "--out", str(folder / BENCH_FILE)]
    return [
        Part("bench", bench, 230),
        Part("scans", [python, "-m", "gpu_checks.scans", str(folder / SCANS_FILE)], 60),
        Part("tests", [python, "-m", "pytest", "-v", "-m", "needs_cuda", "--timeout", "100", *processes, *tests], 170),
    ]


def run_part(part: Part, log: Path) -> Outcome:
    """Runs it in a process group of its own, whose output goes into a file, and ends all of it when its time is over."""
    start = time.monotonic()
    # a job on a machine with a GPU must not pass by skipping
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "FAIL_WITHOUT_CUDA": "1"}
    # what a part that is ended has written must be in its log: names of failed tests
    environment["PYTHONUNBUFFERED"] = "1"
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT / "src"), str(ROOT / "tools"), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    with log.open("wb") as file:
        process = subprocess.Popen(
            part.command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code = process.wait(part.max_seconds)
            status = "passed" if code == 0 else f"failed with exit code {code}"
        except subprocess.TimeoutExpired:
            status = f"ended after {part.max_seconds:g} s"
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    lines = [line.strip() for line in log.read_text("utf-8", errors="replace").replace("\r", "\n").splitlines()]
    return Outcome(part.name, status, time.monotonic() - start, next(filter(None, reversed(lines)), ""))


def make_table(outcomes: list[Outcome], rows: list[Row]) -> str:
    """Markdown: the parts, then what was measured beside its goals."""
    lines = ["| part | | seconds | last line |", "|---|---|---|---|"]
    for outcome in outcomes:
        line = outcome.last_line.replace("|", "/")[:120]
        lines.append(f"| {outcome.name} | {outcome.status} | {outcome.seconds:.0f} | {line} |")
    lines += ["", "| | measured | goal on an H100 | |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row.cells())} |" for row in rows]
    return "\n".join(lines) + "\n"


def machine_name() -> str:
    """A folder's name, of the GPU's: `nvidia-h100-80gb-hbm3`."""
    import torch

    if not torch.cuda.is_available():
        raise SystemExit("Error: no CUDA device: `make gpu` needs a machine with an NVIDIA GPU and its driver.")
    return re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name().lower()).strip("-")


def main(
    machine: Annotated[str | None, typer.Option(help="Name of the folder; by default that of the GPU.")] = None,
    out: Annotated[Path, typer.Option(help="Where the machine's folder is.")] = ROOT / "benchmarks",
) -> None:
    """What fails is said in the table, and the rest goes on. The exit code is 1 if something failed."""
    folder = out / (machine or machine_name())
    folder.mkdir(parents=True, exist_ok=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    outcomes = []
    for file in (BENCH_FILE, SCANS_FILE):
        # figures of an earlier run must not stand beside a part that failed
        (folder / file).unlink(missing_ok=True)
    for part in make_parts(folder):
        typer.echo(f"{part.name}, at most {part.max_seconds:g} s: {LOGS / part.name}.txt", err=True)
        outcomes.append(run_part(part, LOGS / f"{part.name}.txt"))
    rows = [*speed_rows(_read(folder / BENCH_FILE)), *scan_rows(_read(folder / SCANS_FILE).get("scans", []))]
    table = make_table(outcomes, rows)
    (folder / TABLE_FILE).write_text(table, encoding="utf-8")
    typer.echo(table, nl=False)
    typer.echo(f"Wrote {folder}; `make benchmark-tables` puts it into README.md and docs/speed.md.", err=True)
    raise typer.Exit(0 if all(outcome.status == "passed" for outcome in outcomes) else 1)


def _read(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}


if __name__ == "__main__":
    typer.run(main)
