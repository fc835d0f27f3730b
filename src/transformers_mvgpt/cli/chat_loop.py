# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What happens between the lines that someone types in a chat: answers, commands, and Ctrl-C."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import typer

from ..chat.turns import ContextFullError, Turns
from .answer_interruption import StoppedByInterrupt
from .error_lines import one_line
from .interruption import INTERRUPTED
from .line_input import BadLineError
from .progress import step
from .saved_chat import SavedVisual, check_suffix, save_chat
from .terminal_text import AnswerWriter, write_note


COMMANDS = {
    "/video": ("PATH", "look at another video; the conversation begins anew"),
    "/frames": ("", "what was seen of the video"),
    "/save": ("FILE", "write the conversation, as .json or .md"),
    "/reset": ("", "begin anew, with the same video"),
    "/help": ("", "this list"),
    "/quit": ("", "end, as Ctrl-D does"),
}
_HELP = "\n".join(
    [
        *(f"  {f'{name} {argument}':13} {what}" for name, (argument, what) in COMMANDS.items()),
        "Anything else is a question; one that begins with a slash is written with two.",
        "Ctrl-C stops an answer, or clears the line.",
    ]
)


@dataclass
class OpenedVisual:
    """
    Args:
        saved ([`SavedVisual`]): what it is, as it is saved and called.
        conversation ([`Turns`]): about it.
        show_frames (`Callable[[], None]`): writes what was seen of it to stderr.
    """

    saved: SavedVisual
    conversation: Turns
    show_frames: Callable[[], None]


class Lines(Protocol):
    def read(self) -> str: ...


