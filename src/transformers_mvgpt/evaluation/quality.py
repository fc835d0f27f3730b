# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A model's answers to questions about videos and images."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, Literal

import torch
from transformers import ProcessorMixin
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ..modeling.generation_inputs import context_length
from ..modeling.vision_language_model import VisionLanguageForConditionalGeneration
from ..processing.out_of_memory import explain_out_of_memory, what_to_lower
from ..processing.pipeline_answers import describe_frames
from ..video.error_text import describe_error
from .questions import ScoredQuestion


@dataclass(frozen=True)
class GivenAnswer:
    """
    Args:
        text (`str`): the answer; `""` where there is none.
        error (`str`, *optional*): why there is none, in one line.
        frames (`dict[str, list[dict]]`):
            What the model looked at of a video: `"selected_frames"`, those that a model of a family that selects frames gave to its video
            encoder, with `"video"`, `"index"`, `"seconds"` and `"score"` as the pipeline has them; else `"sampled_frames"`, without a
            score. Nothing of an image.
    """

    text: str
    error: str | None = None
    frames: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Prepared:
    """A question with its encoded visual, of one (1, tokens, hidden size), or why it has none."""

    modality: str = ""
    ids: list[int] = field(default_factory=list)
    encoded: BaseModelOutputWithPooling | None = None
    frames: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    error: str | None = None


def answer_questions(
    model: VisionLanguageForConditionalGeneration,
    processor: ProcessorMixin,
    questions: Sequence[ScoredQuestion],
    **options: Any,
) -> Iterator[str]:
    """
    The texts of [`give_answers`], which has the same arguments.

    Yields:
        `str`: the answer to each question, in their order.
    """
    return (answer.text for answer in give_answers(model, processor, questions, **options))


@torch.no_grad()
def give_answers(
    model: VisionLanguageForConditionalGeneration,
    processor: ProcessorMixin,
    questions: Sequence[ScoredQuestion],
    *,
    shuffle_frames: bool = False,
    seed: int = 0,
    num_workers: int = 1,
    batch_size: int | None = None,
    on_error: Literal["raise", "return"] = "raise",
    template_variables: Mapping[str, Any] | None = None,
    **generate_kwargs: Any,
) -> Iterator[GivenAnswer]:
    """
    Answers questions greedily. A video or image is decoded and encoded once for all questions about it that stand together. A model
    that takes videos alone sees an image as a video of one frame.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]): a model.
        processor ([`ProcessorMixin`]): its processor.
        questions (`Sequence[ScoredQuestion]`): questions about one video or image stand together.
        shuffle_frames (`bool`, defaults to `False`):
            Show the sampled frames in random order. A model whose answers do not suffer does not look at time.
        seed (`int`, defaults to 0): of the random orders.
        num_workers (`int`, defaults to 1):
            Threads that decode the next videos, one each, while the model answers; with 0, nothing is read ahead.
        batch_size (`int`, *optional*):
            At most so many questions are answered together, about one video or several; by default all those about one.
        on_error (`str`, defaults to `"raise"`):
            `"return"` gives answers with an `error` where a video or image cannot be read, or a question is too long for the model.
        template_variables (`Mapping[str, Any]`, *optional*): of the chat template, such as `think` of TinyLLaVA-Video-R1.
        generate_kwargs: arguments of `generate`, such as `max_new_tokens`.

    Yields:
        [`GivenAnswer`]: to each question, in their order.

    Raises:
        ValueError, OSError: if a video or image cannot be read, or the model takes images alone and a question is about a video.
    """
    if "video" not in model.pixel_inputs and any(question.modality == "video" for question in questions):
        raise ValueError(
            f"A {type(model).__name__} takes images, no videos: ask about `image` instead of `video`, or use a model for videos."
        )
    variables = dict(template_variables or {})
    if variables:
        # an unknown one is no property of a question
        processor.encode_chat([{"role": "user", "content": [{"type": "text", "text": "?"}]}], **variables)
    limit = context_length(model.config)
    generator = torch.Generator().manual_seed(seed)
    options = {"max_new_tokens": 128, "do_sample": False, **generate_kwargs}
    groups = [list(group) for _, group in groupby(questions, key=lambda question: question.encoding_key)]
    waiting: list[_Prepared] = []
    for features, group in zip(
        _decode_ahead(processor, [group[0] for group in groups], num_workers), groups, strict=True
    ):
        if isinstance(features, Exception):
            if on_error == "raise":
                yield from _answer(model, processor, waiting, options)
                raise features
            waiting += [_Prepared(error=describe_error(features))] * len(group)
        else:
            order = _random_order(model, group[0], features, generator) if shuffle_frames else None
            modality, encoded = _encode(model, group[0], features, order)
            frames = frames_looked_at(features, encoded, order)
            for question in group:
                try:
                    ids = _encode_prompt(processor, question, variables, limit)
                except ValueError as error:
                    if on_error == "raise":
                        raise
                    waiting.append(_Prepared(error=describe_error(error)))
                else:
                    waiting.append(_Prepared(modality, ids, encoded, frames))
        size = len(waiting) if batch_size is None else batch_size
        while size and len(waiting) >= size:
            yield from _answer(model, processor, waiting[:size], options)
            waiting = waiting[size:]
    yield from _answer(model, processor, waiting, options)


def _encode_prompt(
    processor: ProcessorMixin, question: ScoredQuestion, variables: Mapping[str, Any], limit: int
) -> list[int]:
    """
    The ids of a question's prompt.

    Raises:
        ValueError: if they are more than the model takes, or the chat is none.
    """
    ids = processor.encode_chat(_chat(question), **variables)
    if len(ids) > limit:
        raise ValueError(
            f"The prompt has {len(ids)} tokens, the language model takes at most {limit}: ask with less text."
        )
    return ids


