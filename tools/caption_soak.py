# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`make caption-soak`: `mvgpt caption` is killed again and again, and must answer as if nothing had happened, in the same memory."""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated

import typer


PROMPT = "Describe the video."
MAX_NEW_TOKENS = 12
_POLL_SECONDS = 0.02
_CLIP_OPTIONS = {"width": 160, "height": 96, "fps": 32, "seconds": 2.0}
# Shares of the rows: memory in the first range, when all that is filled once is full, and in the second.
_EARLY, _LATE = (0.2, 0.4), (0.8, 1.0)


def main(
    number: Annotated[int, typer.Option(help="How many clips.", min=2)] = 300,
    damaged: Annotated[int, typer.Option(help="How many of them are damaged.", min=0)] = 20,
    kills: Annotated[int, typer.Option(help="How often the run is killed.", min=0)] = 5,
    rows: Annotated[int, typer.Option(help="Rows of the run whose memory is measured.", min=0)] = 1000,
    seed: Annotated[int, typer.Option(help="Of the damage and of the moments of the kills.")] = 0,
    percent: Annotated[float, typer.Option(help="Growth of memory that is too much.")] = 5.0,
    ray: Annotated[bool, typer.Option("--ray", help="Also with two workers of Ray, of which one is killed.")] = False,
) -> None:
    """Each clip is answered once, as in an undisturbed run, and memory stays where it is."""
    from transformers_mvgpt.demo import CHECKPOINT

    problems = []
    with tempfile.TemporaryDirectory() as name:
        folder, generator = Path(name), random.Random(seed)
        draw(folder / "clips", number, damaged, generator)
        command = caption_command(folder / "clips", CHECKPOINT)
        begun = time.monotonic()
        run(command, folder / "undisturbed.jsonl")
        typer.echo(f"{number} clips in {time.monotonic() - begun:.0f} s")
        moments = run_killed(command, folder / "killed.jsonl", number, kills, generator)
        typer.echo(f"killed after {', '.join(map(str, moments))} rows")
        problems += compare(folder / "undisturbed.jsonl", folder / "killed.jsonl", number, damaged)
        if ray:
            begun = time.monotonic()
            moment = run_with_ray(command, folder / "ray.jsonl", number)
            typer.echo(
                f"a worker of Ray killed after {moment} rows; {number} clips in {time.monotonic() - begun:.0f} s"
            )
            problems += compare(folder / "undisturbed.jsonl", folder / "ray.jsonl", number, damaged)
        if rows:
            with open(folder / "rows.jsonl", "w") as file:
                for path in islice(cycle(sorted((folder / "clips").iterdir())), rows):
                    file.write(json.dumps({"video": f"clips/{path.name}"}) + "\n")
            early, late = measure_memory(
                caption_command(folder / "rows.jsonl", CHECKPOINT), folder / "many.jsonl", rows
            )
            growth = 100 * (late / early - 1)
            typer.echo(f"memory: {early / 1e6:.1f} MB, then {late / 1e6:.1f} MB ({growth:+.1f} %) over {rows} rows")
            if growth > percent:
                problems.append(f"memory grew by {growth:.1f} %")
    for problem in problems:
        typer.echo(problem)
    typer.echo("failed" if problems else "passed")
    raise typer.Exit(1 if problems else 0)


