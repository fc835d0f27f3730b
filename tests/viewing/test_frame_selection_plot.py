# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The picture of a frame selection: what is written and drawn in it, for all that can be sampled."""

import builtins
import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.patches import Circle, Rectangle
from PIL import Image

from transformers_mvgpt import FrameSelection, plot_frame_selection
from transformers_mvgpt.viewing import SampledFrame
from transformers_mvgpt.viewing.shown_times import format_seconds


SCORES = [40.0, 29.0, 30.0, 44.0, 49.0, 38.0, 28.0, 30.0]
CHOSEN = (0, 3, 4, 5)


def selection(num_frames=16, size=(160, 90), step=0.5, **fields):
    frames = tuple(
        SampledFrame(
            Image.new("RGB", size, (10 * number % 256, 80, 160)),
            index=6 * number,
            seconds=None if step is None else step * number,
            score=SCORES[number % 8],
            is_selected=number % 8 in CHOSEN,
        )
        for number in range(num_frames)
    )
    return FrameSelection(frames, **{"frames_per_chunk": 8, "method": "scores", **fields})


def all_seen(num_frames, **options):
    """Of a model that selects no frames."""
    made = selection(num_frames, frames_per_chunk=None, method=None, **options)
    return replace(made, frames=tuple(replace(frame, score=None, is_selected=True) for frame in made.frames))


def texts(figure):
    [axes] = figure.axes
    return [text.get_text() for text in axes.texts]


def drawn(figure, kind):
    [axes] = figure.axes
    return [patch for patch in axes.patches if type(patch) is kind]


def pixels(figure, dpi=100):
    file = io.BytesIO()
    figure.savefig(file, dpi=dpi)
    return np.asarray(Image.open(file).convert("RGB"))


