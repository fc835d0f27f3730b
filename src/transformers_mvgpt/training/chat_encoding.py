# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Chats to token ids, and which of them are to be learned."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..processing.chat_rendering import render_chat


IGNORED = -100  # transformers' losses do not look where this is the label


def placeholder_ids(processor: Any) -> dict[str, int]:
    """The token that stands for a visual, by modality: `"image"`, `"video"` or both, as the model takes them."""
    ids = {modality: getattr(processor, f"{modality}_token_id", None) for modality in ("image", "video")}
    return {modality: token_id for modality, token_id in ids.items() if token_id is not None}


def encode_chats(
    processor: Any, chats: list[list[dict[str, Any]]], num_image_tokens: int | None = None
) -> list[tuple[np.ndarray, np.ndarray] | str]:
    r"""
    Tokenizes chats, all in one go, and expands their placeholders. Prompt and answers are tokenized apart from each other,
    as when the model answers: a token that begins an answer never reaches back into the prompt.

        ids      <|im_start|> user \n <|video_pad|> ... \n Why ? <|im_end|> \n <|im_start|> assistant \n To eat . <|im_end|> \n
        labels        -100    -100 ...                                                        -100 -100 To eat . <|im_end|> -100

    Args:
        processor ([`ProcessorMixin`]): of the model.
        chats (`list[list[dict]]`): messages as [`to_messages`] returns them.
        num_image_tokens (`int`, *optional*): visual tokens that the model makes of an image, if not the processor's.

    Returns:
        `list[tuple[np.ndarray, np.ndarray] | str]`: for each chat token ids and labels, int64 of shape `(length,)`; or, if
        it cannot be used, why.

    Raises:
        ValueError: if the chat template does not mark what the assistant says.
    """
    tokenizer, modalities = processor.tokenizer, placeholder_ids(processor)
    control_tokens = re.compile("|".join(map(re.escape, tokenizer.get_added_vocab())) or r"(?!)")
    pieces: list[str] = []
    is_answer: list[bool] = []
    ends: list[int | str] = []
    for chat in chats:
        if problem := _misplaced(control_tokens, modalities, chat):
            ends.append(problem)
            continue
        text, answers = render_chat(
            processor.chat_template, chat, return_assistant_tokens_mask=True, **tokenizer.special_tokens_map
        )
        if not answers:
            raise ValueError(
                "The processor's chat template does not mark what the assistant says: put its answers between "
                "{% generation %} and {% endgeneration %}."
            )
        position = 0
        for first, last in answers:
            pieces += [text[position:first], text[first:last]]
            is_answer += [False, True]
            position = last
        pieces.append(text[position:])
        is_answer.append(False)
        ends.append(len(pieces))

    encoded = tokenizer(pieces, add_special_tokens=False, return_attention_mask=False)["input_ids"] if pieces else []
    token_counts = {
        token_id: getattr(processor, f"num_{modality}_tokens") for modality, token_id in modalities.items()
    }
    if num_image_tokens is not None:
        token_counts[modalities["image"]] = num_image_tokens
    results: list[tuple[np.ndarray, np.ndarray] | str] = []
    start = 0
    for end in ends:
        if isinstance(end, str):
            results.append(end)
            continue
        ids = np.concatenate([np.asarray(piece, np.int64) for piece in encoded[start:end]])
        learned = np.repeat(is_answer[start:end], [len(piece) for piece in encoded[start:end]])
        repeats = np.ones_like(ids)
        for token_id, count in token_counts.items():
            repeats[ids == token_id] = count
        results.append((np.repeat(ids, repeats), np.repeat(np.where(learned, ids, IGNORED), repeats)))
        start = end
    return results


def _misplaced(control_tokens: re.Pattern, modalities: Iterable[str], chat: list[dict[str, Any]]) -> str | None:
    """Words must not open or close a turn, nor stand for a visual, and visuals must be of a kind that the model takes."""
    for message in chat:
        for part in message["content"]:
            if part["type"] == "text" and (found := control_tokens.search(part["text"])):
                return f"its text has the control token {found[0]}: take it out"
            if part["type"] != "text" and message["role"] == "assistant":
                return f"a turn of the assistant has the part {part['type']!r}: the model can only say text"
            if part["type"] not in ("text", *modalities):
                return f"it has the part {part['type']!r}: the model takes {' and '.join(modalities)}s alone"
    return None
