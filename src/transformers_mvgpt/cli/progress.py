# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Progress on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer


@contextmanager
def conversion_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A function that shows the steps of a conversion."""
    from tqdm import tqdm

    bars: dict[str, tqdm] = {}

    def show(step: str, completed: int, total: int) -> None:
        if total == 1:  # loading and writing, where transformers draws bars
            if not completed:
                typer.echo(step, err=True)
            return
        if step not in bars:
            bars[step] = tqdm(desc=step, total=total)
        bars[step].update(completed - bars[step].n)

    try:
        yield show
    finally:
        for bar in bars.values():
            bar.close()
