# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The frames of a video as a picture, as wide as a README:

    +--------+ +--------+ +--------+
    | v      | |        | | v      |     a chosen frame has a thick border and a check mark, another one is pale
    +--------+ +--------+ +--------+
      0.0 s      0.6 s      1.2 s        when it is shown
       |==       ==|         |=          its score against the mean of its chunk: to the right it draws more attention
    ------------------------------
    chunk 2                              a chunk begins a new row
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .frame_selection import FrameSelection, SampledFrame
from .shown_times import format_seconds


if TYPE_CHECKING:
    from matplotlib.figure import Figure

Theme = Literal["light", "dark"]


@dataclass(frozen=True)
class _Colors:
    paper: str
    text: str
    muted: str
    line: str
    chosen: str
    on_chosen: str


_THEMES = {
    "light": _Colors("#ffffff", "#1f2328", "#59636e", "#c3cad2", "#0550ae", "#ffffff"),
    "dark": _Colors("#0d1117", "#f0f6fc", "#9198a1", "#3d444d", "#58a6ff", "#0d1117"),
}
_PALE = 0.5  # opacity of a frame that was not chosen

# Lengths in inches, sizes of letters in points.
_WIDTH, _MARGIN, _GAP = 8.3, 0.1, 0.1
_NUM_COLUMNS = 8
_LARGEST_TILE = 2.6
_LINE, _BAR = 0.2, 0.1
_LETTERS, _TITLE_LETTERS = 8.5, 10.0


