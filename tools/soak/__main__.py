# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`make soak`: thousands of requests to the small model in one process."""

import gc
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer


NUM_MEASUREMENTS = 20
# What is filled once: caches of compiled functions, of the allocator, of decoders.
WARM_UP_SHARE = 0.25


class Usage(NamedTuple):
    """What this process holds."""

    num_requests: int
    resident_bytes: int
    num_files: int
    num_threads: int


def main(
    number: Annotated[int, typer.Option(help="How many requests.", min=NUM_MEASUREMENTS)] = 10_000,
    megabytes: Annotated[float, typer.Option(help="Growth after the warm-up that is too much.")] = 32.0,
) -> None:
    """Memory, open files and threads must stay where they are, and answers must stay the same."""
    from transformers import pipeline

    import transformers_mvgpt  # noqa: F401  registers the pipeline
    from transformers_mvgpt.demo import CHECKPOINT

    from .requests import make_requests

    pipe = pipeline("video-text-to-text", model=str(CHECKPOINT), device="cpu")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        usages = soak(make_requests(pipe, Path(folder)), number, report=_show)
    typer.echo(f"{number} requests in {time.monotonic() - begun:.0f} s")
    problems = find_growth(usages, int(megabytes * 1e6))
    for problem in problems:
        typer.echo(problem)
    raise typer.Exit(1 if problems else 0)


def soak(
    requests: Mapping[str, Callable[[], Any]], number: int, report: Callable[[Usage], None] = lambda usage: None
) -> list[Usage]:
    """
    Makes `number` requests, the kinds in turn, and says from time to time what the process holds.

    Raises:
        RuntimeError: if a request ends otherwise than the first of its kind did, or with another error than a `ValueError` or
            an `OSError`.
    """
    first: dict[str, Any] = {}
    usages = []
    every = number // NUM_MEASUREMENTS
    for count, name in enumerate(islice(cycle(requests), number), 1):
        try:
            ending = requests[name]()
        except (ValueError, OSError) as error:
            ending = f"{type(error).__name__}: {error}"
        if first.setdefault(name, ending) != ending:
            raise RuntimeError(f"Request {count} ({name}) ended with {ending!r}, the first with {first[name]!r}.")
        if count % every == 0:
            usages.append(measure(count))
            report(usages[-1])
    return usages


def measure(num_requests: int) -> Usage:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    threads = len(os.listdir("/proc/self/task"))
    return Usage(num_requests, pages * os.sysconf("SC_PAGE_SIZE"), len(os.listdir("/proc/self/fd")), threads)


def find_growth(usages: list[Usage], max_bytes: int) -> list[str]:
    """What grew after the warm-up, in a sentence each."""
    warm = usages[int(len(usages) * WARM_UP_SHARE) :]
    half = len(warm) // 2
    problems = []
    for name, allowed in (("resident_bytes", max_bytes), ("num_files", 0), ("num_threads", 0)):
        values = [getattr(usage, name) for usage in warm]
        growth = max(values[half:]) - max(values[:half])
        if growth > allowed:
            problems.append(f"{name} grew by {growth:,} after the warm-up, {allowed:,} are allowed: {values}")
    return problems


def _show(usage: Usage) -> None:
    typer.echo(
        f"{usage.num_requests:7d} requests: {usage.resident_bytes / 1e6:7.1f} MB, {usage.num_files} files, "
        f"{usage.num_threads} threads"
    )


if __name__ == "__main__":
    typer.run(main)
