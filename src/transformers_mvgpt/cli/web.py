# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt web`: a model on a web page."""

from pathlib import Path
from typing import Annotated

import typer


def web(
    static: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder to write: a page that any web server can serve as it is."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Folder that `mvgpt export-onnx` wrote, or a model to export; by default the package's small one.",
        ),
    ] = None,
    precision: Annotated[str, typer.Option(help="fp32, fp16, int8 or q4.")] = "fp32",
    vendored: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where the JavaScript packages are that the page runs on; by default they are fetched with npm once and cached.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a page that this command has written before.")
    ] = False,
) -> None:
    """Write a web page on which a model answers questions about videos in the visitor's browser, without a server of its own."""
    if static is None:
        raise typer.BadParameter("say with --static FOLDER where to write the page.", param_hint="'--static'")
    from .main import with_models

    with_models(_write)(static, model, precision, vendored, overwrite)


def _write(folder: Path, model: str | None, precision: str, vendored: Path | None, overwrite: bool) -> None:
    from ..runtime.web_page import write_web_page

    write_web_page(folder, model=model, precision=precision, vendored=vendored, overwrite=overwrite)
    typer.echo(f"Wrote {folder}. To look at it: python -m http.server --bind 127.0.0.1 -d {folder} 8000")
