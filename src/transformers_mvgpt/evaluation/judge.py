# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A judge of answers in words: a function of somebody else's, which may ask a language model."""

import importlib
import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from ..video.limits import shorten


# (question, right answer, answer of the model) -> how right it is, 0 to 1
Judge = Callable[[str, str, str], float]


def load_judge(name: str) -> Judge:
    """
    The function that `--judge` names. Its module is imported, which runs it: as with any program, know what is in it.

    Args:
        name (`str`): `module:function`, a module that Python finds, or `path/to/file.py:function`.

    Raises:
        ValueError: if it is no such name, or the module has no such function.
        ImportError: if there is no such module.
        FileNotFoundError: if there is no such file.
    """
    place, _, function = name.rpartition(":")
    if not place or not function.isidentifier():
        raise ValueError(f"`--judge {shorten(name)}` must be MODULE:FUNCTION, or FILE.py:FUNCTION.")
    module = _module_in_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    judge = getattr(module, function, None)
    if not callable(judge):
        raise ValueError(f"`--judge {shorten(name)}`: {shorten(place)} has no function `{function}`.")
    return judge


def _module_in_file(file: Path) -> ModuleType:
    if not file.is_file():
        raise FileNotFoundError(f"There is no judge at {file}.")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None  # it ends in .py
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judge_answer(judge: Judge, question: str, right_answer: str, answer: str) -> float:
    """
    What a judge says of an answer.

    Returns:
        `float`: 0 to 1.

    Raises:
        ValueError: if the judge says something else.
    """
    score: Any = judge(question, right_answer, answer)
    if not isinstance(score, (bool, int, float)) or not math.isfinite(score) or not 0 <= score <= 1:
        raise ValueError(
            f"The judge gave {shorten(score)!r} to the answer {shorten(answer)!r}: it must give a number from 0 to 1, or a bool."
        )
    return float(score)
