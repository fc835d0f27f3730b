# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the pipeline returns: answers as text, chats or ids, which frames were selected, or why there is no answer."""

from collections.abc import Iterator, Sequence
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
        records = [{**record, **outputs["selected_frames"]} for record in records]
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


def describe_selection(
    video: VideoMetadata,
    selected: Sequence[int],
    scores: Sequence[float | None],
    frames_per_chunk: int | None,
    method: str | None,
) -> dict[str, Any]:
    """
    The frames that were sampled of a video, in time order.

    Args:
        video (`VideoMetadata`): what the processor says of it.
        selected (`Sequence[int]`): which of them the video encoder saw.
        scores (`Sequence[float]`): one for each frame that the model got, and so for the zero frames behind a short video too.
        frames_per_chunk (`int`, *optional*), method (`str`, *optional*): as in a `FrameSelection`.

    Returns:
        `dict[str, Any]`: `method`, `frames_per_chunk`, `num_zero_frames`, and `frames` with `index`, `seconds`, `score` and
        `is_selected` of each.
    """
    indices = video.frames_indices
    is_timed = video.fps is not None or getattr(video, "timestamps_seconds", None) is not None
    times = video.timestamps if is_timed else [None] * len(indices)
    frames = [
        {"index": index, "seconds": time, "score": score, "is_selected": position in selected}
        for position, (index, time, score) in enumerate(zip(indices, times, scores, strict=False))
    ]
    return {
        "method": method,
        "frames_per_chunk": frames_per_chunk,
        "num_zero_frames": len(scores) - len(frames),
        "frames": frames,
    }


def describe_frames(
    number: int, video: VideoMetadata, selected: Sequence[int], scores: Sequence[float]
) -> Iterator[dict[str, Any]]:
    """Selected frames of the video of this number, in time order; those that fill up a short video are none."""
    for frame in describe_selection(video, selected, scores, None, None)["frames"]:
        if frame["is_selected"]:
            yield {"video": number, **{name: frame[name] for name in ("index", "seconds", "score")}}
