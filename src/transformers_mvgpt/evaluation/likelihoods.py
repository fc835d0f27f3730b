# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How likely a model finds given answers."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ..chat.visual_encoding import encode_visual
from ..processing.pipeline_video_text import VideoTextToTextPipeline
from ..training.chat_encoding import IGNORED, encode_chats


class AnswerLikelihood(NamedTuple):
    """
    Args:
        log_likelihood (`float`): natural logarithm of the probability of the answer's tokens, without the one that ends it.
        num_tokens (`int`): how many they are.
        is_greedy (`bool`): whether greedy decoding would begin with them.
    """

    log_likelihood: float
    num_tokens: int
    is_greedy: bool


@torch.no_grad()
def answer_likelihoods(
    pipe: VideoTextToTextPipeline,
    chat: Sequence[Mapping[str, Any]],
    answers: Sequence[str],
    batch_size: int = 1,
    **processor_kwargs: Any,
) -> list[AnswerLikelihood]:
    """
    Args:
        pipe ([`VideoTextToTextPipeline`]): the model and its processor.
        chat (`Sequence[dict]`): messages whose contents are lists of parts; the last one is the question. Its visuals are decoded and
            encoded once.
        answers (`Sequence[str]`): they stand where the model's answer would, behind what its chat template writes there.
        batch_size (`int`, defaults to 1): how many answers go through the language model together.
        processor_kwargs: options of the processor, such as `num_frames`.

    Raises:
        ValueError, OSError: if a visual cannot be read, or a text holds a control token.
    """
    model, processor = pipe.model, pipe.processor
    sample = pipe.preprocess(list(chat), **processor_kwargs)["sample"]
    encoded = {
        modality: encode_visual(model, modality, sample)
        for modality, names in model.pixel_inputs.items()
        if any(name in sample for name in names)
    }
    rows = [_with_answer(processor, chat, answer) for answer in answers]
    return [
        result
        for first in range(0, len(rows), batch_size)
        for result in _likelihoods(
            model, rows[first : first + batch_size], encoded, processor.tokenizer.pad_token_id or 0
        )
    ]


def _with_answer(processor: Any, chat: Sequence[Mapping[str, Any]], answer: str) -> tuple[torch.Tensor, int]:
    """The ids of the chat with an answer, up to its last token, and how many tokens of them are the answer's."""
    said = [*chat, {"role": "assistant", "content": [{"type": "text", "text": answer}]}]
    # where a visual stands is all that a prompt says of it
    texts = [
        {
            **message,
            "content": [part if part["type"] == "text" else {"type": part["type"]} for part in message["content"]],
        }
        for message in said
    ]
    [encoded] = encode_chats(processor, [texts])
    if isinstance(encoded, str):
        raise ValueError(f"The likelihood of an answer in this chat cannot be computed: {encoded}.")
    ids, labels = encoded
    *learned, end = (labels != IGNORED).nonzero()[0].tolist()  # the last one is the token that ends the answer
    return torch.from_numpy(ids[:end]), len(learned)


def _likelihoods(
    model: PreTrainedModel,
    rows: list[tuple[torch.Tensor, int]],
    encoded: Mapping[str, BaseModelOutputWithPooling],
    pad_token_id: int,
) -> list[AnswerLikelihood]:
    longest = max(len(ids) for ids, _ in rows)
    input_ids = torch.full((len(rows), longest), pad_token_id)  # padded on the left: all answers end at the end
    attention_mask = torch.zeros_like(input_ids)
    for row, (ids, _) in enumerate(rows):
        input_ids[row, longest - len(ids) :] = ids
        attention_mask[row, longest - len(ids) :] = 1
    position_ids = (attention_mask.cumsum(-1) - 1).clamp(min=0)
    visuals = {
        modality: type(output)(pooler_output=output.pooler_output.repeat(len(rows), 1, 1))
        for modality, output in encoded.items()
    }
    outputs = model(
        input_ids=input_ids.to(model.device),
        attention_mask=attention_mask.to(model.device),
        position_ids=position_ids.to(model.device),
        mm_encoder_outputs=visuals,
        logits_to_keep=1 + max(num_tokens for _, num_tokens in rows),
        use_cache=False,
    )
    results = []
    for (ids, num_tokens), logits in zip(rows, outputs.logits.float(), strict=True):
        target = ids[len(ids) - num_tokens :].to(logits.device)
        # (num_tokens, vocab_size): what is said before each token of the answer
        before = logits[len(logits) - 1 - num_tokens : -1].log_softmax(-1)
        likelihood = before.gather(-1, target[:, None]).sum().item()
        results.append(AnswerLikelihood(likelihood, num_tokens, bool((before.argmax(-1) == target).all())))
    return results
