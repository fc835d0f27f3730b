# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Which token comes next, chosen of logits as transformers' `generate` does it:

    logits -> repetition penalty -> greedy: the highest
                                 -> sampled: / temperature -> top-k -> top-p -> drawn by softmax
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..video.limits import shorten


# Settings of a generation config that would change answers, and the values with which they do not.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "bad_words_ids": (),
    "begin_suppress_tokens": (),
    "constraints": (),
    "dola_layers": (),
    "encoder_no_repeat_ngram_size": (0,),
    "encoder_repetition_penalty": (1,),
    "epsilon_cutoff": (0,),
    "eta_cutoff": (0,),
    "exponential_decay_length_penalty": (),
    "forced_bos_token_id": (),
    "forced_eos_token_id": (),
    "guidance_scale": (1,),
    "min_length": (0,),
    "min_new_tokens": (0,),
    "min_p": (0,),
    "no_repeat_ngram_size": (0,),
    "num_beams": (1,),
    "penalty_alpha": (),
    "prompt_lookup_num_tokens": (),
    "remove_invalid_values": (False,),
    "sequence_bias": (),
    "stop_strings": (),
    "suppress_tokens": (),
    "top_h": (),
    "typical_p": (1,),
    "watermarking_config": (),
}
_DEFAULT_TOP_K = 50
_REMOVED = np.float32(-np.inf)


@dataclass(frozen=True)
class GenerationSettings:
    """
    How tokens are chosen.

    Args:
        eos_token_ids (`frozenset[int]`): tokens that end an answer.
        do_sample (`bool`): whether they are drawn; if not, each is the likeliest.
        temperature (`float`), top_k (`int`, 0 for all), top_p (`float`): of what is drawn.
        repetition_penalty (`float`): divides the logits of tokens that were there, where these are positive, and multiplies others.
        max_new_tokens (`int`, *optional*), max_length (`int`, *optional*): of the answer, and of prompt and answer together.
    """

    eos_token_ids: frozenset[int]
    do_sample: bool = False
    temperature: float = 1.0
    top_k: int = _DEFAULT_TOP_K
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    max_new_tokens: int | None = None
    max_length: int | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any], file: str) -> "GenerationSettings":
        """
        What `generation_config.json` says.

        Raises:
            ValueError: if a value is absurd, or one would change answers in a way that is not supported.
        """
        for name, neutral in _NEUTRAL.items():
            value = config.get(name)
            if value is not None and not any(value == other for other in neutral):
                raise ValueError(
                    f"{file} has `{name}` ({shorten(repr(value))}), which is not supported here: remove it, or answer with PyTorch."
                )
        eos = config.get("eos_token_id")
        ids = eos if isinstance(eos, list) else [] if eos is None else [eos]
        if not all(isinstance(index, int) and not isinstance(index, bool) for index in ids):
            raise ValueError(f"{file} has `eos_token_id` ({shorten(repr(eos))}), which must be whole numbers.")

        def given(name: str, default: Any, kind: type | tuple[type, ...], lowest: float) -> Any:
            value = config.get(name)
            if value is None:
                return default
            if isinstance(value, bool) or not isinstance(value, kind) or not lowest <= value < math.inf:  # type: ignore[operator]
                raise ValueError(
                    f"{file} has `{name}` ({shorten(repr(value))}), which must be a number of at least {lowest:g}: correct it."
                )
            return value

        temperature = float(given("temperature", 1.0, (int, float), 0))
        return cls(
            eos_token_ids=frozenset(ids),
            do_sample=config.get("do_sample") is True and temperature > 0,
            temperature=temperature or 1.0,
            top_k=given("top_k", _DEFAULT_TOP_K, int, 0),
            top_p=float(given("top_p", 1.0, (int, float), 0)),
            repetition_penalty=float(given("repetition_penalty", 1.0, (int, float), 1e-3)),
            max_new_tokens=given("max_new_tokens", None, int, 1),
            max_length=given("max_length", None, int, 1),
        )

    def with_options(self, temperature: float | None, top_p: float | None) -> "GenerationSettings":
        """
        As it is where neither is given. A temperature of 0 takes the likeliest token; else either of them draws.

        Raises:
            ValueError: if one of them is out of range.
        """
        for name, value, highest in (("temperature", temperature, math.inf), ("top_p", top_p, 1.0)):
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if value is not None and not (is_number and 0 <= value <= highest and math.isfinite(value)):
                bounds = "at least 0" if highest == math.inf else f"from 0 to {highest:g}"
                raise ValueError(f"`{name}` ({shorten(repr(value))}) must be a number, {bounds}.")
        if temperature is None and top_p is None:
            return self
        return replace(
            self,
            do_sample=temperature != 0,
            temperature=float(temperature or self.temperature),
            top_p=self.top_p if top_p is None else float(top_p),
        )


