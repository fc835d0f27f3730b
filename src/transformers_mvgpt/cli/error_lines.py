# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""An error as one line for a terminal."""

import inspect
import re
from collections.abc import Callable, Mapping

from ..video.error_text import describe_error, limits_as_option


# Everything is written, but some of the videos or images could not be read.
EXIT_UNREAD = 3


def one_line(error: BaseException, command: Callable[..., None] | None = None) -> str:
    """
    What went wrong, in one line of at most 400 characters. Where it advises an argument of Python, such as `video_backend="pyav"`, and
    the command has it as an option, the line says `--video-backend pyav`.
    """
    return describe_error(error, None if command is None else lambda text: as_options(text, command))


def as_options(text: str, command: Callable[..., None]) -> str:
    """A line in which arguments of Python that the command has as options are these options."""
    return _with_flags(text, inspect.signature(command).parameters)


def _with_flags(text: str, options: Mapping[str, inspect.Parameter]) -> str:
    """Arguments of Python as options of the command, those that it has."""

    def to_flag(found: re.Match) -> str:
        name, value = found[1], found[2].strip("\"'")
        if name not in options:
            return found[0]
        is_flag = bool in getattr(options[name].annotation, "__args__", ())
        return f"`--{name.replace('_', '-')}`" if is_flag else f"`--{name.replace('_', '-')} {value}`"

    text = limits_as_option(text)
    text = re.sub(r"`(\w+)=([^`\s]+)`", to_flag, text)
    # said in both ways, it is now said twice
    return re.sub(r"(`--[\w-]+`), \1", r"\1", text)
