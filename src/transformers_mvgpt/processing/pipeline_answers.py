# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the pipeline returns: answers as text, chats or ids, which frames were selected, or why there is no answer."""

from collections.abc import Iterator
from typing import Any

import torch
from transformers.utils.chat_template_utils import Chat
from transformers.video_utils import VideoMetadata


def make_records(
    outputs: dict[str, Any],
    processor: Any,
    return_tensors: bool = False,
    return_full_text: bool | None = None,
    skip_special_tokens: bool = True,
    **decode_kwargs: Any,
) -> list[dict[str, Any]]:
    """
    A record for each sequence that was generated for a sample, or one with its `"error"`.

    Args:
        outputs (`dict`): what the pipeline's `_forward` made of the sample.
        processor ([`VisionLanguageProcessor`]): what decodes.
        return_tensors, return_full_text, skip_special_tokens, decode_kwargs: as the pipeline takes them.
    """
    if outputs["error"] is not None:
        return [{"error": outputs["error"]}]
    prompt, new_ids = outputs["prompt"], outputs["new_ids"].flatten(0, -2)
    records: list[dict[str, Any]]
    if return_tensors:
        prompt_ids = outputs["prompt_ids"].flatten()
        records = [{"generated_token_ids": torch.cat([prompt_ids, ids])} for ids in new_ids]
    else:
        is_continued = outputs["continue_final_message"]
        # in a text that goes on, a blank in front is one between words
        goes_on = is_continued or (return_full_text and isinstance(prompt, str))
        decode = processor.batch_decode if goes_on else processor.decode_answers
        answers = decode(new_ids, skip_special_tokens=skip_special_tokens, **decode_kwargs)
        if return_full_text or (return_full_text is None and isinstance(prompt, Chat)):
            answers = [_append(prompt, answer, is_continued) for answer in answers]
        records = [{"generated_text": answer} for answer in answers]
    if outputs["selected_frames"] is not None:
        records = [{**record, "selected_frames": outputs["selected_frames"]} for record in records]
    return records


def _append(prompt: Chat | str, answer: str, continue_final_message: bool) -> list[dict[str, Any]] | str:
    """The prompt with the answer: at the end of a text or of the message that it continues, or as a new message."""
    if isinstance(prompt, str):
        return prompt + answer
    if not continue_final_message:
        return [*prompt.messages, {"role": "assistant", "content": answer}]
    *earlier, last = prompt.messages
    if isinstance(last["content"], str):
        return [*earlier, {**last, "content": last["content"] + answer}]
    *parts, part = last["content"]
    return [*earlier, {**last, "content": [*parts, {**part, "text": part["text"] + answer}]}]


def describe_frames(
    number: int, video: VideoMetadata, selected: list[int], scores: list[float]
) -> Iterator[dict[str, Any]]:
    """Selected frames of the video of this number, in time order; those that fill up a short video are none."""
    is_timed = video.fps is not None or getattr(video, "timestamps_seconds", None) is not None
    times = video.timestamps if is_timed else [None] * len(video.frames_indices)
    for position in selected:
        if position < len(video.frames_indices):
            index = video.frames_indices[position]
            yield {"video": number, "index": index, "seconds": times[position], "score": scores[position]}
