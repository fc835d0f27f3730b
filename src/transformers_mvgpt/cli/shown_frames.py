# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The frames that a model saw, as a command shows them."""

from typing import Any

import typer


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
