# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A model's answers to questions about videos."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from typing import Any

import torch
from transformers import ProcessorMixin

from ..modeling.outputs import VideoFeatures
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
    **generate_kwargs: Any,
) -> Iterator[str]:
    """
    Answers questions greedily, those about one video together: it is decoded and encoded once.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]): a model that takes videos.
        processor ([`ProcessorMixin`]): its processor.
        questions (`Sequence[ScoredQuestion]`): questions about one video stand together.
        shuffle_frames (`bool`, defaults to `False`):
            Show the sampled frames in random order. A model whose answers do not suffer does not look at time.
        seed (`int`, defaults to 0): of the random orders.
        num_workers (`int`, defaults to 1):
            Threads that decode the next videos, one each, while the model answers; with 0, nothing is read ahead.
        generate_kwargs: arguments of `generate`, such as `max_new_tokens`.

    Yields:
        `str`: the answer to each question, in their order.

    Raises:
        ValueError, OSError: if a video cannot be read.
    """
    generator = torch.Generator().manual_seed(seed)
    options = {"max_new_tokens": 128, "do_sample": False, **generate_kwargs}
    groups = [(video, list(group)) for video, group in groupby(questions, key=lambda question: question.video)]
    decoded = _decode_ahead(processor.video_processor, [video for video, _ in groups], num_workers)
    for features, (_, group) in zip(decoded, groups, strict=True):
        texts = [question.question for question in group]
        inputs = _prompts(processor, texts)
        # without what only videos of different lengths have
        streams = [features[name] for name in model.pixel_inputs["video"] if name in features]
        if shuffle_frames:
            order = torch.randperm(streams[0].shape[1], generator=generator)
            streams = [stream[:, order] for stream in streams]
        encoded = model.get_video_features(*(stream.to(model.device, model.dtype) for stream in streams))
        inputs = inputs.to(model.device)
        output = model.generate(**inputs, mm_encoder_outputs={"video": _repeat(encoded, len(texts))}, **options)
        new_ids = output[:, inputs["input_ids"].shape[1] :]
        yield from (answer.strip() for answer in processor.batch_decode(new_ids, skip_special_tokens=True))


def _decode_ahead(video_processor: Callable[..., Any], videos: Sequence[str], num_workers: int) -> Iterator[Any]:
    """The pixels of each video. Decoders let other threads run; the tokenizer would not bear it."""
    if num_workers == 0:
        yield from (video_processor(video, return_tensors="pt") for video in videos)
        return
    pending: deque[Future] = deque()
    with ThreadPoolExecutor(num_workers) as executor:
        try:
            for video in videos:
                pending.append(executor.submit(video_processor, video, return_tensors="pt"))
                if len(pending) > num_workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


def _prompts(processor: ProcessorMixin, texts: list[str]) -> Any:
    """The prompts of all questions about a video, without its pixels."""
    chats = [[{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": text}]}] for text in texts]
    ids = [processor.encode_chat(chat) for chat in chats]
    return processor.tokenizer.pad({"input_ids": ids}, padding=True, padding_side="left", return_tensors="pt")


def _repeat(encoded: VideoFeatures, times: int) -> VideoFeatures:
    """The encoded video once for each prompt."""
    return type(encoded)(pooler_output=encoded.pooler_output.expand(times, -1, -1))
