# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""An error as one line: for a terminal, a row of a table, an answer of a server."""

import re
from collections.abc import Callable


# An error of a library may hold the tracebacks of others, or pages of HTML.
MAX_CHARACTERS = 400


def describe_error(error: BaseException, reword: Callable[[str], str] | None = None) -> str:
    """
    What went wrong, in one line of at most 400 characters: the message, after the type's name where it is no `ValueError`, `OSError` or
    `ImportError`, whose messages say all.

    Args:
        error (`BaseException`): the error.
        reword (`Callable`, *optional*): changes the line before it is cut.
    """
    text = " ".join(_innermost(str(error)).split())
    text = "".join(character for character in text if character.isprintable())
    if not isinstance(error, (ImportError, OSError, ValueError)) or not text:
        # the text alone says little: KeyError("x") reads 'x'
        text = f"{type(error).__name__}: {text}"
    text = text if reword is None else reword(text)
    if len(text) <= MAX_CHARACTERS:
        return text
    # the way out stands at the end
    return f"{text[: MAX_CHARACTERS - 153]}...{text[-150:]}"


def limits_as_option(text: str) -> str:
    """Limits that a line advises to raise in Python, as the option `--limit` of a command."""
    return re.sub(
        r"`(max_\w+|allow_\w+|media_folder)` of `untrusted_input=UntrustedInput\(\.\.\.\)`", r"`--limit \1=...`", text
    )


def _innermost(text: str) -> str:
    """Of a text that holds the tracebacks of other errors, as that of transformers' `pipeline` does, the message of the last of them."""
    before, traceback, after = text.partition("Traceback (most recent call last)")
    messages = re.findall(r"^[\w.]+(?:Error|Exception): (.+)$", after, re.MULTILINE)
    return messages[-1] if messages else before