class TokenChoice:
    """
    Chooses the next token of one prompt.

    Args:
        settings ([`GenerationSettings`]): how.
        prompt_ids (`Sequence[int]`): the prompt.
        seed (`int`, *optional*): of what is drawn. With the same one, the same is drawn.
    """

    def __init__(self, settings: GenerationSettings, prompt_ids: Sequence[int], seed: int | None = None) -> None:
        self._settings = settings
        self._seen = set(prompt_ids)
        self._generator = np.random.default_rng(seed)

    def __call__(self, logits: np.ndarray) -> int:
        """
        Args:
            logits (`np.ndarray` of shape `(vocab_size,)`): of the next token.

        Raises:
            FloatingPointError: if they are NaN or infinite.
        """
        # NaN is higher than any number
        if not np.isfinite(logits.max()):
            raise FloatingPointError(
                "The logits are NaN or infinite, and no answer can be made of them. Use another precision, such as fp32."
            )
        scores = warp_logits(logits.astype(np.float32), self._settings, self._seen)
        token = self._draw(scores) if self._settings.do_sample else int(scores.argmax())
        self._seen.add(token)
        return token

    def _draw(self, scores: np.ndarray) -> int:
        weights = np.exp(scores.astype(np.float64) - scores.max())
        cumulative = weights.cumsum()
        drawn = self._generator.random() * cumulative[-1]
        return int(np.searchsorted(cumulative, drawn, side="right").clip(max=len(scores) - 1))


def warp_logits(logits: np.ndarray, settings: GenerationSettings, seen: set[int]) -> np.ndarray:
    """
    Logits (vocab_size,) float32, with -inf for what is not to be drawn.

    Args:
        logits (`np.ndarray` of shape `(vocab_size,)`): of the model.
        settings ([`GenerationSettings`]): how tokens are chosen.
        seen (`set[int]`): tokens of the prompt and the answer so far. Those out of the vocabulary have no logits.
    """
    scores = np.array(logits, dtype=np.float32)
    if settings.repetition_penalty != 1:
        ids = np.array([index for index in seen if 0 <= index < len(scores)], dtype=np.int64)
        penalty = np.float32(settings.repetition_penalty)
        scores[ids] = np.where(scores[ids] < 0, scores[ids] * penalty, scores[ids] / penalty)
    if not settings.do_sample:
        return scores
    if settings.temperature != 1:
        scores = scores / np.float32(settings.temperature)
    if settings.top_k:
        number = min(settings.top_k, len(scores))
        # those equal to the last one stay too
        scores = np.where(scores >= np.partition(scores, -number)[-number], scores, _REMOVED)
    if settings.top_p < 1:
        scores = np.where(_are_likely(scores, settings.top_p), scores, _REMOVED)
    return scores


def _are_likely(scores: np.ndarray, mass: float) -> np.ndarray:
    """Which are the likeliest tokens that together have this probability, at least one."""
    order = np.argsort(scores, kind="stable")
    weights = np.exp(scores[order] - scores.max())
    cumulative = (weights / weights.sum()).cumsum(dtype=np.float32)
    kept = np.empty(len(scores), dtype=bool)
    kept[order] = cumulative > np.float32(1 - mass)
    kept[order[-1]] = True
    return kept
