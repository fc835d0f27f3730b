# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt demo`: the whole way from a video file to text, without any download."""

import tempfile
from pathlib import Path

import typer

from .ask import frame_lines


QUESTION = "What is moving?"


def demo() -> None:
    """Ask a small untrained model about a drawn clip. Needs no network."""
    from transformers import pipeline

    from ..demo import write_checkpoint, write_clip

    with tempfile.TemporaryDirectory() as folder:
        clip, checkpoint = Path(folder, "clip.mp4"), Path(folder, "checkpoint")
        write_clip(clip)
        write_checkpoint(checkpoint)
        pipe = pipeline("video-text-to-text", model=str(checkpoint), device="cpu")
        [answer] = pipe(str(clip), text=QUESTION, return_selected_frames=True)
    typer.echo("Clip:      4 seconds of H.264: a red square moves from left to right, a blue disc from top to bottom")
    typer.echo(f"Question:  {QUESTION}")
    typer.echo(f"Answer:    {answer['generated_text']!r}")
    typer.echo("Frames that the video encoder saw:")
    for line in frame_lines(answer["selected_frames"]):
        typer.echo(f"  {line}")
    typer.echo("The weights of this model are random, it was never trained: its answer is noise.")
    typer.echo("For real answers: mvgpt ask VIDEO QUESTION --model MODEL")
