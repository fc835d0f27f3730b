# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`make fuzz`: mutates files and has the processor of the small model read them. What ends badly is kept."""

import os
import random
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from .forked_reading import GOOD_OUTCOMES, OUTCOMES, Ending, read_forked
from .mutations import mutate
from .seed_files import STILL_PICTURES, make_seed_files


def main(
    number: Annotated[int, typer.Option(help="How many files.", min=1)] = 2000,
    seed: Annotated[int, typer.Option(help="Another seed makes other mutations.")] = 0,
    backend: Annotated[str | None, typer.Option(help="Video backend; the default is what `auto` takes.")] = None,
    seconds: Annotated[float, typer.Option(help="A file that takes longer hangs.")] = 10.0,
    megabytes: Annotated[int, typer.Option(help="Growth of memory that is too much.")] = 1000,
    processes: Annotated[int, typer.Option(help="How many files are read at once.")] = os.cpu_count() or 1,
    keep: Annotated[Path, typer.Option(help="Folder for files that end badly.")] = Path("build/fuzz"),
    replay: Annotated[list[Path] | None, typer.Option(help="Read these files instead, as they are.")] = None,
) -> None:
    """Mutated files of many containers and codecs must end in pixels or in an error that names the file."""
    read = make_reader(backend)
    begun = time.monotonic()
    endings: dict[str, Counter] = defaultdict(Counter)
    slowest, largest = 0.0, 0
    bad: list[Ending] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = iter(replay) if replay else write_mutations(folder, number, seed)
        for ending in read_forked(paths, read, folder, processes, seconds, megabytes * 10**6):
            kind = ending.path.name.partition("-")[2] or ending.path.name
            endings[kind][ending.outcome] += 1
            slowest, largest = max(slowest, ending.seconds), max(largest, ending.num_bytes)
            if ending.outcome not in GOOD_OUTCOMES:
                bad.append(ending)
                if not replay:
                    keep.mkdir(parents=True, exist_ok=True)
                    shutil.copy(ending.path, keep / ending.path.name)
            if not replay:
                ending.path.unlink()
    typer.echo(table(endings))
    typer.echo(
        f"seed {seed}: {sum(sum(counts.values()) for counts in endings.values())} files in {time.monotonic() - begun:.0f} s; the "
        f"slowest took {slowest:.1f} s, the largest {largest / 1e6:.0f} MB"
    )
    for ending in bad:
        where = ending.path if replay else keep / ending.path.name
        typer.echo(
            f"{ending.outcome}: {where} ({ending.seconds:.1f} s, {ending.num_bytes / 1e6:.0f} MB)\n{ending.message}"
        )
    raise typer.Exit(1 if bad else 0)


def make_reader(backend: str | None):
    """Reads a file as the small model's processor does, with one thread, so that this process can be forked."""
    import torch
    from transformers import AutoProcessor

    import transformers_mvgpt  # noqa: F401  registers the processor
    from transformers_mvgpt.demo import CHECKPOINT

    torch.set_num_threads(1)
    processor = AutoProcessor.from_pretrained(CHECKPOINT)
    options = {} if backend is None else {"video_backend": backend}

    def read(path: Path) -> None:
        if path.suffix.removeprefix(".") in STILL_PICTURES:
            processor(text="<|image_pad|>", images=str(path), return_tensors="pt")
        else:
            processor(text="<|video_pad|>", videos=str(path), return_tensors="pt", **options)

    return read


def write_mutations(folder: Path, number: int, seed: int) -> Iterator[Path]:
    """`number` files in `folder`, the formats in turn. A file follows from its number and the seed alone."""
    files = make_seed_files()
    names, contents = list(files), list(files.values())
    for index in range(number):
        name = names[index % len(names)]
        path = folder / f"{index:06d}-{name}"
        path.write_bytes(mutate(files[name], contents, random.Random(f"{seed}/{index}")))
        yield path


def table(endings: dict[str, Counter]) -> str:
    """A line for each format, a column for each outcome."""
    width = max(map(len, endings), default=0)
    lines = [" " * width + "".join(f"{outcome:>15}" for outcome in OUTCOMES)]
    rows = {**dict(sorted(endings.items())), "all": sum(endings.values(), Counter())}
    lines += [
        f"{name:<{width}}" + "".join(f"{counts[outcome]:>15}" for outcome in OUTCOMES) for name, counts in rows.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
