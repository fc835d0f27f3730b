# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How good the answers of a model are, and how fast they are made."""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names


if TYPE_CHECKING:
    from .guesser import guess_answers
    from .intervals import Estimate, estimate_mean
    from .metrics import TypeScores, score_by_type
    from .model_index import eval_results
    from .own_data import Evaluation, evaluate
    from .quality import answer_questions
    from .question_rows import read_questions
    from .questions import ScoredQuestion
    from .text_metrics import is_same_answer
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Estimate": ".intervals",
            "Evaluation": ".own_data",
            "ScoredQuestion": ".questions",
            "TypeScores": ".metrics",
            "answer_questions": ".quality",
            "estimate_mean": ".intervals",
            "eval_results": ".model_index",
            "evaluate": ".own_data",
            "guess_answers": ".guesser",
            "is_same_answer": ".text_metrics",
            "read_questions": ".question_rows",
            "score_by_type": ".metrics",
        },
    )

__all__ = [
    "Estimate",
    "Evaluation",
    "ScoredQuestion",
    "TypeScores",
    "answer_questions",
    "estimate_mean",
    "eval_results",
    "evaluate",
    "guess_answers",
    "is_same_answer",
    "read_questions",
    "score_by_type",
]
