# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What `generate` does with the tokens of a prompt, where some are placeholders: they have no scores if they lie outside of the
vocabulary, and are nothing to copy into a draft of an answer.
"""

from typing import Any

import torch
from torch.nn import functional as F
from transformers import (
    EncoderNoRepeatNGramLogitsProcessor,
    EncoderRepetitionPenaltyLogitsProcessor,
    LogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    PreTrainedConfig,
    RepetitionPenaltyLogitsProcessor,
)
from transformers.generation import CandidateGenerator, PromptLookupCandidateGenerator

from .model_inputs import placeholder_ids


_OF_PROMPTS = (
    EncoderNoRepeatNGramLogitsProcessor,
    EncoderRepetitionPenaltyLogitsProcessor,
    NoRepeatNGramLogitsProcessor,
    RepetitionPenaltyLogitsProcessor,
)


def tolerate_placeholders(processor: Any, config: PreTrainedConfig) -> Any:
    """A logits processor that also takes prompts whose placeholders lie outside of the vocabulary."""
    num_ids = max(placeholder_ids(config).values()) + 1
    if num_ids <= config.text_config.vocab_size or not isinstance(processor, _OF_PROMPTS):
        return processor
    return _WithScoresOfPlaceholders(processor, num_ids)


class _WithScoresOfPlaceholders(LogitsProcessor):
    def __init__(self, processor: Any, num_ids: int) -> None:
        self.processor, self.num_ids = processor, num_ids

    def __call__(self, input_ids: torch.LongTensor, scores: torch.Tensor) -> torch.Tensor:
        vocab_size = scores.shape[-1]
        known = F.pad(scores, (0, self.num_ids - vocab_size), value=-torch.inf)
        return self.processor(input_ids, known)[:, :vocab_size]


class DraftsWithoutPlaceholders(CandidateGenerator):
    """
    Drafts of another generator that copies them from the prompt. Where a placeholder follows, they end.

    Args:
        generator ([`PromptLookupCandidateGenerator`]):
            The other one.
        config ([`PreTrainedConfig`]):
            The model's.
    """

    def __init__(self, generator: PromptLookupCandidateGenerator, config: PreTrainedConfig) -> None:
        self.generator, self.placeholder_ids = generator, list(placeholder_ids(config).values())

    def get_candidates(self, input_ids: torch.Tensor, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        is_placeholder = torch.isin(input_ids, torch.tensor(self.placeholder_ids, device=input_ids.device))
        # a draft is cut at the end of an answer
        end = 0 if self.generator.eos_token_id is None else int(self.generator.eos_token_id.flatten()[0])
        drafted, logits = self.generator.get_candidates(input_ids.masked_fill(is_placeholder, end), **kwargs)
        return torch.cat([input_ids, drafted[:, input_ids.shape[1] :]], dim=1), logits

    def update_candidate_strategy(self, *args: Any, **kwargs: Any) -> None:
        self.generator.update_candidate_strategy(*args, **kwargs)
