# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A model's answers to questions about videos and images."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from typing import Any

import torch
from transformers import ProcessorMixin
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ..modeling.vision_language_model import VisionLanguageForConditionalGeneration
from .questions import ScoredQuestion


@torch.no_grad()
def answer_questions(
    model: VisionLanguageForConditionalGeneration,
    processor: ProcessorMixin,
    questions: Sequence[ScoredQuestion],
    *,
    shuffle_frames: bool = False,
    seed: int = 0,
    num_workers: int = 1,
    template_variables: Mapping[str, Any] | None = None,
    **generate_kwargs: Any,
) -> Iterator[str]:
    """
    Answers questions greedily, those about one video or image together: it is decoded and encoded once. A model that takes videos
    alone sees an image as a video of one frame.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]): a model.
        processor ([`ProcessorMixin`]): its processor.
        questions (`Sequence[ScoredQuestion]`): questions about one video or image stand together.
        shuffle_frames (`bool`, defaults to `False`):
            Show the sampled frames in random order. A model whose answers do not suffer does not look at time.
        seed (`int`, defaults to 0): of the random orders.
        num_workers (`int`, defaults to 1):
            Threads that decode the next videos, one each, while the model answers; with 0, nothing is read ahead.
        template_variables (`Mapping[str, Any]`, *optional*): of the chat template, such as `think` of TinyLLaVA-Video-R1.
        generate_kwargs: arguments of `generate`, such as `max_new_tokens`.

    Yields:
        `str`: the answer to each question, in their order.

    Raises:
        ValueError, OSError: if a video or image cannot be read, or the model takes images alone and a question is about a video.
    """
    if "video" not in model.pixel_inputs and any(question.modality == "video" for question in questions):
        raise ValueError(
            f"A {type(model).__name__} takes images, no videos: ask about `image` instead of `video`, or use a model for videos."
        )
    generator = torch.Generator().manual_seed(seed)
    options = {"max_new_tokens": 128, "do_sample": False, **generate_kwargs}
    groups = [list(group) for _, group in groupby(questions, key=lambda question: (question.video, question.image))]
    decoded = _decode_ahead(processor, [group[0] for group in groups], num_workers)
    for features, group in zip(decoded, groups, strict=True):
        modality = group[0].modality
        inputs = _prompts(processor, modality, [question.question for question in group], template_variables or {})
        if modality not in model.pixel_inputs:
            modality = "video"  # of one frame
        # without what only videos of different lengths have
        streams = [features[name] for name in model.pixel_inputs[modality] if name in features]
        if shuffle_frames and modality == "video":
            order = torch.randperm(streams[0].shape[1], generator=generator)
            streams = [stream[:, order] for stream in streams]
        encode = getattr(model, f"get_{modality}_features")
        encoded = encode(*(stream.to(model.device, model.dtype) for stream in streams))
        inputs = inputs.to(model.device)
        output = model.generate(**inputs, mm_encoder_outputs={modality: _repeat(encoded, len(group))}, **options)
        new_ids = output[:, inputs["input_ids"].shape[1] :]
        yield from (answer.strip() for answer in processor.batch_decode(new_ids, skip_special_tokens=True))


def _decode(processor: ProcessorMixin, question: ScoredQuestion) -> Any:
    """The pixels of what a question is about. No tokenizer is used."""
    if question.modality == "image":
        return processor(images=[question.image], return_tensors="pt")
    return processor.video_processor(question.video, return_tensors="pt")


def _decode_ahead(processor: ProcessorMixin, questions: Sequence[ScoredQuestion], num_workers: int) -> Iterator[Any]:
    """The pixels for each question. Decoders let other threads run; the tokenizer would not bear it."""
    if num_workers == 0:
        yield from (_decode(processor, question) for question in questions)
        return
    pending: deque[Future] = deque()
    with ThreadPoolExecutor(num_workers) as executor:
        try:
            for question in questions:
                pending.append(executor.submit(_decode, processor, question))
                if len(pending) > num_workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


def _prompts(processor: ProcessorMixin, modality: str, texts: list[str], variables: Mapping[str, Any]) -> Any:
    """The prompts of all questions about a video or an image, without its pixels."""
    chats = [[{"role": "user", "content": [{"type": modality}, {"type": "text", "text": text}]}] for text in texts]
    ids = [processor.encode_chat(chat, **variables) for chat in chats]
    return processor.tokenizer.pad({"input_ids": ids}, padding=True, padding_side="left", return_tensors="pt")


def _repeat(encoded: BaseModelOutputWithPooling, times: int) -> BaseModelOutputWithPooling:
    """The encoded video or image once for each prompt."""
    return type(encoded)(pooler_output=encoded.pooler_output.expand(times, -1, -1))
