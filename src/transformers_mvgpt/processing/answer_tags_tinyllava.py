# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What TinyLLaVA-Video-R1 (arXiv 2504.09641) says: its thoughts in `<think>` tags and its answer in `<answer>` tags."""

import re


_ANSWER = re.compile(r"<answer>(.*?)(?:</answer>|$)", re.DOTALL | re.IGNORECASE)


def answer_of(text: str) -> str:
    """
    The answer in a text that a model was asked for with `think=True`: what its last answer tag holds, also where that was not closed.
    A text without the tag is an answer as a whole.

        >>> answer_of("<think> It is red. </think> <answer> (B) </answer>")
        '(B)'
    """
    found = _ANSWER.findall(text)
    return (found[-1] if found else text).strip()


__all__ = ["answer_of"]
