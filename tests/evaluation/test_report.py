# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
from PIL import Image

from transformers_mvgpt.evaluation.report import draw_scores, score_table


SCORES = {
    "model": {"colour": 0.987, "yes_no": 1.0, "all": 0.99},
    "guesser": {"colour": 0.16, "count": 0.3, "all": 0.2},
}


def test_table():
    assert score_table(SCORES) == (
        "| | colour | yes/no | count | all |\n"
        "|---|---|---|---|---|\n"
        "| model | 98.7 | 100.0 |  | 99.0 |\n"
        "| guesser | 16.0 |  | 30.0 | 20.0 |\n"
    )


def test_picture_has_bars_as_high_as_the_scores(tmp_path):
    draw_scores(SCORES, tmp_path / "scores.png")
    draw_scores({"model": {"colour": 0.1, "all": 0.1}}, tmp_path / "low.png")
    blue = (31, 119, 180)  # matplotlib's first color

    def highest(name):
        with Image.open(tmp_path / name) as image:
            pixels = image.convert("RGB")
            return min(
                y for y in range(image.height) for x in range(0, image.width, 3) if pixels.getpixel((x, y)) == blue
            )

    assert highest("scores.png") < highest("low.png")