def check_inside(figure):
    """All that is written stands in the picture, and no label reaches into that of the next frame."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    [axes] = figure.axes
    boxes = [text.get_window_extent(renderer) for text in axes.texts if text.get_text()]
    width, height = figure.get_size_inches() * figure.dpi
    assert all(0 <= box.x0 and box.x1 <= width and 0 <= box.y0 and box.y1 <= height for box in boxes)
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_sixteen_frames(theme):
    figure = plot_frame_selection(selection(), theme=theme)
    check_inside(figure)
    found = texts(figure)
    assert found[0] == "8 of 16 frames chosen by their scores"
    assert [text for text in found if text.endswith(" s")] == [f"{number / 2:.1f} s" for number in range(16)]
    assert [text for text in found if text.startswith("chunk")] == ["chunk 1", "chunk 2"]
    assert [float(text) for text in found if text.replace(".", "").isdecimal()] == SCORES * 2
    # chosen in more than color: a check mark in a circle, a thick border, letters, a filled bar
    assert len(drawn(figure, Circle)) == 8
    thick = [patch for patch in drawn(figure, Rectangle) if patch.get_linewidth() > 2]
    assert len(thick) == 8
    [axes] = figure.axes
    bold = [text.get_text() for text in axes.texts[1:] if text.get_weight() == "bold"]
    assert bold == [f"{number / 2:.1f} s" for number in range(16) if number % 8 in CHOSEN]
    assert [image.get_alpha() for image in axes.images] == [
        1.0 if number % 8 in CHOSEN else 0.5 for number in range(16)
    ]

    picture = pixels(figure)
    assert picture.shape[1] == 830
    paper = picture[2, 2]
    assert to_hex(paper / 255) == {"light": "#ffffff", "dark": "#0d1117"}[theme]


def test_bars_are_against_the_mean_of_the_chunk():
    figure = plot_frame_selection(selection(8))
    tiles = [patch for patch in drawn(figure, Rectangle) if patch.get_height() > 0.3]
    bars = [patch for patch in drawn(figure, Rectangle) if patch.get_height() < 0.3]
    mean = np.mean(SCORES)
    reach = tiles[0].get_width() / 2 - 0.02
    for score, tile, bar in zip(SCORES, tiles, bars, strict=True):
        middle = tile.get_x() + tile.get_width() / 2
        begin, length = bar.get_x(), bar.get_width()
        assert length == pytest.approx(abs(score - mean) / (max(SCORES) - mean) * reach)
        assert (begin if score > mean else begin + length) == pytest.approx(middle)


@pytest.mark.parametrize(
    ("made", "title", "labels", "num_zero_frames"),
    [
        (all_seen(64), "64 frames, all of them seen", [format_seconds(number / 2) for number in range(64)], 0),
        (all_seen(1, step=None), "1 frame", [], 0),
        (all_seen(2, step=None, size=(90, 160)), "2 frames, all of them seen", ["frame 0", "frame 6"], 0),
        (
            selection(3, step=0.04, num_zero_frames=13, method="rarest"),
            "1 of 3 frames chosen by the lowest scores; 13 zero frames behind them",
            ["0.00 s", "0.04 s", "0.08 s"],
            5,  # a chunk that has none but zero frames is left out
        ),
        (
            selection(16, step=None, method="uniform", size=(40, 400)),
            "8 of 16 frames chosen at even distances",
            [f"frame {6 * number}" for number in range(16)],
            0,
        ),
        (selection(16, step=240), None, ["0 s", "4:00", "8:00", "12:00", "16:00"], 0),
        (selection(12, frames_per_chunk=6), None, ["0.0 s", "0.5 s"], 0),
        (selection(48, frames_per_chunk=24), None, ["0.0 s"], 0),
        (FrameSelection(()), "0 frames", [], 0),
    ],
    ids=["64", "image", "images", "short", "without_times", "hour", "chunks_of_6", "chunks_of_24", "none"],
)
def test_whatever_is_sampled(made, title, labels, num_zero_frames):
    figure = plot_frame_selection(made)
    check_inside(figure)
    found = texts(figure)
    assert title is None or found[0] == title
    shown = [text for text in found[1:] if text.endswith(" s") or text.startswith("frame ") or ":" in text[:5]]
    assert shown[: len(labels)] == labels
    assert found.count("zero frame") == num_zero_frames
    assert pixels(figure).shape[1] <= 830


def test_without_pictures():
    made = selection()
    blank = FrameSelection(tuple(replace(frame, image=None) for frame in made.frames), 8, "scores")
    figure = plot_frame_selection(blank)
    assert not figure.axes[0].images and len(drawn(figure, Circle)) == 8


def test_a_record_and_its_video():
    frames = np.zeros((64, 36, 48, 3), np.uint8)
    frames[30] = (255, 0, 0)
    described = [
        {"index": 10 * number, "seconds": None, "score": SCORES[number], "is_selected": number in CHOSEN}
        for number in range(5)
    ]
    how = {"method": "scores", "frames_per_chunk": 8, "num_zero_frames": 3}
    record = {"generated_text": "yes", "frame_selections": [{**how, "frames": described}]}
    figure = plot_frame_selection(record, frames)
    assert [tuple(image.get_array()[0, 0]) for image in figure.axes[0].images] == [(0, 0, 0)] * 3 + [(255, 0, 0)] + [
        (0, 0, 0)
    ]
    assert not plot_frame_selection(record).axes[0].images
    with pytest.raises(ValueError, match="A `FrameSelection` has its pictures: leave `video` out"):
        plot_frame_selection(selection(), frames)
    with pytest.raises(ValueError, match="call the pipeline with `return_selected_frames=True`"):
        plot_frame_selection({"generated_text": "yes"}, frames)
    with pytest.raises(ValueError, match="`theme` .'sepia'. must be 'light' or 'dark'"):
        plot_frame_selection(selection(), theme="sepia")


def test_without_matplotlib(monkeypatch):
    load = builtins.__import__

    def load_no_matplotlib(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", load_no_matplotlib)
    with pytest.raises(ImportError, match=r"needs matplotlib: pip install 'transformers-mvgpt\[plots\]'"):
        plot_frame_selection(selection())


@pytest.mark.parametrize(
    ("seconds", "num_digits", "expected"),
    [
        (3.46, 1, "3.5 s"),
        (0.04, 2, "0.04 s"),
        (59.96, 1, "1:00.0"),
        (65, 0, "1:05"),
        (65.25, 1, "1:05.2"),
        (3723.5, 1, "1:02:03.5"),
        (7200, 0, "2:00:00"),
    ],
)
def test_times(seconds, num_digits, expected):
    assert format_seconds(seconds, num_digits) == expected
    # the same from a minute on
    assert format_seconds(seconds, num_digits, is_clock=True) == (
        "0:03.5" if seconds == 3.46 else "0:00.04" if seconds == 0.04 else expected
    )
