# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Pictures in terminals, by the three protocols that they know: kitty's, iTerm2's and sixels. The first two are known from the
environment; a terminal that draws sixels says so when it is asked for its device attributes:

    ESC [ c    ->    ESC [ ? 62 ; 4 ; 22 c         4: sixels
"""

import base64
import io
import os
import re
import select
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, TextIO

import numpy as np
from PIL import Image


Protocol = Literal["kitty", "iterm", "sixel"]

# A picture of a row of frames cannot be read below this.
MIN_COLUMNS = 60
# Width of a letter in pixels, where the terminal does not say it. Of a wider picture, the right edge would be lost.
_CELL_WIDTH = 7
_SECONDS_TO_ANSWER = 0.3
_ATTRIBUTES = re.compile(rb"\x1b\[\?([0-9;]*)c")
# what has come of one that does not end
_UNFINISHED = re.compile(rb"\x1b(?:\[(?:\?[0-9;]*)?)?$")
_SIXELS = b"4"
_NUM_COLORS = 255
_KITTY_CHUNK = 4096  # letters of base64


def terminal_protocol(stream: TextIO, environ: Mapping[str, str] = os.environ) -> Protocol | None:
    """
    By which protocol the terminal behind a stream draws pictures.

    Args:
        stream (`TextIO`): stdout or stderr.
        environ (`Mapping[str, str]`): the environment.

    Returns:
        `str` or `None`: `None` where it draws none, where that cannot be told, and where the stream is no terminal.
    """
    if not stream.isatty() or environ.get("TERM", "dumb") == "dumb":
        return None
    term, program = environ["TERM"], environ.get("TERM_PROGRAM", "")
    # which inherit the environment of the terminal around them, and take no pictures for it
    is_multiplexed = "TMUX" in environ or "STY" in environ or term.startswith(("tmux", "screen"))
    if not is_multiplexed:
        if term in ("xterm-kitty", "xterm-ghostty") or "KITTY_WINDOW_ID" in environ or program == "ghostty":
            return "kitty"
        if program in ("iTerm.app", "WezTerm", "mintty") or environ.get("LC_TERMINAL") == "iTerm2":
            return "iterm"
    return "sixel" if _SIXELS in _ask_attributes() else None


def draws_on_dark(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal's background is dark, as far as the environment says it; most are."""
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    return background not in ("7", "15")


def letter_width(stream: TextIO, num_columns: int) -> int:
    """The width of a letter in pixels, in a terminal that is `num_columns` letters wide."""
    try:
        pixels = _pixels_of_width(stream.fileno())
    except OSError:
        return _CELL_WIDTH
    return round(pixels / num_columns) or _CELL_WIDTH


def _pixels_of_width(file: int) -> int:
    """0 where it is not known."""
    try:
        import fcntl
        import struct
        import termios
    except ImportError:  # not on Windows
        return 0
    _, _, width, _ = struct.unpack("HHHH", fcntl.ioctl(file, termios.TIOCGWINSZ, bytes(8)))
    return width


def encode_picture(image: Image.Image, protocol: Protocol, num_columns: int) -> str:
    """
    What a terminal is sent to draw a picture where its cursor is.

    Args:
        image (`PIL.Image.Image`): the picture. As sixels it is drawn in its own size.
        protocol (`str`): `"kitty"`, `"iterm"` or `"sixel"`.
        num_columns (`int`): how many letters wide it is drawn by the other two.
    """
    if protocol == "sixel":
        return encode_sixels(image)
    file = io.BytesIO()
    image.save(file, "PNG")
    content = base64.b64encode(file.getvalue()).decode()
    if protocol == "iterm":
        options = f"inline=1;size={file.tell()};width={num_columns};preserveAspectRatio=1"
        return f"\x1b]1337;File={options}:{content}\a"
    pieces = [content[begin : begin + _KITTY_CHUNK] for begin in range(0, len(content), _KITTY_CHUNK)]
    # transmit and show a PNG; q=2: an answer would come as if it had been typed
    first = f"a=T,f=100,c={num_columns},q=2,"
    return "".join(
        f"\x1b_G{first if number == 0 else ''}m={int(number + 1 < len(pieces))};{piece}\x1b\\"
        for number, piece in enumerate(pieces)
    )


def encode_sixels(image: Image.Image) -> str:
    """A picture as sixels: strips of six rows of pixels, in each one color after the other."""
    palette_image = image.convert("RGB").quantize(_NUM_COLORS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    pixels = np.asarray(palette_image)  # (H, W)
    height, width = pixels.shape
    palette = np.asarray(palette_image.getpalette()).reshape(-1, 3) * 100 // 255  # in percent
    strips = []
    for top in range(0, height, 6):
        strip = pixels[top : top + 6]
        weights = (1 << np.arange(len(strip)))[:, None]
        lines = []
        for color in np.unique(strip):
            bits = ((strip == color) * weights).sum(0)  # (W,)
            lines.append(f"#{color}{_run_lengths(bits)}")
        strips.append("$".join(lines))
    used = np.unique(pixels)
    colors = "".join("#{};2;{};{};{}".format(color, *palette[color]) for color in used)
    return f'\x1bP0;1;0q"1;1;{width};{height}{colors}{"-".join(strips)}\x1b\\'


def _run_lengths(bits: np.ndarray) -> str:
    """Columns of six pixels as letters, repeated ones counted; without those at the end that are empty."""
    filled = np.flatnonzero(bits)
    bits = bits[: filled[-1] + 1]
    begins = np.flatnonzero(np.diff(bits, prepend=-1))
    lengths = np.diff(begins, append=len(bits))
    return "".join(
        f"!{length}{chr(63 + bits[begin])}" if length > 3 else chr(63 + bits[begin]) * length
        for begin, length in zip(begins, lengths, strict=True)
    )


def _ask_attributes() -> list[bytes]:
    """The terminal's device attributes; none where there is no terminal that answers soon."""
    try:
        import termios  # noqa: F401  not on Windows

        file = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except (ImportError, OSError):
        return []
    try:
        # a process in the background would be stopped
        if os.tcgetpgrp(file) != os.getpgrp():
            return []
        with _unbuffered(file):
            # What is typed already is for the shell, or whoever reads next. It would come before the answer.
            if select.select([file], [], [], 0)[0]:
                return []
            os.write(file, b"\x1b[c")
            found = _ATTRIBUTES.search(_read_answer(file))
        return found[1].split(b";") if found else []
    except OSError:
        return []
    finally:
        os.close(file)


def _read_answer(file: int) -> bytes:
    """What comes until the end of an answer."""
    answer, end = b"", time.monotonic() + _SECONDS_TO_ANSWER
    while not _ATTRIBUTES.search(answer) and (rest := end - time.monotonic()) > 0:
        if not select.select([file], [], [], rest)[0]:
            break
        answer += os.read(file, 1)
    _give_back(file, _UNFINISHED.sub(b"", _ATTRIBUTES.sub(b"", answer)))
    return answer


def _give_back(file: int, typed: bytes) -> None:
    """Puts what was typed while the terminal was asked back to where it came from, if the system lets it."""
    import fcntl
    import termios

    for place in range(len(typed)):
        try:
            fcntl.ioctl(file, termios.TIOCSTI, typed[place : place + 1])
        except OSError:
            return


@contextmanager
def _unbuffered(file: int) -> Iterator[None]:
    """While it is entered, what the terminal sends is neither shown nor kept until the end of a line."""
    import termios

    before = termios.tcgetattr(file)
    mode = termios.tcgetattr(file)
    mode[3] &= ~(termios.ICANON | termios.ECHO)
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    # not TCSAFLUSH, which throws away what was typed
    termios.tcsetattr(file, termios.TCSADRAIN, mode)
    try:
        yield
    finally:
        termios.tcsetattr(file, termios.TCSADRAIN, before)
