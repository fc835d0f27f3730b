# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Lines that someone types, with editing and a history, or that come through a pipe."""

import contextlib
import glob
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from ..video.limits import shorten
from .terminal_text import is_dumb, is_terminal, styled


_MAX_LINES = 1000
# Longer lines are not kept.
_MAX_CHARACTERS = 10_000
_NOT_DECODED = "The line holds bytes that are not UTF-8: type it again."


def history_file() -> Path:
    """Where the user's state belongs: `$XDG_STATE_HOME`, `~/.local/state` or `%LOCALAPPDATA%`."""
    default = os.environ.get("LOCALAPPDATA") if os.name == "nt" else None
    folder = os.environ.get("XDG_STATE_HOME") or default or os.path.join("~", ".local", "state")
    return Path(os.path.expanduser(folder), "transformers-mvgpt", "chat_history")


class LineHistory:
    """
    What was typed, also in earlier runs, in a file that its owner alone may read. Where it cannot be read or written, there is none.

    Args:
        path (`Path`): The file. Beyond 1000 lines, the oldest go.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[str]:
        """The lines, the oldest first."""
        try:
            if not self._path.is_file():
                return []
            with self._path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _MAX_LINES * _MAX_CHARACTERS))
                content = file.read()
        except OSError:
            return []
        lines = content.decode("utf-8", "replace").split("\n")[:-1]
        if len(lines) > _MAX_LINES:
            lines = lines[-_MAX_LINES:]
            self._write("".join(f"{line}\n" for line in lines), os.O_TRUNC)
        return [_unescape(line) for line in lines]

    def append(self, line: str) -> None:
        """Other runs may do so at the same time."""
        if len(line) <= _MAX_CHARACTERS:
            self._write(f"{_escape(line)}\n", os.O_APPEND)

    def _write(self, text: str, flag: int) -> None:
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._path.exists() and not self._path.is_file():
                return
            file = os.open(self._path, os.O_WRONLY | os.O_CREAT | flag, 0o600)
            try:
                if hasattr(os, "fchmod"):
                    os.fchmod(file, 0o600)
                os.write(file, text.encode("utf-8", "replace"))
            finally:
                os.close(file)


class BadLineError(ValueError):
    """A line that cannot be taken; the next one may be."""


class TypedLines:
    """
    Lines from a terminal. With Python's `readline` they can be edited, come back with the arrow keys, and a paste of several lines is one.

    Args:
        history ([`LineHistory`]): What was typed before.
        commands (`Sequence[str]`): What the tabulator completes at the beginning of a line; behind one of them, it completes paths.
    """

    def __init__(self, history: LineHistory, commands: Sequence[str]) -> None:
        self._history, self._commands, self._last = history, commands, ""
        self._is_pasted_whole = False
        self._readline: Any = None
        # Python's `input` uses it where both are a terminal
        if is_terminal(sys.stdin) and is_terminal(sys.stdout):
            with contextlib.suppress(ImportError):
                self._readline = importlib.import_module("readline")
        if self._readline is not None:
            self._prepare(self._readline)

    def read(self) -> str:
        """
        Raises:
            EOFError: where the input ends.
            KeyboardInterrupt: on Ctrl-C.
            BadLineError: if what was typed is not in the terminal's encoding. The next call reads the next line.
        """
        if self._readline is None:
            typer.echo("> ", nl=False, err=True)
            try:
                line = sys.stdin.readline()
            except UnicodeDecodeError:
                raise BadLineError(_NOT_DECODED) from None
            if not line:
                typer.echo(err=True)
                raise EOFError
            return _checked(line.rstrip("\r\n"))
        try:
            line = input(self._prompt)
        except UnicodeDecodeError:
            raise BadLineError(_NOT_DECODED) from None
        except EOFError:
            # where it looks out for pastes, readline has ended the line
            if not self._is_pasted_whole:
                typer.echo(err=True)
            raise
        _checked(line)
        if line.strip() and line != self._last:
            self._readline.add_history(line)
            self._history.append(line)
            self._last = line
        return line

    def _prepare(self, readline: Any) -> None:
        is_editline = "libedit" in (readline.__doc__ or "")
        bold = styled(">", "bold", sys.stdout)
        # how readline is told what takes no room
        marked = bold.replace("\x1b", "\x01\x1b").replace("m", "m\x02")
        self._prompt = "> " if is_editline else f"{marked} "
        if is_editline:
            readline.parse_and_bind("bind ^I rl_complete")
        else:
            readline.parse_and_bind("tab: complete")
            self._is_pasted_whole = not is_dumb(sys.stdout)
            readline.parse_and_bind(f"set enable-bracketed-paste {'on' if self._is_pasted_whole else 'off'}")
        readline.set_completer_delims("")
        readline.set_completer(lambda text, state: self._complete(text, state))
        readline.set_auto_history(False)
        readline.clear_history()
        for line in self._history.read():
            readline.add_history(line)

    def _complete(self, text: str, state: int) -> str | None:
        command, blank, path = text.partition(" ")
        if command not in self._commands or not blank:
            found = [f"{name} " for name in self._commands if name.startswith(text)] if text else []
        else:
            paths = sorted(glob.glob(f"{glob.escape(os.path.expanduser(path))}*"))
            found = [f"{command} {name}{os.sep if os.path.isdir(name) else ''}" for name in paths]
        return found[state] if state < len(found) else None


class PipedLines:
    """Lines that come through a pipe, or from a file."""

    def __init__(self) -> None:
        self._number = 0

    def read(self) -> str:
        """
        Raises:
            EOFError: where the input ends.
            BadLineError: if a line is not UTF-8. The next call reads the next one.
        """
        line = b"" if sys.stdin is None else sys.stdin.buffer.readline()
        if not line:
            raise EOFError
        self._number += 1
        try:
            return line.decode("utf-8-sig" if self._number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise BadLineError(
                f"Line {self._number} of the input is not UTF-8 ({shorten(repr(line))}): convert it, as with `iconv -t UTF-8`."
            ) from None


def _checked(line: str) -> str:
    # in place of a byte that it could not decode, Python puts a surrogate
    if any("\ud800" <= letter <= "\udfff" for letter in line):
        raise BadLineError(_NOT_DECODED)
    return line


def _escape(line: str) -> str:
    return line.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def _unescape(line: str) -> str:
    pairs = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}
    text, place = "", 0
    while place < len(line):
        pair = line[place : place + 2]
        text += pairs.get(pair, line[place])
        place += 2 if pair in pairs else 1
    return text
