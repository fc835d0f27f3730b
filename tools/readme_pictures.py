# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The pictures of README.md, in docs/images, in light and dark: how visuals become tokens in each family, and the frames behind an answer of the
small model. `make pictures` makes them anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

from transformers_mvgpt.demo import CHECKPOINT, CLIP


IMAGES = Path(__file__).parents[1] / "docs" / "images"
THEMES = ("light", "dark")
QUESTION = "Describe the video."
MAX_BYTES = 150_000
_DOTS_PER_INCH = 170


@dataclass(frozen=True)
class _Colors:
    """As GitHub's pages have them."""

    paper: str
    text: str
    muted: str
    box: str
    edge: str
    accent: str
    accent_box: str


_COLORS = {
    "light": _Colors("#ffffff", "#1f2328", "#59636e", "#f6f8fa", "#c3cad2", "#0550ae", "#ddf4ff"),
    "dark": _Colors("#0d1117", "#f0f6fc", "#9198a1", "#151b23", "#3d444d", "#58a6ff", "#0c2d54"),
}


def draw_data_flow(theme: str) -> Figure:
    """From frames and images to the tokens that the language model gets, a lane for each family."""
    flow = _Flow(_COLORS[theme])
    flow.lane(3.42, "Mobile-VideoGPT")
    flow.box("frames", 0.1, 2.62, 1.2, "video", "16 frames")
    flow.box("clip", 1.75, 2.62, 1.45, "CLIP", "each frame, scored")
    flow.box("image_projector", 4.35, 2.62, 1.35, "ET-Proj", "144 of each frame")
    flow.box("mamba", 1.75, 1.72, 1.45, "VideoMamba", "8 frames together")
    flow.box("video_projector", 4.35, 1.72, 1.35, "ET-Proj", "49 of each chunk")
    flow.box("qwen", 6.75, 2.17, 1.45, "Qwen2.5", "0.5B or 1.5B", is_model=True)
    flow.arrow("frames", "clip")
    flow.arrow("clip", "image_projector", "16 frames")
    flow.arrow("clip", "mamba", "of each chunk of 8, the 4 with the highest scores", is_down=True)
    flow.arrow("mamba", "video_projector")
    flow.arrow("image_projector", "qwen", "2,304 tokens")
    flow.arrow("video_projector", "qwen", "98 tokens", is_below=True)

    flow.lane(1.48, "TinyLLaVA-Video")
    flow.box("more_frames", 0.1, 0.72, 1.2, "video", "16 frames or more")
    flow.box("siglip", 1.75, 0.72, 1.45, "SigLIP", "each frame")
    flow.box("resampler", 4.35, 0.72, 1.35, "resampler", "512 of all frames")
    flow.box("other_qwen", 6.75, 0.72, 1.45, "Qwen2.5, Phi-2", "3B", is_model=True)
    flow.arrow("more_frames", "siglip")
    flow.arrow("siglip", "resampler")
    flow.arrow("resampler", "other_qwen", "512 tokens")

    flow.lane(0.48, "MobileVLM")
    flow.box("image", 0.1, -0.28, 1.2, "image", "336 x 336")
    flow.box("other_clip", 1.75, -0.28, 1.45, "CLIP", "")
    flow.box("ldp", 4.35, -0.28, 1.35, "LDP, LDPv2", "144 of an image")
    flow.box("llama", 6.75, -0.28, 1.45, "MobileLLaMA, Vicuna", "1.4B, 2.7B or 7B", is_model=True)
    flow.arrow("image", "other_clip")
    flow.arrow("other_clip", "ldp")
    flow.arrow("ldp", "llama", "144 tokens")
    return flow.figure


