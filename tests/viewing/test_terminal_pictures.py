# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Pictures in terminals: which protocol is taken, and that what is written is the picture."""

import base64
import io
import os
import re
import select
import sys
import time

import numpy as np
import pytest
from PIL import Image, ImageDraw

from transformers_mvgpt.viewing.terminal_pictures import (
    draws_on_dark,
    encode_picture,
    terminal_protocol,
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def picture():
    image = Image.new("RGB", (203, 61), (13, 17, 23))
    draw = ImageDraw.Draw(image)
    draw.rectangle((10, 5, 60, 40), fill=(240, 20, 20))
    draw.ellipse((70, 5, 130, 58), outline=(40, 90, 250), width=3)
    draw.text((140, 20), "3.5 s", fill=(255, 255, 255))
    return image


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "dumb", "TERM_PROGRAM": "iTerm.app"}, None),
        ({"TERM_PROGRAM": "iTerm.app"}, None),
    ],
    ids=str,
)
def test_known_from_the_environment(environ, expected, monkeypatch):
    monkeypatch.setattr("os.open", lambda *args: pytest.fail("the terminal was asked"))
    assert terminal_protocol(Terminal(), environ) == expected
    assert terminal_protocol(io.StringIO(), environ) is None  # a pipe or a file


def ask_in_terminal(environ, answer, typed=b""):
    """
    Asks in a process with a terminal of its own, which gets `typed` before it is asked and `answer` when it has been.

    Returns what the process found, what its terminal was sent, and what it could read afterwards.
    """
    pty = pytest.importorskip("pty")
    read, write = os.pipe()
    child, terminal = pty.fork()
    if child == 0:
        try:
            time.sleep(0.05 if typed else 0)
            os.write(write, f"{terminal_protocol(sys.__stdout__, environ)}\n".encode())
            # a whole line, as a shell reads it
            line = b""
            while not line.endswith(b"\n"):
                line += os.read(0, 100)
            os.write(write, line)
        finally:
            os._exit(0)
    os.close(write)
    os.write(terminal, typed)
    sent, end = b"", time.monotonic() + 1
    while time.monotonic() < end and select.select([terminal], [], [], 0.6)[0]:
        sent += os.read(terminal, 100)
        if sent.endswith(b"\x1b[c"):
            os.write(terminal, answer)
            break
    found = os.read(read, 100)
    os.write(terminal, b" rest\n")
    line = found.partition(b"\n")[2] or os.read(read, 100)
    os.waitpid(child, 0)
    os.close(read)
    os.close(terminal)
    return found.split(b"\n")[0].decode(), sent, line


@pytest.mark.parametrize(
    ("environ", "answer", "expected"),
    [
        ({"TERM": "xterm-256color"}, b"\x1b[?62;4;9;22c", "sixel"),  # xterm.js with its pictures
        ({"TERM": "xterm-256color"}, b"\x1b[?64;1;2;6;9;15;18;21;22c", "None"),  # xterm
        ({"TERM": "linux"}, b"\x1b[?6c", "None"),
        ({"TERM": "xterm-256color"}, b"", "None"),
        ({"TERM": "xterm-256color"}, b"\x1b[?62;4", "None"),
        # which draws sixels, whatever terminal is around it
        ({"TERM": "tmux-256color", "TMUX": "/tmp/tmux", "KITTY_WINDOW_ID": "1"}, b"\x1b[?1;2;4c", "sixel"),
        ({"TERM": "screen", "STY": "1.pts", "TERM_PROGRAM": "iTerm.app"}, b"\x1b[?1;2c", "None"),
    ],
    ids=str,
)
def test_asked_for_sixels(environ, answer, expected):
    begin = time.monotonic()
    found, sent, line = ask_in_terminal(environ, answer)
    assert (found, sent) == (expected, b"\x1b[c")
    # nothing of the answer is left where people type
    assert line == b" rest\n"
    assert time.monotonic() - begin < 3


def test_what_was_typed_is_not_taken():
    found, sent, line = ask_in_terminal({"TERM": "xterm-256color"}, b"\x1b[?62;4c", typed=b"ls -l")
    assert (found, line) == ("None", b"ls -l rest\n")
    assert b"\x1b[c" not in sent


def test_iterm(picture):
    written = encode_picture(picture, "iterm", 80)
    found = re.fullmatch(r"\x1b\]1337;File=inline=1;size=(\d+);width=80;preserveAspectRatio=1:([\w+/=]+)\a", written)
    content = base64.b64decode(found[2], validate=True)
    assert len(content) == int(found[1])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), np.asarray(picture))


def test_kitty(picture):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8))  # of several pieces
    for image in (picture, noise):
        pieces = re.findall(r"\x1b_G([^;]*);([\w+/=]*)\x1b\\", written := encode_picture(image, "kitty", 80))
        assert "".join(f"\x1b_G{keys};{content}\x1b\\" for keys, content in pieces) == written
        keys = [piece[0] for piece in pieces]
        assert keys[0].startswith("a=T,f=100,c=80,q=2,m=") and all(len(content) <= 4096 for _, content in pieces)
        assert [key[-1] for key in keys] == ["1"] * (len(keys) - 1) + ["0"]
        content = base64.b64decode("".join(content for _, content in pieces), validate=True)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), np.asarray(image))
    assert len(pieces) > 1


def decode_sixels(text):
    """As a terminal does it."""
    found = re.fullmatch(r'\x1bP0;1;0q"1;1;(\d+);(\d+)(.*)\x1b\\', text, re.DOTALL)
    width, height = int(found[1]), int(found[2])
    pixels = np.full((height + 6, width, 3), -1)
    colors, column, top, color = {}, 0, 0, None
    pattern = r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|(\$)|(-)"
    rest = re.sub(pattern, "", found[3])
    assert rest == ""
    for match in re.finditer(pattern, found[3]):
        number, red, green, blue, chosen, count, repeated, single, again, following = match.groups()
        if number:
            colors[number] = [round(int(share) * 255 / 100) for share in (red, green, blue)]
        elif chosen:
            color = colors[chosen]
        elif again:
            column = 0
        elif following:
            column, top = 0, top + 6
        else:
            bits = ord(repeated or single) - 63
            for _ in range(int(count or 1)):
                for row in range(6):
                    if bits >> row & 1:
                        pixels[top + row, column] = color
                column += 1
    assert (pixels[height:] == -1).all()
    return pixels[:height]


def test_sixels(picture):
    found = decode_sixels(encode_picture(picture, "sixel", 80))
    assert found.min() >= 0, "a pixel was not drawn"
    difference = abs(found - np.asarray(picture).astype(int))
    # a hundredth of the brightness, which is the step of colors in sixels, and of the palette
    assert difference.max() <= 12 and difference.mean() < 3


def test_dark_or_light():
    assert draws_on_dark({}) and draws_on_dark({"COLORFGBG": "15;0"})
    assert not draws_on_dark({"COLORFGBG": "0;15"}) and not draws_on_dark({"COLORFGBG": "0;default;15"})
