# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How good the answers of a model are."""

from .quality import answer_questions
from .questions import ScoredQuestion, guess_answers, is_same_answer, read_questions, score_by_type


__all__ = ["ScoredQuestion", "answer_questions", "guess_answers", "is_same_answer", "read_questions", "score_by_type"]