class _Flow:
    """Places are in inches from the lower left corner."""

    _WIDTH, _BOTTOM, _TOP, _HEIGHT = 8.3, -0.38, 3.62, 0.58  # the last is that of a box

    def __init__(self, colors: _Colors) -> None:
        self.colors = colors
        self.figure = Figure(figsize=(self._WIDTH, self._TOP - self._BOTTOM), facecolor=colors.paper)
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, self._WIDTH), ylim=(self._BOTTOM, self._TOP))
        self.axes.axis("off")
        self.places: dict[str, tuple[float, float, float]] = {}

    def lane(self, top: float, name: str) -> None:
        self._text(0.1, top, name, 10, weight="bold", ha="left")

    def box(
        self, key: str, left: float, bottom: float, width: float, name: str, about: str, *, is_model: bool = False
    ) -> None:
        colors = self.colors
        face, edge = (colors.accent_box, colors.accent) if is_model else (colors.box, colors.edge)
        style = "round,pad=0,rounding_size=0.08"
        self.axes.add_patch(
            FancyBboxPatch((left, bottom), width, self._HEIGHT, boxstyle=style, facecolor=face, edgecolor=edge)
        )
        middle = left + width / 2
        self._text(middle, bottom + (0.39 if about else 0.29), name, 9.5)
        self._text(middle, bottom + 0.17, about, 7.5, color=colors.muted)
        self.places[key] = (left, bottom, width)

    def arrow(
        self, first: str, second: str, label: str = "", *, is_down: bool = False, is_below: bool = False
    ) -> None:
        left, bottom, width = self.places[first]
        other_left, other_bottom, _ = self.places[second]
        half = self._HEIGHT / 2
        if is_down:
            start, end = (left + width / 2, bottom), (left + width / 2, other_bottom + self._HEIGHT)
            self._text(start[0] + 0.08, (start[1] + end[1]) / 2, label, 7.5, color=self.colors.muted, ha="left")
        else:
            start, end = (left + width, bottom + half), (other_left, other_bottom + half)
            if bottom != other_bottom:  # towards the middle of the box
                end = (end[0], end[1] + (0.12 if bottom > other_bottom else -0.12))
            place = (start[1] + end[1]) / 2 + (-0.22 if is_below else 0.16 if bottom == other_bottom else 0.22)
            self._text((start[0] + end[0]) / 2, place, label, 7.5, color=self.colors.muted)
        style = {"arrowstyle": "-|>", "mutation_scale": 9, "shrinkA": 1, "shrinkB": 1, "linewidth": 1.1}
        self.axes.add_patch(FancyArrowPatch(start, end, color=self.colors.muted, **style))

    def _text(self, x: float, y: float, text: str, size: float, **options: Any) -> None:
        settings = {"ha": "center", "va": "center", "color": self.colors.text, **options}
        self.axes.text(x, y, text, fontsize=size, **settings)


def ask_small_model() -> dict[str, Any]:
    """What the pipeline returns: the answer, and the frames."""
    from transformers import pipeline

    pipe = pipeline("video-text-to-text", model=str(CHECKPOINT), device="cpu")
    [record] = pipe(str(CLIP), text=QUESTION, return_selected_frames=True)
    return record


def draw_turn(question: str, answer: str, theme: str) -> Figure:
    """Question and answer, to stand above the frames."""
    colors = _COLORS[theme]
    figure = Figure(figsize=(8.3, 0.75), facecolor=colors.paper)
    for y, name, said in ((0.73, "Question", question), (0.33, "Answer", answer)):
        figure.text(0.012, y, name, fontsize=9.5, color=colors.muted, va="center")
        figure.text(0.105, y, said, fontsize=9.5, color=colors.text, va="center", weight="bold")
    return figure


def write_picture(figures: Sequence[Figure], path: Path) -> None:
    """One below the other, as PNG."""
    pictures = []
    for figure in figures:
        data = BytesIO()
        figure.savefig(data, dpi=_DOTS_PER_INCH, facecolor=figure.get_facecolor())
        pictures.append(Image.open(data).convert("RGB"))
    whole = Image.new("RGB", (max(each.width for each in pictures), sum(each.height for each in pictures)))
    top = 0
    for picture in pictures:
        whole.paste(picture, (0, top))
        top += picture.height
    whole.save(path, optimize=True)
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"{path} has {size:,} bytes: at most {MAX_BYTES:,} are for a picture.")


def write_pictures(folder: Path) -> None:
    from transformers_mvgpt import plot_frame_selection

    record = ask_small_model()
    for theme in THEMES:
        write_picture([draw_data_flow(theme)], folder / f"data_flow_{theme}.png")
        turn = draw_turn(QUESTION, record["generated_text"], theme)
        frames = plot_frame_selection(record, str(CLIP), theme=theme)
        write_picture([turn, frames], folder / f"answer_{theme}.png")


if __name__ == "__main__":
    write_pictures(IMAGES)
