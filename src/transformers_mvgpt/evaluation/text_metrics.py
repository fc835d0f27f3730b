# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How like an answer in words is to the right one. Nothing here needs a model or a download."""

import unicodedata
from collections import Counter


_ARTICLES = {"a", "an", "the"}


def is_same_answer(answer: str, other: str) -> bool:
    """Whether two answers differ at most in case, white space around them and a full stop at their end."""
    one, two = (text.strip().rstrip(".").casefold() for text in (answer, other))
    return one == two


def token_f1(answer: str, right: str) -> float:
    """
    The F1 of SQuAD (Rajpurkar et al., arXiv 1606.05250): harmonic mean of the share of the answer's words that are in the right
    answer, and of the right answer's that are in the answer; case, punctuation and articles do not count.

    Returns:
        `float`: 0 to 1. Where one of both has no word left, 1 if the other has none either.
    """
    words, right_words = answer_words(answer), answer_words(right)
    if not words or not right_words:
        return float(words == right_words)
    common = (Counter(words) & Counter(right_words)).total()
    return 2 * common / (len(words) + len(right_words))


def contains_answer(answer: str, right: str) -> bool:
    """Whether the words of the right answer stand behind each other in the answer; case, punctuation and articles do not count."""
    words, right_words = answer_words(answer), answer_words(right)
    length = len(right_words)
    if not length:
        return is_same_answer(answer, right)
    return any(words[start : start + length] == right_words for start in range(len(words) - length + 1))


def answer_words(text: str) -> list[str]:
    """The words of a text, between white space, in lower case, without punctuation and articles."""
    kept = "".join(character for character in text.casefold() if not unicodedata.category(character).startswith("P"))
    return [word for word in kept.split() if word not in _ARTICLES]
