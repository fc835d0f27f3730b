# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A long stream of drawn scenes through a [`LiveVideo`], whose answers are compared with those of the offline path."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from soak.__main__ import measure
from transformers_mvgpt import LiveVideo, VideoChat
from transformers_mvgpt.demo.drawing import draw_frame
from transformers_mvgpt.demo.drawn_clip import make_clip
from transformers_mvgpt.video.video_metadata import SampledVideoMetadata


_FIRST_SEED = 910_000  # of scenes that were in no training or test
_QUESTION_TYPES = ("colour", "count", "yes_no", "order")


@dataclass
class Comparison:
    """
    A question about the window and about the same frames offline.

    Args:
        seconds (`float`): when it was asked, on the clock of the stream.
        question (`str`), live (`str`), offline (`str`): it, and both answers.
        has_same_frames (`bool`): whether the same frames were sampled, and selected where the model selects some.
        largest_difference (`float`): of the visual tokens, over their standard deviation.
    """

    seconds: float
    question: str
    live: str
    offline: str
    has_same_frames: bool
    largest_difference: float


@dataclass
class Soak:
    """
    Args:
        num_frames (`int`): that were added.
        num_encoded (`int`): that went through the image encoder.
        stream_seconds (`float`), seconds (`float`): of the stream, and how long it took.
        window_bytes (`int`): of the window.
        rss_megabytes (`list[float]`): memory of the process after each minute of the stream.
        comparisons (`list[Comparison]`): in the order asked.
    """

    num_frames: int = 0
    num_encoded: int = 0
    stream_seconds: float = 0.0
    seconds: float = 0.0
    window_bytes: int = 0
    rss_megabytes: list[float] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Also what the comparisons come to."""
        return asdict(self) | {
            "num_equal_answers": sum(asked.live == asked.offline for asked in self.comparisons),
            "largest_difference": max((asked.largest_difference for asked in self.comparisons), default=0.0),
        }


def drawn_stream(scene_seconds: float, frames_per_second: float, size: int) -> Iterator[tuple[np.ndarray, float, str]]:
    """
    Scenes one after the other, each with a question about it.

    Returns:
        `Iterator`: frames, uint8 of shape `(size, size, 3)`, when they are shown, and what can be asked about the scene.
    """
    num_frames = round(scene_seconds * frames_per_second)
    number = 0
    while True:
        seed = _FIRST_SEED + number // num_frames
        if number % num_frames == 0:
            clip = make_clip(seed, "test")
            known = [question for question in clip.questions if question.type in _QUESTION_TYPES]
        picture = draw_frame(clip.scene, number % num_frames / max(num_frames - 1, 1), size, size)
        yield picture, number / frames_per_second, known[seed % len(known)].text
        number += 1


def soak(
    model: PreTrainedModel,
    processor: Any,
    *,
    minutes: float = 10.0,
    window_seconds: float = 30.0,
    frames_per_second: float = 4.0,
    num_questions: int = 20,
    size: int = 96,
) -> Soak:
    """Adds frames as fast as the model takes them, with the times of a stream. Questions come in equal distances, the last at the end."""
    live = LiveVideo(model, processor, window_seconds=window_seconds, frames_per_second=frames_per_second)
    result = Soak()
    total = round(minutes * 60 * frames_per_second)
    is_counting = True

    def count(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
        result.num_encoded += len(inputs[0]) if is_counting else 0

    shown: deque[np.ndarray] = deque(maxlen=round(window_seconds * frames_per_second))
    began = time.monotonic()
    hook = model.model.vision_tower.embeddings.register_forward_pre_hook(count)
    try:
        for picture, seconds, question in drawn_stream(window_seconds, frames_per_second, size):
            shown.append(picture)
            result.num_frames += live.add_frame(picture, seconds)
            if result.num_frames * num_questions // total > len(result.comparisons):
                snapshot = live.snapshot()
                answer = live.ask(question, snapshot=snapshot, max_new_tokens=32, do_sample=False)
                is_counting = False
                offline = VideoChat(
                    model, processor, np.stack(shown), video_metadata=describe(len(shown), seconds, live)
                )
                result.comparisons.append(
                    Comparison(
                        seconds,
                        question,
                        answer,
                        offline.ask(question, max_new_tokens=32, do_sample=False),
                        *compare(snapshot.video, offline.video),
                    )
                )
                is_counting = True
            if result.num_frames % round(60 * frames_per_second) == 0:
                result.rss_megabytes.append(round(measure(result.num_frames).resident_bytes / 1e6, 1))
            if result.num_frames == total:
                break
    finally:
        hook.remove()
    result.stream_seconds, result.seconds = seconds, round(time.monotonic() - began, 1)
    result.window_bytes = live.num_bytes
    return result


def describe(num_frames: int, last_seconds: float, live: LiveVideo) -> SampledVideoMetadata:
    """What is known of the frames of a window, as of a video."""
    times = last_seconds - np.arange(num_frames)[::-1] / live.frames_per_second
    rate = (num_frames - 1) / (times[-1] - times[0]) if num_frames > 1 else None
    return SampledVideoMetadata(total_num_frames=num_frames, fps=rate, frame_times=times)


def compare(live: Any, offline: Any) -> tuple[bool, float]:
    """Whether two encoded videos have the same frames, and the largest difference of their visual tokens, over the standard deviation."""
    has_same_frames = offline.selected_frames is None or torch.equal(live.selected_frames, offline.selected_frames)
    difference = (live.pooler_output - offline.pooler_output).abs().max() / offline.pooler_output.std()
    return has_same_frames, difference.item()
