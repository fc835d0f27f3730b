# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt export-gguf`: the language model as llama.cpp loads it."""

from pathlib import Path
from typing import Annotated

import typer

from .extras import require
from .progress import conversion_progress


def export_gguf(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Folder of a model or of a LoRA adapter, or repository on the Hub."),
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to write, ending in .gguf.")],
    type: Annotated[
        str,
        typer.Option(
            help="How weights are stored. f16: 2 bytes each, as exact as bfloat16. q8_0: half of that, answers stay the same almost "
            "always. q4_0: a third, a few answers change. Of several, as in q8_0,q4_0, one file each is written, with the type in its "
            "name."
        ),
    ] = "q8_0",
    base_model: Annotated[
        str | None, typer.Option(help="For an adapter: the model it was trained on, if that is elsewhere now.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that this command has written before.")
    ] = False,
) -> None:
    """
    Write the language model as a GGUF file, with its tokenizer and chat template, for llama.cpp. Of a MobileVLM, also the image encoder
    and projector, as mmproj-FILE.
    """
    require("Writing a GGUF file", "gguf", "gguf")
    from ..runtime.gguf_export import export_gguf as export

    with conversion_progress() as show:
        files = export(
            model,
            file,
            type=[name.strip() for name in type.split(",")],
            base_model=base_model,
            overwrite=overwrite,
            on_progress=show,
        )
    for written in files:
        typer.echo(f"Wrote {written}")
