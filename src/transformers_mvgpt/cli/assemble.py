# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt assemble`: one complete folder from a language model and its encoders, to be trained."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .progress import conversion_progress


def assemble(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Folder to write.")],
    language_model: Annotated[
        str,
        typer.Option(help="Folder or repository of Qwen2.5, Llama or Phi, such as Qwen/Qwen2.5-0.5B-Instruct."),
    ],
    family: Annotated[
        Literal["mobile_videogpt", "mobilevlm", "tinyllava_video"] | None,
        typer.Option(help="Which family the model is of; by default the first whose language model is such a one."),
    ] = None,
    image_encoder: Annotated[
        str | None,
        typer.Option(help="Folder or repository of CLIP or SigLIP, or a file; by default the published models'."),
    ] = None,
    video_encoder: Annotated[
        str | None,
        typer.Option(help="Folder, repository or .pth file of VideoMamba; by default the published models'."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="JSON file with fields of the model's config that differ from the published models'."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the projectors' weights.")] = 0,
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option(help="Data type of the weights.")
    ] = "float32",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a folder that this command has written before.")
    ] = False,
) -> None:
    """
    Write a model for the first stage of training: a language model and its encoders, with fresh projectors between them.
    """
    from ..conversion import assemble as assemble_model

    with conversion_progress() as show:
        assemble_model(
            target,
            language_model=language_model,
            family=family,
            image_encoder=image_encoder,
            video_encoder=video_encoder,
            config=config,
            seed=seed,
            dtype=dtype,
            overwrite=overwrite,
            on_progress=show,
        )
    typer.echo(f"Wrote {target}")
