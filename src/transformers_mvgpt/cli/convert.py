# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt convert`: one complete folder from a published checkpoint."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .progress import conversion_progress


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Folder, or repository on the Hugging Face Hub: a checkpoint, or an output of the release's training "
            "(mm_projector.bin, or a LoRA adapter with non_lora_trainables.bin).",
        ),
    ],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Folder to write.")],
    image_encoder: Annotated[
        str | None,
        typer.Option(
            help="Folder or repository of CLIP or SigLIP; by default the source's own, or the one its config names."
        ),
    ] = None,
    video_encoder: Annotated[
        str | None,
        typer.Option(help="Folder, repository or .pth file of VideoMamba; by default likewise."),
    ] = None,
    base_model: Annotated[
        str | None,
        typer.Option(help="For outputs of training: the model, or the language model, that they belong to."),
    ] = None,
    dtype: Annotated[
        Literal["auto", "float32", "bfloat16", "float16"],
        typer.Option(help="Data type of the weights; auto takes the source's."),
    ] = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a folder that this command has written before.")
    ] = False,
) -> None:
    """Write a checkpoint with all its parts to one folder, and check what was written."""
    from ..conversion import convert as convert_checkpoint

    with conversion_progress() as show:
        convert_checkpoint(
            source,
            target,
            image_encoder=image_encoder,
            video_encoder=video_encoder,
            base_model=base_model,
            dtype=dtype,
            overwrite=overwrite,
            on_progress=show,
        )
    typer.echo(f"Wrote {target}")
