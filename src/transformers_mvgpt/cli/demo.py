# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt demo`: the whole way from a video file to text, without any download."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .progress import step
from .shown_frames import frame_lines


if TYPE_CHECKING:
    from ..demo.viewing import Viewing


def demo(
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the second clip; by default a random one.")] = None,
) -> None:
    """Ask a small trained model about two drawn clips, the package's and a fresh one. Needs no network."""
    from transformers import pipeline

    from ..demo import CHECKPOINT, CLIP, CLIP_SEED, make_clip, write_clip
    from ..demo.viewing import draw_fresh_seed, view_clip

    with step("Loading the model") as change:
        pipe = pipeline("video-text-to-text", model=str(CHECKPOINT), device="cpu")
        change(f"Asking about {CLIP.name}")
        viewing = view_clip(pipe, CLIP, CLIP_SEED)
    _show(f"{CLIP.name}, which comes with the package", viewing)
    answers = viewing.answers
    seed = draw_fresh_seed() if seed is None else seed
    with tempfile.TemporaryDirectory() as folder, step("Drawing a clip") as change:
        fresh_clip = Path(folder, "fresh.mp4")
        write_clip(make_clip(seed, "test"), fresh_clip)
        change(f"Asking about {fresh_clip.name}")
        viewing = view_clip(pipe, fresh_clip, seed)
    _show(f"{fresh_clip.name}, drawn just now from seed {seed}", viewing)
    answers += viewing.answers
    typer.echo(f"{sum(answered.is_right for answered in answers)} of {len(answers)} answers are right.")
    typer.echo("For videos of your own: mvgpt ask VIDEO QUESTION --model MODEL")


def _show(file: str, viewing: "Viewing") -> None:
    clip = viewing.clip
    seconds = clip.num_frames / clip.fps
    typer.echo(f"{file}: {clip.width} x {clip.height} pixels, {clip.fps} frames per second, {seconds:.1f} seconds\n")
    for answered in viewing.answers:
        typer.echo(f"  {'[right]' if answered.is_right else '[WRONG]'}  Question:  {answered.question.text}")
        typer.echo(f"           Answer:    {answered.answer}")
        typer.echo(f"           Truth:     {answered.question.answer}")
    typer.echo("\n  Frames that the video encoder looked at:")
    for line in frame_lines(viewing.selected_frames):
        typer.echo(f"  {line}")
    typer.echo()
