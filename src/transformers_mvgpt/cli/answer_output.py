# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Answers on stdout: as text, headed by their file where there are several, or as lines of JSON; errors on stderr."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from ..video.limits import shorten
from .error_lines import EXIT_UNREAD
from .shown_frames import show_answer_frames
from .terminal_text import harmless, harmless_json, harmless_line, is_terminal


if TYPE_CHECKING:
    from ..video.limits import UntrustedInput


class AnswerOutput:
    """
    Writes the answers to one question about videos, one after the other: [`begin`], maybe [`write`] of its pieces, and [`finish`] or [`fail`].

    Args:
        question (`str`): what is asked.
        are_several (`bool`): whether each line is headed by its file, as `grep` does it: `clip.mp4: a red circle`.
        as_json (`bool`): write an object for each video instead, in a line of its own.
    """

    def __init__(self, question: str, *, are_several: bool, as_json: bool) -> None:
        self.question, self.are_several, self.as_json = question, are_several, as_json
        self.is_watched = is_terminal(sys.stdout)
        # to a terminal, pieces are written as they come
        self.is_streaming = self.is_watched and not as_json
        self._num_failed = 0

    def begin(self, file: str) -> None:
        self._file, self._start = file, time.monotonic()
        self._head = f"{_name_of(file)}: " if self.are_several else ""
        # what is written before the next character: the head, and line breaks, of which a last one would leave a head alone
        self._pending = self._head

    def write(self, piece: str) -> None:
        """A piece of the answer."""
        if self.is_watched:
            piece = harmless(piece)
        written = ""
        for character in piece:
            if character == "\n" and self._head:
                self._pending += "\n" + self._head
                continue
            written += self._pending + character
            self._pending = ""
        if written:
            typer.echo(written, nl=False)

    def finish(
        self,
        answer: str | None,
        selected_frames: list[dict[str, Any]] | None = None,
        frame_selections: Sequence[Mapping[str, Any]] = (),
        limits: "UntrustedInput | None" = None,
    ) -> None:
        """
        Args:
            answer (`str`, *optional*): the whole answer, where its pieces were not written.
            selected_frames (`list[dict]`, *optional*): the frames that the video encoder saw, to be shown.
            frame_selections (`Sequence[Mapping]`): with what the pipeline says beside them, a terminal may draw them.
            limits ([`UntrustedInput`], *optional*): the limits on the file, for drawing them.
        """
        if self.as_json:
            names = ("index", "seconds", "score")
            shown = [{name: frame[name] for name in names} for frame in selected_frames or []]
            frames = {} if selected_frames is None else {"frames": shown}
            self._write_line({"answer": answer, "seconds": round(time.monotonic() - self._start, 3), **frames})
            return
        if answer is not None:
            self.write(answer)
        # of an empty answer, the head
        typer.echo(self._pending.partition("\n")[0].rstrip())
        if (selected_frames or frame_selections) and self.are_several:
            typer.echo(f"{_name_of(self._file)}:", err=True)
        record = {"selected_frames": selected_frames or [], "frame_selections": frame_selections}
        show_answer_frames(record, self._file, limits)

    def fail(self, error: str) -> None:
        """Why there is no answer, in a line."""
        self._num_failed += 1
        if self.as_json:
            self._write_line({"error": error})
        typer.echo(f"Error: {error}", err=True)

    def end(self) -> None:
        """
        Raises:
            typer.Exit: if some videos could not be read.
        """
        if self._num_failed:
            raise typer.Exit(EXIT_UNREAD)

    def _write_line(self, values: dict[str, Any]) -> None:
        encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "")
        line = {"file": self._file, "question": self.question, **values}
        typer.echo(harmless_json(json.dumps(line, ensure_ascii=encoding != "utf8")))


def _name_of(file: str) -> str:
    """Of a file or address, in a line; a `data:` address holds the whole file."""
    return harmless_line(shorten(file) if file[:5].lower() == "data:" else file)
