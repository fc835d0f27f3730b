# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt export-onnx`: a model as ONNX files, for devices without PyTorch."""

from pathlib import Path
from typing import Annotated

import typer

from .extras import require
from .progress import conversion_progress


def export_onnx(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Folder of a model or of a LoRA adapter, or repository on the Hub."),
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to write.")],
    precision: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Precisions of the language model, with commas: fp32, fp16, int8, q4. Encoders are always in fp32.",
        ),
    ] = "fp32",
    base_model: Annotated[
        str | None, typer.Option(help="For an adapter: the model it was trained on, if that is elsewhere now.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a folder that this command has written before.")
    ] = False,
) -> None:
    """
    Write a model as ONNX files with a small program that runs them: it needs neither PyTorch nor this package. Each file is run and
    compared with the model. An exported folder is what `mvgpt ask --model FOLDER` and the page in the browser take.
    """
    require("Exporting to ONNX", "onnx", "onnx", "onnxruntime", "onnxscript")
    from ..runtime import export_onnx as export

    precisions = [name.strip() for name in precision.split(",") if name.strip()]
    with conversion_progress() as show:
        export(model, folder, precisions=precisions, base_model=base_model, overwrite=overwrite, on_progress=show)
    typer.echo(f"Wrote {folder}")
