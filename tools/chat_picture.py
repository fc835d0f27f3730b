# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""docs/images/chat.png: `mvgpt chat` with the package's clip, as a terminal shows it. `make pictures` runs it, with tests/helpers in the path."""

import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from terminals import run_in_terminal, typed_when_shown
from transformers_mvgpt.demo import CLIP, make_clip, write_clip


ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "images" / "chat.png"
TYPED = [
    "What colour is the circle?",
    "Does the blue circle move down or up?",
    "Describe the video.",
    "/save talk.md",
    "/video other clip.mp4",
    "How many objects can be seen in all?",
]
NUM_COLUMNS = 80
FONT_SIZE, LINE_HEIGHT, MARGIN = 20, 28, 24
BACKGROUND = "#1b1d23"
COLORS = {"plain": "#e4e6eb", "dim": "#9096a3", "bold": "#6fd3c4"}
_STYLES = {"0": "plain", "1": "bold", "2": "dim"}
_PROMPT = "\x1b[1m>\x1b[0m "

Line = list[tuple[str, str]]


def record_chat() -> str:
    """What the command writes to its terminal."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(CLIP, Path(folder, "clip.mp4"))
        write_clip(make_clip(4, "test"), Path(folder, "other clip.mp4"))
        os.chdir(folder)
        run = run_in_terminal(
            [sys.executable, "-m", "mvgpt_command", "chat", "clip.mp4"],
            NUM_COLUMNS,
            {"XDG_STATE_HOME": folder, "HF_HUB_OFFLINE": "1"},
            typed_when_shown(*((_PROMPT, f"{line}\r") for line in TYPED), (_PROMPT, "\x04")),
        )
        os.chdir(ROOT)
    return run.text


def styled_lines(text: str) -> list[Line]:
    """The lines that stand there in the end, letter by letter with their styles."""
    lines: list[Line] = [[]]
    column, style = 0, "plain"
    for code, letter in re.findall(r"\x1b\[\??([\d;]*)[a-zA-Z]|(.|\n)", text):
        if letter == "\n":
            lines.append([])
        elif letter == "\r":
            column = 0
        elif letter:
            lines[-1][column : column + 1] = [(letter, style)]
            column += 1
        else:
            style = _STYLES.get(code, style)
    return lines


def draw(lines: list[Line]) -> Image.Image:
    """A picture of a terminal."""
    fonts = Path(matplotlib.get_data_path(), "fonts", "ttf")
    plain, bold = (
        ImageFont.truetype(str(fonts / f"{name}.ttf"), FONT_SIZE) for name in ("DejaVuSansMono", "DejaVuSansMono-Bold")
    )
    width = plain.getlength("m")
    size = (round(NUM_COLUMNS * width) + 2 * MARGIN, len(lines) * LINE_HEIGHT + 2 * MARGIN)
    image = Image.new("RGB", size, BACKGROUND)
    pen = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        for column, (letter, style) in enumerate(line):
            place = (MARGIN + column * width, MARGIN + row * LINE_HEIGHT)
            pen.text(place, letter, fill=COLORS[style], font=bold if style == "bold" else plain)
    return image


def main() -> None:
    """Writes the picture."""
    command: Line = [("$", "dim"), *((letter, "plain") for letter in " mvgpt chat clip.mp4")]
    lines = [command, *styled_lines(record_chat())]
    # the prompt at which it ended
    while lines and "".join(letter for letter, _ in lines[-1]).strip() in ("", ">"):
        lines.pop()
    draw(lines).quantize(64).save(TARGET, optimize=True)


if __name__ == "__main__":
    main()