def draw(folder: Path, number: int, damaged: int, generator: random.Random) -> None:
    """Writes clips, and damages some: cut short, with zeros in their index, or empty."""
    from transformers_mvgpt.demo.clip_files import write_clips

    for _ in write_clips(folder, range(700_000, 700_000 + number), "test", **_CLIP_OPTIONS):
        pass
    for kind, path in zip(cycle(range(3)), generator.sample(sorted(folder.iterdir()), damaged)):
        data = path.read_bytes()
        path.write_bytes((data[: len(data) // 3], b"\0" * 1000 + data[1000:], b"")[kind])


def caption_command(inputs: Path, model: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "mvgpt_command", "caption", str(inputs), "--model", str(model), "--prompt", PROMPT),
        *("--device", "cpu", "--max-new-tokens", str(MAX_NEW_TOKENS), "--out"),
    ]


def run(command: Sequence[str], out: Path) -> None:
    """
    Raises:
        RuntimeError: if the command ends otherwise than with answers and errors.
    """
    result = subprocess.run([*command, str(out)], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    if result.returncode not in (0, 3):
        raise RuntimeError(f"The command ended with {result.returncode}: {result.stderr[-1000:]}")


def run_killed(command: Sequence[str], out: Path, number: int, kills: int, generator: random.Random) -> list[int]:
    """Kills the command after random numbers of rows, and lets the last one end. Returns how many rows there were at each."""
    moments = []
    for kill in range(kills):
        before = count_lines(out)
        wanted = before + generator.randint(1, max((number - before) // (kills - kill + 1), 1))
        with subprocess.Popen([*command, str(out)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
            watch(process, lambda wanted=wanted: count_lines(out) >= wanted)  # type: ignore[misc]
            time.sleep(generator.random() * _POLL_SECONDS)
            process.kill()
        moments.append(count_lines(out))
    run(command, out)
    return moments


def run_with_ray(command: Sequence[str], out: Path, number: int) -> int:
    """
    Kills one of two workers of Ray after a third of the rows. Returns how many there were.

    Raises:
        RuntimeError: if there were not two, or the command ends otherwise than with answers and errors.
    """
    import psutil

    options = ("--ray", "local", "--concurrency", "2")
    with subprocess.Popen(
        [*command, str(out), *options], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        watch(process, lambda: count_lines(out) >= number // 3)
        children = psutil.Process(process.pid).children(recursive=True)
        named = {child.pid: child for child in children if "MapWorker" in " ".join(child.cmdline())}
        # those that decode for them have their names
        workers = [child for child in named.values() if child.ppid() not in named]
        moment = count_lines(out)
        if workers:
            workers[0].kill()
        _, messages = process.communicate()
    if len(workers) != 2 or process.returncode not in (0, 3):
        raise RuntimeError(
            f"With {len(workers)} workers, the command ended with {process.returncode}: {messages.decode()[-1000:]}"
        )
    return moment


def watch(process: subprocess.Popen, is_over: Callable[[], bool]) -> None:
    """Returns when it is over, or the process has ended."""
    while not is_over() and process.poll() is None:
        time.sleep(_POLL_SECONDS)


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def compare(undisturbed: Path, killed: Path, number: int, damaged: int) -> list[str]:
    """What is wrong with the answers of a run that was killed."""
    problems = []
    expected, found = (
        [json.loads(line) for line in path.read_text("utf-8").splitlines()] for path in (undisturbed, killed)
    )
    if len({row["video"] for row in expected}) != number or len(expected) != number:
        problems.append(f"the undisturbed run has {len(expected)} rows, not one for each of {number} clips")
    if sum("error" in row for row in expected) != damaged:
        problems.append(f"{sum('error' in row for row in expected)} rows have errors, and {damaged} clips are damaged")
    if sorted(row["video"] for row in found) != sorted(row["video"] for row in expected):
        problems.append(f"the killed run has other clips: {len(found)} rows")
    if found != expected:
        problems.append("the killed run has other answers, or another order")
    return problems


def measure_memory(command: Sequence[str], out: Path, number: int) -> tuple[float, float]:
    """Bytes that the command and its workers hold, early and late in a run: medians."""
    held: dict[tuple[float, float], list[int]] = {_EARLY: [], _LATE: []}
    with subprocess.Popen([*command, str(out)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            share = count_lines(out) / number
            for (low, high), values in held.items():
                if low <= share < high and (size := held_bytes(process.pid)):
                    values.append(size)
            time.sleep(10 * _POLL_SECONDS)
    early, late = (statistics.median(values) for values in held.values())
    return early, late


def held_bytes(pid: int) -> int:
    """What a process and its children hold, shared pages divided by those that share them; 0 if it has ended."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (OSError, ProcessLookupError):
        return 0
    own = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
    return own + sum(held_bytes(int(child)) for child in children)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    typer.run(main)
