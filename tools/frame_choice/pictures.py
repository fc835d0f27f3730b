# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The pictures of docs/frames.md."""

import io
from pathlib import Path

from PIL import Image

from transformers_mvgpt import plot_frame_selection
from transformers_mvgpt.demo import CLIP, write_clip
from transformers_mvgpt.viewing import FrameSelection, encode_with_frames

from .measure import load_small_model, sampled_indices
from .rare_clips import make_rare_clip


# A clip of which a shape flashes up, and another one moves.
PICTURED_SEED = 4


def write_pictures(images: Path, work: Path) -> None:
    """
    Writes `frames_light.png` and `frames_dark.png`, of the clip of the package, and of a clip with a rare frame
    `frames_scores.png` and `frames_rarest.png`.
    """
    model, processor = load_small_model()
    _, selection = encode_with_frames(model, processor, str(CLIP))
    for theme in ("light", "dark"):
        write_picture(selection, images / f"frames_{theme}.png", theme)
    work.mkdir(parents=True, exist_ok=True)
    path = work / "rare.mp4"
    write_clip(make_rare_clip(PICTURED_SEED, sampled_indices(processor), moves=True).clip, path)
    for way in ("scores", "rarest"):
        _, selection = encode_with_frames(model, processor, str(path), frame_selection=way)
        write_picture(selection, images / f"frames_{way}.png", "light")


def write_picture(selection: FrameSelection, path: Path, theme: str) -> None:
    """A PNG as small as it can be."""
    drawn = io.BytesIO()
    plot_frame_selection(selection, theme=theme).savefig(drawn, dpi=200)
    Image.open(drawn).convert("RGB").save(path, optimize=True)