def figure_class() -> type["Figure"]:
    """
    Raises:
        ImportError: without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("A picture of frames needs matplotlib: pip install 'transformers-mvgpt[plots]'.") from error
    return Figure


def plot_frame_selection(
    selection: FrameSelection | Mapping[str, Any], video: Any = None, *, theme: Theme = "light"
) -> "Figure":
    r"""
    Draws the frames that a model sampled of a video in time order: when each is shown, how it was scored, and which of them the
    video encoder saw.

    Args:
        selection ([`FrameSelection`] or `dict`):
            The frames; or what the pipeline returned for a video with `return_selected_frames=True`.
        video (*optional*):
            With a record of the pipeline: the same video, whose frames are read again for the picture. Without it, frames are
            blank.
        theme (`str`, defaults to `"light"`):
            `"light"` or `"dark"`.

    Returns:
        `matplotlib.figure.Figure`: 8.3 inches wide, or less for few frames. `figure.savefig("frames.png", dpi=200)` writes it.

    Raises:
        ImportError: without matplotlib.
        ValueError: if the theme is unknown, the record says nothing of frames, or the video is another one.

    Example:

    ```python
    >>> from transformers import pipeline
    >>> from transformers_mvgpt import plot_frame_selection

    >>> pipe = pipeline("video-text-to-text", model="Amshaker/Mobile-VideoGPT-0.5B")
    >>> [record] = pipe("clip.mp4", text="What is happening?", return_selected_frames=True)
    >>> plot_frame_selection(record, "clip.mp4").savefig("frames.png", dpi=200)
    ```"""
    make_figure = figure_class()
    if theme not in _THEMES:
        raise ValueError(f"`theme` ({theme!r}) must be 'light' or 'dark'.")
    if isinstance(selection, Mapping):
        selection = FrameSelection.from_record(selection, video)
    elif video is not None:
        raise ValueError(
            "A `FrameSelection` has its pictures: leave `video` out, which is for a record of the pipeline."
        )
    return _Drawing(selection, _THEMES[theme]).draw(make_figure)


class _Drawing:
    """Places are in inches from the top left corner."""

    def __init__(self, selection: FrameSelection, colors: _Colors) -> None:
        self.selection, self.colors = selection, colors
        self.chunks = _chunks(selection)
        longest = max((len(chunk) for chunk in self.chunks), default=1)
        self.num_columns = min(_NUM_COLUMNS, longest)
        usable = _WIDTH - 2 * _MARGIN + _GAP
        self.tile_width = min(_LARGEST_TILE, usable / self.num_columns - _GAP)
        self.tile_height = self.tile_width * _tallest(selection.frames)
        self.deviations = _deviations(self.chunks)
        self.has_scores = any(frame.score is not None for frame in selection.frames)
        self.row_height = self.tile_height + _LINE + (_BAR + _LINE if self.has_scores else 0) + _GAP
        self.width = max(
            2.8 if self.num_columns == 1 else 4.2, 2 * _MARGIN + self.num_columns * (self.tile_width + _GAP) - _GAP
        )

    def draw(self, make_figure: type["Figure"]) -> "Figure":
        title, notes = self.selection.describe(), self._notes()
        has_headings = len(self.chunks) > 1
        num_rows = sum(-(-len(chunk) // self.num_columns) for chunk in self.chunks)
        num_lines = 1.6 + (1.3 * len(self.chunks) if has_headings else 0) + 1.1 * len(notes)
        height = 2 * _MARGIN + num_lines * _LINE + num_rows * self.row_height
        figure = make_figure(figsize=(self.width, height), facecolor=self.colors.paper)
        self.axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        self.axes.axis("off")
        self._text(_MARGIN, _MARGIN, title, size=_TITLE_LETTERS, weight="bold")
        top = _MARGIN + 1.6 * _LINE
        for number, chunk in enumerate(self.chunks):
            if has_headings:
                self._line((_MARGIN, self.width - _MARGIN), (top - 0.05, top - 0.05), self.colors.line, 1.0)
                self._text(_MARGIN, top, f"chunk {number + 1}", color=self.colors.muted)
                top += 1.3 * _LINE
            for begin in range(0, len(chunk), self.num_columns):
                for column, frame in enumerate(chunk[begin : begin + self.num_columns]):
                    self._tile(_MARGIN + column * (self.tile_width + _GAP), top, frame)
                top += self.row_height
        for note in notes:
            self._text(_MARGIN, top, note, color=self.colors.muted)
            top += 1.1 * _LINE
        self.axes.set(xlim=(0, self.width), ylim=(height, 0))
        self.axes.set_aspect("auto")
        return figure

    def _notes(self) -> list[str]:
        notes = [
            "✓  seen by the video encoder too",
            "Bar: attention that a frame draws, against the mean of its chunk",
        ]
        if not self.has_scores:
            return []
        return [".     ".join(notes)] if self.width > 7 else notes

    def _tile(self, left: float, top: float, frame: SampledFrame | None) -> None:
        from matplotlib.patches import Rectangle

        colors, width, height = self.colors, self.tile_width, self.tile_height
        if frame is None:
            box = Rectangle((left, top), width, height, fill=False, edgecolor=colors.line, linestyle="--")
            self.axes.add_patch(box)
            self._text(left + width / 2, top + height / 2, "zero frame", color=colors.muted, ha="center", va="center")
            return
        is_marked = frame.is_selected and self.selection.method is not None
        is_pale = not frame.is_selected
        if frame.image is None:
            self.axes.add_patch(Rectangle((left, top), width, height, facecolor=colors.line, alpha=0.4))
        else:
            share = frame.image.height / frame.image.width
            # as large as it can be in its place, in the middle
            shown_width = min(width, height / share)
            shown_height = shown_width * share
            x, y = left + (width - shown_width) / 2, top + (height - shown_height) / 2
            extent = (x, x + shown_width, y + shown_height, y)
            self.axes.imshow(np.asarray(frame.image), extent=extent, alpha=_PALE if is_pale else 1.0, aspect="auto")
        edge, thickness = (colors.chosen, 2.5) if is_marked else (colors.line, 1.0)
        self.axes.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=edge, linewidth=thickness))
        if is_marked:
            self._check_mark(left, top)
        below = top + height + 0.04
        strength: dict[str, Any] = (
            {"color": colors.muted} if is_pale else {"weight": "bold" if is_marked else "normal"}
        )
        label = self._label(frame)
        self._text(left + width / 2, below, label, ha="center", **strength)
        if frame.score is not None:
            self._score(left, below + _LINE, frame, is_marked)

    def _label(self, frame: SampledFrame) -> str:
        if frame.seconds is None:
            return f"frame {frame.index}" if len(self.selection.frames) > 1 else ""
        times = [frame.seconds for frame in self.selection.frames if frame.seconds is not None]
        shortest = min((later - earlier for earlier, later in zip(times, times[1:], strict=False)), default=1.0)
        return format_seconds(
            frame.seconds, num_digits=0 if shortest >= 10 else 1 if shortest >= 0.1 or shortest == 0 else 2
        )

    def _score(self, left: float, top: float, frame: SampledFrame, is_marked: bool) -> None:
        from matplotlib.patches import Rectangle

        colors, middle = self.colors, left + self.tile_width / 2
        assert frame.score is not None
        length = self.deviations[id(frame)] * (self.tile_width / 2 - 0.02)
        bar = Rectangle(
            (min(middle, middle + length), top),
            abs(length),
            _BAR,
            facecolor=colors.chosen if is_marked else "none",
            edgecolor=colors.chosen if is_marked else colors.muted,
            linewidth=1.0,
        )
        self.axes.add_patch(bar)
        self._line((middle, middle), (top - 0.03, top + _BAR + 0.03), colors.muted, 1.0)
        color = colors.text if is_marked else colors.muted
        self._text(middle, top + _BAR + 0.04, f"{frame.score:.1f}", ha="center", color=color)

    def _check_mark(self, left: float, top: float) -> None:
        from matplotlib.patches import Circle

        radius = 0.1
        x, y = left + radius + 0.03, top + radius + 0.03
        self.axes.add_patch(
            Circle((x, y), radius, facecolor=self.colors.chosen, edgecolor=self.colors.on_chosen, zorder=3)
        )
        self._line((x - 0.05, x - 0.015, x + 0.05), (y, y + 0.04, y - 0.04), self.colors.on_chosen, 1.8, zorder=4)

    def _line(self, x: Sequence[float], y: Sequence[float], color: str, thickness: float, zorder: float = 2.0) -> None:
        self.axes.plot(x, y, color=color, linewidth=thickness, zorder=zorder, solid_capstyle="round")

    def _text(self, x: float, y: float, text: str, *, size: float = _LETTERS, **style: Any) -> None:
        self.axes.text(x, y, text, **{"va": "top", "color": self.colors.text, "fontsize": size, **style})


def _chunks(selection: FrameSelection) -> list[list[SampledFrame | None]]:
    """Frames that belong together, with `None` for the zero frames behind them."""
    frames: list[SampledFrame | None] = [*selection.frames, *[None] * selection.num_zero_frames]
    length = selection.frames_per_chunk or len(frames) or 1
    chunks = [frames[begin : begin + length] for begin in range(0, len(frames), length)]
    return [chunk for chunk in chunks if any(frame is not None for frame in chunk)]


def _deviations(chunks: Sequence[Sequence[SampledFrame | None]]) -> dict[int, float]:
    """
    By the `id` of a frame, by how much its score is above the mean of its chunk, as a share of the largest such distance. The
    scores of a chunk always add up to the same number: what one frame draws, others lack.
    """
    deviations: dict[int, float] = {}
    for chunk in chunks:
        scores = {id(frame): frame.score for frame in chunk if frame is not None and frame.score is not None}
        deviations |= {key: score - sum(scores.values()) / len(scores) for key, score in scores.items()}
    largest = max(map(abs, deviations.values()), default=0.0) or 1.0
    return {key: deviation / largest for key, deviation in deviations.items()}


def _tallest(frames: Sequence[SampledFrame]) -> float:
    """Height over width of the places that frames have."""
    shares = [frame.image.height / frame.image.width for frame in frames if frame.image is not None]
    return min(max(shares, default=0.5625), 1.78)
