# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Text on a terminal: broken between words, and without what a terminal would take for a command."""

import os
import shutil
import sys
import textwrap
import unicodedata
from typing import TextIO

import typer


_STYLES = {"bold": "\x1b[1m", "dim": "\x1b[2m"}
_PLAIN = "\x1b[0m"


def is_dumb(stream: TextIO) -> bool:
    """Whether control sequences would be shown as text: no terminal, or one that knows none."""
    return not stream.isatty() or os.environ.get("TERM", "dumb") == "dumb"


def styled(text: str, style: str, stream: TextIO) -> str:
    """`"bold"` or `"dim"` text, where the terminal can and the user wants it (https://no-color.org)."""
    return text if is_dumb(stream) or os.environ.get("NO_COLOR") else f"{_STYLES[style]}{text}{_PLAIN}"


def num_columns() -> int:
    """Of the terminal now; it may become wider or narrower."""
    return shutil.get_terminal_size().columns


def write_note(text: str, is_dim: bool = True) -> None:
    """A sentence or several lines about what is going on, on stderr; on a terminal broken between words."""
    for line in text.split("\n"):
        line = without_controls(line)
        if sys.stderr.isatty():
            indent = " " * (len(line) - len(line.lstrip()))
            line = textwrap.fill(
                line,
                max(num_columns() - 1, 10),
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
        typer.echo(styled(line, "dim", sys.stderr) if is_dim else line, err=True)


def without_controls(text: str) -> str:
    """The text with a question mark for each control character: models and names of files may hold any."""
    return "".join("?" if unicodedata.category(letter) == "Cc" and letter not in "\n\t" else letter for letter in text)


class AnswerWriter:
    """
    Writes a text that comes in pieces. On a terminal, lines are broken between words; elsewhere it stays as it is.

    Args:
        stream (`TextIO`): Where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._is_terminal = stream, stream.isatty()
        self._column, self._blanks, self._word = 0, "", ""

    def write(self, piece: str) -> None:
        if not self._is_terminal:
            self._stream.write(piece)
        else:
            for letter in without_controls(piece):
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
            if _width(letter) == 2:
                self._write_word()
            self._word += letter

    def _write_word(self) -> None:
        if not self._word:
            return
        width = sum(map(_width, self._word))
        if self._column and self._column + len(self._blanks) + width > num_columns():
            self._stream.write("\n")
            self._column, self._blanks = 0, ""
        self._stream.write(self._blanks + self._word)
        self._column += len(self._blanks) + width
        self._blanks, self._word = "", ""


def _width(letter: str) -> int:
    """Columns that it takes."""
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
