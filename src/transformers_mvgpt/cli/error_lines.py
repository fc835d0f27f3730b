# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""An error as one line for a terminal."""

import inspect
import re
from collections.abc import Callable, Mapping


# An error of a library may hold the tracebacks of others, or pages of HTML.
MAX_CHARACTERS = 400


def one_line(error: BaseException, command: Callable[..., None] | None = None) -> str:
    """
    What went wrong, in one line of at most 400 characters. Where it advises an argument of Python, such as `video_backend="pyav"`, and
    the command has it as an option, the line says `--video-backend pyav`.
    """
    text = " ".join(_innermost(str(error)).split())
    text = "".join(character for character in text if character.isprintable())
    if not isinstance(error, (ImportError, OSError, ValueError)) or not text:
        # the text alone says little: KeyError("x") reads 'x'
        text = f"{type(error).__name__}: {text}"
    text = _with_flags(text, {} if command is None else inspect.signature(command).parameters)
    if len(text) <= MAX_CHARACTERS:
        return text
    # the way out stands at the end
    return f"{text[: MAX_CHARACTERS - 153]}...{text[-150:]}"


def _innermost(text: str) -> str:
    """Of a text that holds the tracebacks of other errors, as that of transformers' `pipeline` does, the message of the last of them."""
    before, traceback, after = text.partition("Traceback (most recent call last)")
    messages = re.findall(r"^[\w.]+(?:Error|Exception): (.+)$", after, re.MULTILINE)
    return messages[-1] if messages else before


def _with_flags(text: str, options: Mapping[str, inspect.Parameter]) -> str:
    """Arguments of Python as options of the command, those that it has."""

    def to_flag(found: re.Match) -> str:
        name, value = found[1], found[2].strip("\"'")
        if name not in options:
            return found[0]
        is_flag = bool in getattr(options[name].annotation, "__args__", ())
        return f"`--{name.replace('_', '-')}`" if is_flag else f"`--{name.replace('_', '-')} {value}`"

    text = re.sub(
        r"`(max_\w+|allow_\w+|media_folder)` of `untrusted_input=UntrustedInput\(\.\.\.\)`", r"`--limit \1=...`", text
    )
    text = re.sub(r"`(\w+)=([^`\s]+)`", to_flag, text)
    # said in both ways, it is now said twice
    return re.sub(r"(`--[\w-]+`), \1", r"\1", text)