class ChatLoop:
    """
    Reads lines until they end. Answers go to stdout, and nothing else does.

    Args:
        open_visual (`Callable[[str], OpenedVisual]`): Looks at a video.
        opened ([`OpenedVisual`]): The first one.
        lines ([`TypedLines`] or [`PipedLines`]): What is read.
        is_typed (`bool`): Whether someone sits there.
        max_new_tokens (`int`, *optional*): Longest answer.
    """

    def __init__(
        self,
        open_visual: Callable[[str], OpenedVisual],
        opened: OpenedVisual,
        lines: Lines,
        *,
        is_typed: bool,
        max_new_tokens: int | None = None,
    ) -> None:
        self._open_visual, self._opened, self._lines, self._is_typed = open_visual, opened, lines, is_typed
        self._options: dict[str, int] = {} if max_new_tokens is None else {"max_new_tokens": max_new_tokens}
        self._has_failed = False

    def run(self) -> int:
        """
        Returns:
            `int`: The exit code: 130 where Ctrl-C has ended it, 1 where something of what was piped could not be done.
        """
        num_interrupts = 0
        while True:
            try:
                line = self._read()
                num_interrupts = 0
                if line is not None and self._take(line):
                    break
            except EOFError:
                break
            except KeyboardInterrupt:
                num_interrupts += 1
                if not self._is_typed or num_interrupts == 2:
                    return INTERRUPTED
                typer.echo(err=True)
                write_note("Ctrl-C again ends, as does Ctrl-D.")
            except (BrokenPipeError, typer.Exit):
                raise
            except Exception as error:
                self._fail(one_line(error))
        return int(self._has_failed and not self._is_typed)

    def _read(self) -> str | None:
        """A line, or `None` if it cannot be taken."""
        try:
            return self._lines.read()
        except BadLineError as error:
            self._fail(str(error))
            return None
        except BrokenPipeError:
            raise
        except (OSError, ValueError) as error:
            # such as a stdin that is open for writing alone, as `nohup` opens it: the next line would bring the same
            typer.echo(f"Error: Stdin cannot be read: {one_line(error)}", err=True)
            raise typer.Exit(1) from error

    def _take(self, line: str) -> bool:
        """Whether the line ends the chat."""
        text = line.strip()
        if not text:
            return False
        if not text.startswith("/") or text.startswith("//"):
            self._answer(text[1:] if text.startswith("//") else text)
            return False
        command, *others = text.split(None, 1)
        rest = "".join(others)
        if command not in COMMANDS:
            self._fail(
                f"There is no command {command}, there are {', '.join(COMMANDS)}. A question that begins with a slash is written "
                f"with two: /{text}"
            )
        elif COMMANDS[command][0] and not rest:
            self._fail(f"Write {command} {COMMANDS[command][0]}: {COMMANDS[command][1]}.")
        elif not COMMANDS[command][0] and rest:
            self._fail(f"{command} stands alone. A question that begins with a slash is written with two: /{text}")
        elif command == "/quit":
            return True
        elif command == "/help":
            write_note(_HELP)
        elif command == "/frames":
            self._opened.show_frames()
        elif command == "/reset":
            self._opened.conversation.reset()
            write_note("The conversation begins anew.")
        elif command == "/video":
            self._change_visual(parse_path(rest))
        elif command == "/save":
            self._save(Path(parse_path(rest)))
        return False

    def _answer(self, question: str) -> None:
        conversation, writer = self._opened.conversation, AnswerWriter(sys.stdout)
        has_begun = has_ended = False
        with StoppedByInterrupt() as stopped:
            try:
                pieces = conversation.stream(question, is_cancelled=stopped.is_set, **self._options)
                with closing(pieces):  # type: ignore[type-var]
                    for piece in _with_step(pieces, stopped):
                        has_begun = True
                        writer.write(piece)
                has_ended = conversation.finish_reason != "cancelled"
            except ContextFullError as error:
                self._fail(f"{one_line(error)} /reset begins anew; /save FILE keeps what there is.")
                return
            finally:
                # also of an empty answer
                if has_begun or has_ended:
                    writer.end()
        self._note_end(conversation.finish_reason, has_begun)
        if stopped.is_set() and not self._is_typed:
            raise KeyboardInterrupt

    def _note_end(self, finish_reason: str | None, has_begun: bool) -> None:
        if finish_reason == "cancelled":
            write_note("(stopped)" if has_begun else "(stopped before the answer began; the question is forgotten)")
        elif finish_reason == "length":
            write_note("(cut off: --max-new-tokens allows longer answers)")
        elif finish_reason == "context":
            write_note("(cut off: the context is full; /reset begins anew)")

    def _change_visual(self, path: str) -> None:
        old = self._opened
        try:
            self._opened = self._open_visual(path)
        except KeyboardInterrupt:
            typer.echo(err=True)
            write_note(f"Stopped: this is still about {old.saved.name}.")
        except Exception as error:
            self._fail(f"{one_line(error)} This is still about {old.saved.name}.")
        else:
            write_note(f"Now about {self._opened.saved.name}. The conversation begins anew.")

    def _save(self, path: Path) -> None:
        conversation = self._opened.conversation
        if not conversation.num_turns:
            self._fail("There is nothing to save yet: ask something.")
            return
        check_suffix(path)
        if os.path.lexists(path) and not self._may_replace(path):
            return
        save_chat(path, self._opened.saved, conversation.messages)
        write_note(f"Written: {path}")

    def _may_replace(self, path: Path) -> bool:
        if path.is_dir():
            self._fail(f"{path} is a folder: name a file in it.")
            return False
        if not self._is_typed:
            self._fail(f"{path} is there already: name another file.")
            return False
        write_note(f"{path} is there already.", is_dim=False)
        typer.echo("Replace it? [y/N] ", nl=False, err=True)
        # not through the history
        may_replace = sys.stdin.readline().strip().lower() in ("y", "yes")
        if not may_replace:
            write_note("Nothing is written.")
        return may_replace

    def _fail(self, message: str) -> None:
        self._has_failed = True
        if self._is_typed:
            write_note(message, is_dim=False)
        else:
            typer.echo(f"Error: {message}", err=True)


def parse_path(text: str) -> str:
    """
    A path as someone types, pastes or drops it: with blanks as it is, in quotes, or with backslashes in front of blanks.
    """
    literal = os.path.expanduser(text)
    if os.path.exists(literal):
        return literal
    # a backslash is no escape on Windows
    is_escaped = "\\" in text and os.name != "nt"
    if text[:1] in ("'", '"') or is_escaped:
        with suppress(ValueError):  # a quote that is not closed is one of the name
            parts = shlex.split(text, posix=os.name != "nt")
            if len(parts) == 1:
                return os.path.expanduser(parts[0].strip("\"'") if os.name == "nt" else parts[0])
    return literal


def _with_step(pieces: Iterator[str], stopped: StoppedByInterrupt) -> Iterator[str]:
    """The pieces, and a moving line until the first is there."""
    with step("Answering") as change:
        stopped.on_first = lambda: change("Stopping; Ctrl-C again ends")
        first = next(pieces, None)
    if first is not None:
        yield first
        yield from pieces