def _chat(question: ScoredQuestion) -> list[dict[str, Any]]:
    if question.chat:
        return list(question.chat)
    return [{"role": "user", "content": [{"type": question.modality}, {"type": "text", "text": question.question}]}]


def _encode(
    model: VisionLanguageForConditionalGeneration,
    question: ScoredQuestion,
    features: Mapping[str, Any],
    order: torch.Tensor | None,
) -> tuple[str, BaseModelOutputWithPooling]:
    """The encoded visual, and what it is to the model."""
    modality = question.modality if question.modality in model.pixel_inputs else "video"  # of one frame
    # without what only videos of different lengths have
    streams = [features[name] for name in model.pixel_inputs[modality] if name in features]
    if order is not None:
        streams = [stream[:, order] for stream in streams]
    encode = getattr(model, f"get_{modality}_features")
    return modality, encode(*(stream.to(model.device, model.dtype) for stream in streams))


def _random_order(
    model: VisionLanguageForConditionalGeneration,
    question: ScoredQuestion,
    features: Mapping[str, Any],
    generator: torch.Generator,
) -> torch.Tensor | None:
    """For each place the frame that is shown there."""
    if question.modality in model.pixel_inputs and question.modality == "image":
        return None
    stream = next(features[name] for name in model.pixel_inputs["video"] if name in features)
    return torch.randperm(stream.shape[1], generator=generator)


def frames_looked_at(
    features: Mapping[str, Any], encoded: BaseModelOutputWithPooling, order: torch.Tensor | None
) -> dict[str, list[dict[str, Any]]]:
    """
    What [`GivenAnswer`] says of the frames.

    Args:
        features (`Mapping[str, Any]`): what the processor made of a video, with its metadata; or of an image.
        encoded (`BaseModelOutputWithPooling`): what the model made of those pixels.
        order (`torch.Tensor` of shape `(num_frames,)`, *optional*): for each place the sampled frame that was shown there.
    """
    if not features.get("video_metadata"):
        return {}
    [video] = features["video_metadata"]
    selected, scores = getattr(encoded, "selected_frames", None), getattr(encoded, "frame_scores", None)
    if selected is None or scores is None:
        sampled = list(range(len(video.frames_indices)))
        frames = describe_frames(0, video, sampled, [0.0] * len(sampled))
        return {
            "sampled_frames": [{name: value for name, value in frame.items() if name != "score"} for frame in frames]
        }
    chosen, attention = selected[0].tolist(), scores[0].tolist()
    if order is not None:
        # by their places before they were shuffled
        attention = [attention[place] for place in order.argsort().tolist()]
        chosen = sorted(order[chosen].tolist())
    return {"selected_frames": list(describe_frames(0, video, chosen, attention))}


def _answer(
    model: VisionLanguageForConditionalGeneration,
    processor: ProcessorMixin,
    prepared: Sequence[_Prepared],
    options: Mapping[str, Any],
) -> Iterator[GivenAnswer]:
    """The answers to questions, those about images and those about videos together."""
    texts: dict[int, str] = {}
    for modality in dict.fromkeys(one.modality for one in prepared if one.error is None):
        places = [place for place, one in enumerate(prepared) if one.error is None and one.modality == modality]
        inputs = processor.tokenizer.pad(
            {"input_ids": [prepared[place].ids for place in places]},
            padding=True,
            padding_side="left",
            return_tensors="pt",
        ).to(model.device)
        encoded = _join([prepared[place].encoded for place in places])
        with explain_out_of_memory(partial(what_to_lower, model, inputs["input_ids"], options)):
            output = model.generate(**inputs, mm_encoder_outputs={modality: encoded}, **options)
        answers = processor.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        texts |= {place: answer.strip() for place, answer in zip(places, answers, strict=True)}
    for place, one in enumerate(prepared):
        yield GivenAnswer(texts.get(place, ""), one.error, one.frames)


def _join(encoded: Sequence[Any]) -> BaseModelOutputWithPooling:
    """The encoded visual of each prompt behind each other."""
    tokens = [one.pooler_output for one in encoded]
    # one visual of all prompts need not be copied
    is_one = all(one is tokens[0] for one in tokens)
    return type(encoded[0])(pooler_output=tokens[0].expand(len(tokens), -1, -1) if is_one else torch.cat(tokens))


def _decode(processor: ProcessorMixin, question: ScoredQuestion) -> Any:
    """The pixels of what a question is about. No tokenizer is used."""
    if question.modality == "image":
        return processor(images=[question.image], return_tensors="pt")
    segment = {"start_seconds": question.start_seconds, "end_seconds": question.end_seconds}
    return processor.video_processor(
        question.video,
        return_tensors="pt",
        return_metadata=True,
        **{name: seconds for name, seconds in segment.items() if seconds is not None},
    )


def _decode_ahead(processor: ProcessorMixin, questions: Sequence[ScoredQuestion], num_workers: int) -> Iterator[Any]:
    """The pixels for each question, or the error that there was. Decoders let other threads run; the tokenizer would not bear it."""

    def decode(question: ScoredQuestion) -> Any:
        try:
            return _decode(processor, question)
        except Exception as error:
            return error

    if num_workers == 0:
        yield from map(decode, questions)
        return
    pending: deque[Future] = deque()
    with ThreadPoolExecutor(num_workers) as executor:
        try:
            for question in questions:
                pending.append(executor.submit(decode, question))
                if len(pending) > num_workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
