# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`make on-device`: what an exported model answers, needs and takes, beside PyTorch on the same machine."""

from pathlib import Path
from typing import Annotated

import typer

from .records import ROOT, Records, describe, set_threads


PARTS = ("quality", "start", "speed")


def main(
    machine: Annotated[str, typer.Option(help="Name of the machine's folder.")],
    out: Annotated[Path, typer.Option(help="Where the machine's folder is.")] = ROOT / "benchmarks",
    work: Annotated[Path, typer.Option(help="For clips and exported models.")] = ROOT / "build" / "on-device",
    part: Annotated[list[str] | None, typer.Option(help=f"Only {', '.join(PARTS)}; may be given again.")] = None,
    questions: Annotated[int, typer.Option(min=1, help="About drawn clips.")] = 180,
    exported: Annotated[Path | None, typer.Option(help="The 0.5B size, exported already.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="In which all take turns; medians count.")] = 3,
    runs: Annotated[int, typer.Option(min=1, help="Of each in a round.")] = 1,
    tokens: Annotated[int, typer.Option(min=2, help="Of an answer at the 0.5B size.")] = 16,
    threads: Annotated[int, typer.Option(min=1, help="Of each process.")] = 2,
) -> None:
    """A run that was interrupted goes on; what is to be measured anew is removed before."""
    from .quality import measure_quality
    from .speed import measure_speed
    from .startup import measure_start
    from .tables import all_tables

    if unknown := [name for name in part or () if name not in PARTS]:
        raise typer.BadParameter(f"There is no part {unknown[0]!r}: take {', '.join(PARTS)}.", param_hint="--part")
    folder = out / machine
    folder.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    set_threads(threads)
    description = describe(threads)

    def report(what: str, done: int) -> None:
        typer.echo(f"\r\033[K{what}: {done}", err=True, nl=False)

    def records(name: str) -> Records:
        return Records(folder / f"onnx-{name}.json", description)

    wanted = part or PARTS
    if "start" in wanted:
        measure_start(records("start"), work, 5, report)
    if "quality" in wanted:
        measure_quality(records("quality"), work, questions, report)
    if "speed" in wanted:
        measure_speed(
            records("0.5b"),
            work,
            exported,
            rounds=rounds,
            runs=runs,
            num_new_tokens=tokens,
            num_threads=threads,
            report=report,
        )
    typer.echo("", err=True)
    typer.echo(all_tables(folder), nl=False)
    typer.echo(f"Wrote {folder}; `make benchmark-tables` puts it into docs/on_device.md.", err=True)


if __name__ == "__main__":
    typer.run(main)
