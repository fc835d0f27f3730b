# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Chats and captions to token ids, and which of them are to be learned."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..processing.chat_rendering import RefusedChatError, render_chat
from ..processing.labeled_inputs import IGNORED
from ..processing.text_pieces import TokenizerOfPieces


def placeholder_ids(processor: Any) -> dict[str, int]:
    """The token that stands for a visual, by modality: `"image"`, `"video"` or both, as the model takes them."""
    ids = {modality: getattr(processor, f"{modality}_token_id", None) for modality in ("image", "video")}
    return {modality: token_id for modality, token_id in ids.items() if token_id is not None}


def visual_kinds(processor: Any) -> tuple[str, ...]:
    """What may be shown to the model. To one that takes videos alone, an image is a video of one frame."""
    modalities = tuple(placeholder_ids(processor))
    return ("image", "video") if modalities == ("video",) else modalities


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
    rendered: list[tuple[str, list[tuple[int, int]]] | str] = []
    for chat, problem in zip(chats, _find_problems(processor, chats), strict=True):
        if problem:
            rendered.append(problem)
            continue
        try:
            text, answers = render_chat(
                processor.chat_template,
                chat,
                return_assistant_tokens_mask=True,
                **processor.tokenizer.special_tokens_map,
            )
        except RefusedChatError as error:
            rendered.append(f"its chat template refuses it: {error}")
            continue
        if not answers:
            raise ValueError(
                "The processor's chat template does not mark what the assistant says: put its answers between "
                "{% generation %} and {% endgeneration %}."
            )
        rendered.append((text, _learned(answers, chat)))
    tokenize = _tokenize_whole if processor.splits_at_placeholders else _tokenize_answers_apart
    tokenized = iter(tokenize(processor, [own for own in rendered if not isinstance(own, str)]))
    counts = _token_counts(processor, num_image_tokens)
    return [own if isinstance(own, str) else _expand(*next(tokenized), counts) for own in rendered]


def _learned(answers: list[tuple[int, int]], chat: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Of the spans of what the assistant says, those that are no part of a prompt."""
    turns = [message.get("is_learned", True) for message in chat if message["role"] == "assistant"]
    if all(turns):
        return answers
    if len(turns) != len(answers):
        raise ValueError(
            f"The chat template marks {len(answers)} answers of {len(turns)}: it must mark each of them once where a prompt has some."
        )
    return [span for span, is_learned in zip(answers, turns, strict=True) if is_learned]


def encode_captions(
    processor: Any, chats: list[list[dict[str, Any]]], num_image_tokens: int | None = None
) -> list[tuple[np.ndarray, np.ndarray] | str]:
    r"""
    A visual and what the assistant says of it, without a template and without the question: how projectors are pretrained.

        ids      <s> <image> ... ▁A ▁cat . \n
        labels  -100 -100 ...    ▁A ▁cat . \n

    Args, returns: as for [`encode_chats`]; chats that do not have one visual and one answer cannot be used.
    """
    counts = _token_counts(processor, num_image_tokens)
    results: list[tuple[np.ndarray, np.ndarray] | str] = []
    for chat, problem in zip(chats, _find_problems(processor, chats), strict=True):
        visuals = [part["type"] for message in chat for part in message["content"] if part["type"] != "text"]
        answers = [message["content"] for message in chat if message["role"] == "assistant"]
        if not problem and (len(visuals) != 1 or len(answers) != 1):
            problem = (
                "this stage learns one visual's caption, so that it must have one visual and one answer, but it has "
                f"{len(visuals)} and {len(answers)}"
            )
        if problem:
            results.append(problem)
            continue
        placeholder = processor.placeholders.get(visuals[0]) or processor.placeholders["video"]
        caption = "".join(part["text"] for part in answers[0])
        [(ids, _)] = _tokenize_whole(processor, [(f"{placeholder}{caption}\n", [])])
        is_caption = np.cumsum(np.isin(ids, list(counts))) > 0
        is_caption &= ~np.isin(ids, list(counts))
        results.append(_expand(ids, is_caption, counts))
    return results


def _tokenize_answers_apart(
    processor: Any, texts: list[tuple[str, list[tuple[int, int]]]]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Ids of texts, and which of them belong to the answers, whose spans in characters are given; all are tokenized in one go."""
    pieces: list[str] = []
    is_answer: list[bool] = []
    ends: list[int] = []
    for text, answers in texts:
        position = 0
        for first, last in answers:
            pieces += [text[position:first], text[first:last]]
            is_answer += [False, True]
            position = last
        pieces.append(text[position:])
        is_answer.append(False)
        ends.append(len(pieces))
    if not pieces:
        return
    encoded = processor.tokenizer(pieces, add_special_tokens=False, return_attention_mask=False)["input_ids"]
    for start, end in zip([0, *ends], ends, strict=False):
        ids = np.concatenate([np.asarray(piece, np.int64) for piece in encoded[start:end]])
        yield ids, np.repeat(is_answer[start:end], [len(piece) for piece in encoded[start:end]])


def _tokenize_whole(
    processor: Any, texts: list[tuple[str, list[tuple[int, int]]]]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """As [`_tokenize_answers_apart`], but texts are only split at placeholders, and begin as the tokenizer begins a text."""
    ids_of = {token: getattr(processor, f"{modality}_token_id") for modality, token in processor.placeholders.items()}
    tokenizer = TokenizerOfPieces(processor.tokenizer, ids_of)
    bos = tokenizer.bos_token
    for text, answers in texts:
        encoded = tokenizer(
            text, add_special_tokens=bos is None or not text.startswith(bos), return_offsets_mapping=True
        )
        yield np.asarray(encoded["input_ids"], np.int64), _overlapping(encoded["offset_mapping"], answers)


def _token_counts(processor: Any, num_image_tokens: int | None) -> dict[int, int]:
    """How many visual tokens each placeholder stands for, by its id."""
    counts = {modality: getattr(processor, f"num_{modality}_tokens") for modality in placeholder_ids(processor)}
    if num_image_tokens is not None:
        counts["image"] = num_image_tokens
    return {token_id: counts[modality] for modality, token_id in placeholder_ids(processor).items()}


def _expand(ids: np.ndarray, is_learned: np.ndarray, counts: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Ids and labels with as many placeholders as there are visual tokens."""
    repeats = np.ones_like(ids)
    for token_id, count in counts.items():
        repeats[ids == token_id] = count
    return np.repeat(ids, repeats), np.repeat(np.where(is_learned, ids, IGNORED), repeats)


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
    kinds = visual_kinds(processor)
    return (_misplaced(control_tokens, kinds, chat) for chat in chats)


def _misplaced(control_tokens: re.Pattern, kinds: Iterable[str], chat: list[dict[str, Any]]) -> str | None:
    """Words must not open or close a turn, nor stand for a visual, and visuals must be of a kind that the model takes."""
    for message in chat:
        for part in message["content"]:
            if part["type"] == "text" and (found := control_tokens.search(part["text"])):
                return f"its text has the control token {found[0]}: take it out"
            if part["type"] != "text" and message["role"] == "assistant":
                return f"a turn of the assistant has the part {part['type']!r}: the model can only say text"
            if part["type"] not in ("text", *kinds):
                return f"it has the part {part['type']!r}: the model takes {' and '.join(kinds)}s alone"
    return None
