# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt merge`: one complete folder from a LoRA adapter."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .extras import require
from .progress import conversion_progress


def merge(
    adapter: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Output of an instruction stage that was trained with LoRA.")
    ],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Folder to write.")],
    base_model: Annotated[
        str | None, typer.Option(help="Folder or repository of the model it was trained on, if that is elsewhere now.")
    ] = None,
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        typer.Option(help="Data type of the weights; auto takes the model's."),
    ] = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a folder that this command has written before.")
    ] = False,
) -> None:
    """Merge a LoRA adapter into its model, write the model to one folder, and check what was written."""
    require("Merging an adapter", "train", "peft")
    from ..training import merge as merge_adapter

    with conversion_progress() as show:
        merge_adapter(adapter, target, base_model=base_model, dtype=dtype, overwrite=overwrite, on_progress=show)
    typer.echo(f"Wrote {target}")
