# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt export-hub`: a Hub repository that works with and without this package."""

from pathlib import Path
from typing import Annotated

import typer

from .progress import conversion_progress


def export_hub(
    checkpoint: Annotated[
        str,
        typer.Argument(metavar="CHECKPOINT", help="Folder of a model or of a LoRA adapter, or repository on the Hub."),
    ],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to write.")],
    push: Annotated[
        str | None,
        typer.Option(metavar="REPO", help="Upload it to this repository, user/name, which is made if need be."),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="With --push: make a private repository.")] = False,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="With --push: open a pull request.")] = False,
    base_model: Annotated[
        str | None, typer.Option(help="For an adapter: the model it was trained on, if that is elsewhere now.")
    ] = None,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Leave out the code of numba, Triton and CUDA graphs: same answers, slower."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a folder that this command has written before.")
    ] = False,
) -> None:
    """
    Write a complete Hub repository: weights, processor, tokenizer, code and a model card. An upload that was interrupted goes
    on when the same command is given again, with --overwrite.
    """
    from ..conversion import hub_export, hub_upload

    if push is None and (private or create_pr):
        raise ValueError("--private and --create-pr are about an upload: say where to, with --push REPO.")
    if push is not None:
        hub_upload.claim_repository(push, private=private)
    with conversion_progress() as show:
        hub_export.export_hub(
            checkpoint,
            folder,
            repository=push,
            base_model=base_model,
            plain=plain,
            overwrite=overwrite,
            on_progress=show,
        )
    typer.echo(f"Wrote {folder}")
    if push is not None:
        typer.echo(f"Uploaded to {hub_upload.upload(folder, push, create_pr=create_pr)}")
