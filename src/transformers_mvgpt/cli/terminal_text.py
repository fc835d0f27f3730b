# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Terminals: whether there is one, how wide it is, and text for it: broken between words, and without what it would take for a command."""

import os
import shutil
import sys
import textwrap
import unicodedata
from typing import TextIO

import typer


_STYLES = {"bold": "\x1b[1m", "dim": "\x1b[2m"}
_PLAIN = "\x1b[0m"


# Format characters that letters of Persian, Hindi and others, and pictures of people, are joined or kept apart by.
_JOINERS = "\u200c\u200d"
_HARMFUL = ("Cc", "Cf", "Cs", "Zl", "Zp")


def is_terminal(stream: TextIO | None) -> bool:
    """A stream that was closed, or that there is not as under `pythonw`, is none."""
    return stream is not None and stream.isatty()


def is_dumb(stream: TextIO | None) -> bool:
    """Whether control sequences would be shown as text: no terminal, or one that knows none."""
    return not is_terminal(stream) or os.environ.get("TERM", "dumb") == "dumb"


def styled(text: str, style: str, stream: TextIO | None) -> str:
    """`"bold"` or `"dim"` text, where the terminal can and the user wants it (https://no-color.org)."""
    return text if is_dumb(stream) or os.environ.get("NO_COLOR") else f"{_STYLES[style]}{text}{_PLAIN}"


def count_columns(stream: TextIO | None) -> int:
    """Of the terminal behind a stream, now: it may become wider or narrower."""
    try:
        columns = 0 if stream is None else os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):  # it is none, or closed
        columns = 0
    return columns or shutil.get_terminal_size().columns


def width(text: str) -> int:
    """Columns that a terminal takes for it."""
    return sum(map(_width_of, text))


def _width_of(letter: str) -> int:
    if unicodedata.combining(letter) or letter in _JOINERS:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def harmless(text: str) -> str:
    """
    The text with a question mark for each character that would do something in a terminal, or have it show others in another order
    (U+202E): models and names of files may hold any. Line breaks and tabulators stay.
    """
    return "".join("?" if _is_harmful(letter) and letter not in "\n\t" else letter for letter in text)


def harmless_line(text: str) -> str:
    """As [`harmless`], of a name that stands in a line: such characters are shown by their numbers, line breaks and tabulators too."""
    return "".join(letter.encode("unicode_escape").decode() if _is_harmful(letter) else letter for letter in text)


def harmless_json(text: str) -> str:
    """A line of JSON, in which such characters are escaped."""
    return "".join(
        f"\\u{ord(letter):04x}" if _is_harmful(letter) and ord(letter) < 2**16 else letter for letter in text
    )


def _is_harmful(letter: str) -> bool:
    return unicodedata.category(letter) in _HARMFUL and letter not in _JOINERS


def write_note(text: str, is_dim: bool = True) -> None:
    """A sentence or several lines about what is going on, on stderr; on a terminal broken between words."""
    for line in text.split("\n"):
        line = harmless(line)
        if is_terminal(sys.stderr):
            indent = " " * (len(line) - len(line.lstrip()))
            line = textwrap.fill(
                line,
                max(count_columns(sys.stderr) - 1, 10),
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
        typer.echo(styled(line, "dim", sys.stderr) if is_dim else line, err=True)


class AnswerWriter:
    """
    Writes a text that comes in pieces. On a terminal, lines are broken between words; elsewhere it stays as it is.

    Args:
        stream (`TextIO`): Where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._is_terminal = stream, is_terminal(stream)
        self._column, self._blanks, self._word = 0, "", ""

    def write(self, piece: str) -> None:
        if not self._is_terminal:
            self._stream.write(piece)
        else:
            for letter in harmless(piece):
                self._take(letter)
        self._stream.flush()

    def end(self) -> None:
        """The end of the text, and of its last line."""
        self._write_word()
        self._stream.write("\n")
        self._stream.flush()

    def _take(self, letter: str) -> None:
        if letter == "\n":
            self._write_word()
            self._stream.write("\n")
            self._column, self._blanks = 0, ""
        elif letter in " \t":
            self._write_word()
            self._blanks += " "
        else:
            # Chinese, Japanese and Korean have no blanks, and may be broken anywhere
            if width(letter) == 2:
                self._write_word()
            self._word += letter

    def _write_word(self) -> None:
        if not self._word:
            return
        num_columns = width(self._word)
        if self._column and self._column + len(self._blanks) + num_columns > count_columns(self._stream):
            self._stream.write("\n")
            self._column, self._blanks = 0, ""
        self._stream.write(self._blanks + self._word)
        self._column += len(self._blanks) + num_columns
        self._blanks, self._word = "", ""
