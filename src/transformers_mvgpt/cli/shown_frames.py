# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The frames that a model saw, as a command shows them."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer


if TYPE_CHECKING:
    from ..viewing import FrameSelection

FrameSelectionOption = Annotated[
    Literal["scores", "uniform", "rarest"] | None,
    typer.Option(
        help="How frames are chosen for the video encoder: those with the highest scores, at even distances, or those with the "
        "lowest; by default as the model's config says, which is scores where it was published."
    ),
]
ThemeOption = Annotated[
    Literal["light", "dark"], typer.Option(help="Colors of the picture, for a light or a dark background.")
]


def write_frames(selected_frames: list[dict[str, Any]]) -> None:
    """Lists frames on stderr."""
    for line in frame_lines(selected_frames):
        typer.echo(line, err=True)


def frame_lines(selected_frames: list[dict[str, Any]]) -> list[str]:
    """One line per frame, as the pipeline describes them."""
    return [
        f"frame {frame['index']:6d}"
        + (f"  {frame['seconds']:9.2f} s" if frame["seconds"] is not None else "")
        + f"  score {frame['score']:.1f}"
        for frame in selected_frames
    ]


def show_selection(selection: "FrameSelection", theme: Literal["light", "dark"]) -> None:
    """Lists all frames that were sampled on stdout."""
    typer.echo(selection.describe())
    for frame in selection.frames:
        score = "" if frame.score is None else f"  score {frame.score:7.1f}"
        chosen = "  chosen" if frame.is_selected and selection.method is not None else ""
        time = "" if frame.seconds is None else f"  {frame.seconds:9.2f} s"
        typer.echo(f"frame {frame.index:6d}{time}{score}{chosen}")
