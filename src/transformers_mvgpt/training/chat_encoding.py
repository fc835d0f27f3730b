# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Chats and captions to token ids, and which of them are to be learned."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..processing.chat_rendering import render_chat


IGNORED = -100  # transformers' losses do not look where this is the label


@dataclass(frozen=True)
class _Piece:
    """
    Text that is tokenized on its own.

    Args:
        text (`str`): the text.
        learned (`tuple[tuple[int, int], ...]`): where in it is something to learn, start and end in characters.
        visual (`str`, *optional*): the modality of a visual in front of it.
    """

    text: str
    learned: tuple[tuple[int, int], ...] = ()
    visual: str | None = None


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

    Families whose processor `splits_at_placeholders` were trained on whole texts that are only split where a visual stands. A token
    is learned where it has a part of what the assistant says:

        ids      <s> A chat ... USER: <image> ... \n Why? ASSISTANT: ▁To ▁eat . </s> USER: ...
        labels   -100 ...                                      -100  ▁To ▁eat . </s> -100

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
    tokenizer, splits_at_visuals_alone = processor.tokenizer, getattr(processor, "splits_at_placeholders", False)
    cut: list[list[_Piece] | str] = []
    for chat, problem in zip(chats, _find_problems(processor, chats), strict=True):
        if problem:
            cut.append(problem)
            continue
        text, answers = render_chat(
            processor.chat_template, chat, return_assistant_tokens_mask=True, **tokenizer.special_tokens_map
        )
        if not answers:
            raise ValueError(
                "The processor's chat template does not mark what the assistant says: put its answers between "
                "{% generation %} and {% endgeneration %}."
            )
        boundaries = () if splits_at_visuals_alone else (position for answer in answers for position in answer)
        cut.append(list(_cut(text, answers, boundaries, processor)))
    return _encode(processor, cut, num_image_tokens)


def encode_captions(
    processor: Any, chats: list[list[dict[str, Any]]], num_image_tokens: int | None = None
) -> list[tuple[np.ndarray, np.ndarray] | str]:
    r"""
    A visual and what the assistant says of it, without a template and without the question: how projectors are pretrained.

        ids      <s> <image> ... ▁A ▁cat . \n
        labels  -100 -100 ...    ▁A ▁cat . \n

    Args, returns: as for [`encode_chats`]; chats that do not have one visual and one answer cannot be used.
    """
    cut: list[list[_Piece] | str] = []
    for chat, problem in zip(chats, _find_problems(processor, chats), strict=True):
        visuals = [part["type"] for message in chat for part in message["content"] if part["type"] != "text"]
        answers = [message["content"] for message in chat if message["role"] == "assistant"]
        if not problem and (len(visuals) != 1 or len(answers) != 1):
            problem = f"it has {len(visuals)} visuals and {len(answers)} answers, but this stage learns the caption of one visual"
        if problem:
            cut.append(problem)
            continue
        caption = "".join(part["text"] for part in answers[0]) + "\n"
        cut.append([_Piece(""), _Piece(caption, ((0, len(caption)),), visuals[0])])
    return _encode(processor, cut, num_image_tokens)


def _cut(text: str, answers: list[tuple[int, int]], boundaries: Iterable[int], processor: Any) -> Iterator[_Piece]:
    """The text of a chat, cut where visuals stand and at the boundaries."""
    modalities = {token: modality for modality, token in processor.placeholders.items()}
    visuals = list(re.finditer("|".join(map(re.escape, modalities)), text))
    # where a piece begins, and what stands in front of it
    starts = {0: None} | dict.fromkeys(boundaries) | {match.end(): modalities[match[0]] for match in visuals}
    ends = {match.end(): match.start() for match in visuals}
    ordered = sorted(starts)
    for start, following in zip(ordered, [*ordered[1:], len(text)], strict=True):
        end = ends.get(following, following)
        learned = tuple(
            (max(first, start) - start, min(last, end) - start)
            for first, last in answers
            if first < end and last > start
        )
        yield _Piece(text[start:end], learned, starts[start])


def _encode(
    processor: Any, cut: list[list[_Piece] | str], num_image_tokens: int | None
) -> list[tuple[np.ndarray, np.ndarray] | str]:
    """Ids and labels of chats that are cut into pieces."""
    tokenizer, ids_of = processor.tokenizer, placeholder_ids(processor)
    counts = {modality: getattr(processor, f"num_{modality}_tokens") for modality in ids_of}
    if num_image_tokens is not None:
        counts["image"] = num_image_tokens
    visuals = {modality: np.full(counts[modality], token_id, np.int64) for modality, token_id in ids_of.items()}
    pieces = [piece for own in cut if not isinstance(own, str) for piece in own]
    is_partial = [piece.learned not in ((), ((0, len(piece.text)),)) for piece in pieces]
    encoded = None
    if pieces:
        encoded = tokenizer(
            [piece.text for piece in pieces],
            add_special_tokens=False,
            return_attention_mask=False,
            return_offsets_mapping=any(is_partial),
        )
    beginning = _beginning(tokenizer) if tokenizer.bos_token is not None else []
    results: list[tuple[np.ndarray, np.ndarray] | str] = []
    number = 0
    for own in cut:
        if isinstance(own, str):
            results.append(own)
            continue
        assert encoded is not None
        starts_by_itself = bool(beginning) and own[0].text.startswith(tokenizer.bos_token)
        ids, labels = [np.asarray([] if starts_by_itself else beginning, np.int64)], []
        labels.append(np.full_like(ids[0], IGNORED))
        for piece in own:
            if piece.visual is not None:
                ids.append(visuals[piece.visual])
                labels.append(np.full_like(ids[-1], IGNORED))
            tokens = np.asarray(encoded["input_ids"][number], np.int64)
            if is_partial[number]:
                learned = _overlapping(encoded["offset_mapping"][number], piece.learned)
            else:
                learned = np.full(len(tokens), bool(piece.learned))
            ids.append(tokens)
            labels.append(np.where(learned, tokens, IGNORED))
            number += 1
        results.append((np.concatenate(ids), np.concatenate(labels)))
    return results


def _beginning(tokenizer: Any) -> list[int]:
    """The token that begins every text, if this tokenizer puts one there."""
    ids = tokenizer("")["input_ids"]
    return ids[:1] if ids[:1] == [tokenizer.bos_token_id] else []


def _overlapping(offsets: list[tuple[int, int]], spans: Iterable[tuple[int, int]]) -> np.ndarray:
    """Which tokens have a part of the spans, as a mask: of each span, all from its first to its last."""
    starts, ends = np.asarray(offsets, np.int64).reshape(-1, 2).T
    mask = np.zeros(len(starts), dtype=bool)
    for first, last in spans:
        [inside] = ((ends > first) & (starts < last) & (ends > starts)).nonzero()
        if len(inside):
            mask[inside[0] : inside[-1] + 1] = True
    return mask


def _find_problems(processor: Any, chats: list[list[dict[str, Any]]]) -> Iterator[str | None]:
    tokens = {*processor.tokenizer.get_added_vocab(), *processor.placeholders.values()}
    control_tokens = re.compile("|".join(map(re.escape, tokens)))
    modalities = tuple(placeholder_ids(processor))
    return (_misplaced(control_tokens, modalities, chat) for chat in chats)


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
