# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What a score is compared with: the answers of one who has seen nothing."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from .questions import ScoredQuestion


def guess_answers(questions: Sequence[ScoredQuestion]) -> list[str]:
    """
    What one would answer who has seen nothing but knows these answers: for each type the most frequent answer, or
    the most frequent place among the options that a question names, whichever is right more often.
    """
    of_type: dict[str, list[ScoredQuestion]] = defaultdict(list)
    for question in questions:
        of_type[question.type].append(question)
    guesses: dict[str, str | int] = {}
    for kind, group in of_type.items():
        [(answer, frequency)] = Counter(question.answer for question in group).most_common(1)
        places = Counter(
            question.options.index(question.answer) for question in group if question.answer in question.options
        )
        guesses[kind] = answer
        if places and places.most_common(1)[0][1] > frequency:
            guesses[kind] = places.most_common(1)[0][0]
    answers = []
    for question in questions:
        guess = guesses[question.type]
        if isinstance(guess, int):
            guess = question.options[guess] if guess < len(question.options) else ""
        answers.append(guess)
    return answers
