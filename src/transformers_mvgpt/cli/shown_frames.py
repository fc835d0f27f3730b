# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The frames that a model saw, as a command shows them."""

import sys
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

from .terminal_text import count_columns, is_terminal


if TYPE_CHECKING:
    from ..video.limits import UntrustedInput
    from ..viewing import FrameSelection
    from ..viewing.terminal_pictures import Protocol

FrameSelectionOption = Annotated[
    Literal["scores", "uniform", "rarest"] | None,
    typer.Option(
        help="How frames are chosen for the video encoder: those with the highest scores, at even distances, or those with the "
        "lowest; by default as the model's config says, which is scores where it was published."
    ),
]
ThemeOption = Annotated[
    Literal["light", "dark"] | None,
    typer.Option(help="Colors of the picture; by default light in a file, and in a terminal as its background is."),
]


def write_frames(selected_frames: list[dict[str, Any]]) -> None:
    """Lists frames on stderr."""
    for line in frame_lines(selected_frames):
        typer.echo(line, err=True)


def frame_lines(selected_frames: list[dict[str, Any]]) -> list[str]:
    """One line per frame, as the pipeline describes them."""
    from ..viewing.shown_times import format_seconds

    return [
        f"frame {frame['index']:6d}"
        + (f"  {format_seconds(frame['seconds'], 2):>11}" if frame["seconds"] is not None else "")
        + f"  score {frame['score']:.1f}"
        for frame in selected_frames
    ]


def show_answer_frames(record: Mapping[str, Any], video: str, limits: "UntrustedInput | None" = None) -> None:
    """
    Shows on stderr the frames that a record of the pipeline names: as a picture in a terminal that draws some, else as a list.

    Args:
        record (`Mapping`): what the pipeline returned with `return_selected_frames=True`.
        video (`str`): path or address of its video. An address is not fetched again: of it there is a list.
        limits ([`UntrustedInput`], *optional*): the limits on the file.
    """
    is_address = video.lower().startswith(("http:", "https:", "data:"))
    protocol = None if is_address or len(record.get("frame_selections", ())) != 1 else _protocol(sys.stderr)
    if protocol is None:
        write_frames(record.get("selected_frames", []))
        # of a video so short that zero frames alone were chosen, an empty list would say nothing
        for described in record.get("frame_selections", ()):
            if not any(frame["is_selected"] for frame in described["frames"]):
                typer.echo(_selection_of(described), err=True)
        return
    from ..viewing import FrameSelection  # which loads torch: exported models have no such frames

    _draw(FrameSelection.from_record(record, video, untrusted_input=limits), protocol, None, sys.stderr)


def _selection_of(described: dict[str, Any]) -> str:
    """What was chosen, in words."""
    from ..viewing import FrameSelection

    return FrameSelection.from_description(described, [None] * len(described["frames"])).describe()


def show_selection(selection: "FrameSelection", theme: Literal["light", "dark"] | None = None) -> None:
    """
    Shows on stdout all frames that were sampled: as a picture in a terminal that draws some, else as a list.

    Args:
        selection ([`FrameSelection`]): the frames.
        theme (`str`, *optional*): colors of the picture, by default those that fit the terminal.
    """
    protocol = _protocol(sys.stdout)
    if protocol is not None:
        _draw(selection, protocol, theme, sys.stdout)
        return
    typer.echo(selection.describe())
    for line in selection_lines(selection):
        typer.echo(line)


def selection_lines(selection: "FrameSelection") -> list[str]:
    """A line for each frame, no wider than its numbers, so that it also fits a narrow terminal."""
    from ..viewing.shown_times import format_seconds

    indices = _aligned([str(frame.index) for frame in selection.frames])
    times = _aligned(["" if frame.seconds is None else format_seconds(frame.seconds, 2) for frame in selection.frames])
    scores = _aligned(["" if frame.score is None else f"{frame.score:.1f}" for frame in selection.frames])
    lines = []
    for frame, index, time, score in zip(selection.frames, indices, times, scores, strict=True):
        parts = [f"frame {index}", time, score and f"score {score}"]
        parts.append("chosen" if frame.is_selected and selection.method is not None else "")
        lines.append("  ".join(filter(None, parts)))
    return lines


def _aligned(numbers: list[str]) -> list[str]:
    width = max(map(len, numbers), default=0)
    return [number.rjust(width) for number in numbers]


def _protocol(stream: TextIO | None) -> "Protocol | None":
    """How a picture is drawn there, if it can be drawn and read."""
    if stream is None or not is_terminal(stream) or find_spec("matplotlib") is None:
        return None
    from ..viewing.terminal_pictures import MIN_COLUMNS, terminal_protocol

    return terminal_protocol(stream) if count_columns(stream) >= MIN_COLUMNS else None


def _draw(
    selection: "FrameSelection", protocol: "Protocol", theme: Literal["light", "dark"] | None, stream: TextIO
) -> None:
    import io

    from PIL import Image

    from ..viewing import plot_frame_selection
    from ..viewing.terminal_pictures import draws_on_dark, encode_picture, letter_width

    figure = plot_frame_selection(selection, theme=theme or ("dark" if draws_on_dark() else "light"))
    columns = count_columns(stream)
    cell_width = letter_width(stream, columns)
    width, _ = figure.get_size_inches()
    # as large as it is read best, or as wide as the terminal
    num_columns = min(columns - 1, round(100 * width / cell_width))
    # sixels are drawn as they are; the others are scaled, and look better with more pixels
    dpi = num_columns * cell_width / width * (1 if protocol == "sixel" else 2)
    content = io.BytesIO()
    figure.savefig(content, dpi=dpi)
    stream.write(encode_picture(Image.open(content).convert("RGB"), protocol, num_columns) + "\n")
    stream.flush()
