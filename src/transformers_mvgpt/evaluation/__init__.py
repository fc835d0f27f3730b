# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How good the answers of a model are, and how fast they are made."""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names


if TYPE_CHECKING:
    from .quality import answer_questions
    from .questions import ScoredQuestion, guess_answers, is_same_answer, read_questions, score_by_type
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "ScoredQuestion": ".questions",
            "answer_questions": ".quality",
            "guess_answers": ".questions",
            "is_same_answer": ".questions",
            "read_questions": ".questions",
            "score_by_type": ".questions",
        },
    )

__all__ = ["ScoredQuestion", "answer_questions", "guess_answers", "is_same_answer", "read_questions", "score_by_type"]
