# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Questions about videos and images, and what processor and model answer without the pipeline."""

import numpy as np
import torch
from PIL import Image


WHAT, WHERE = "What is it?", "Where?"
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8))
PIXELS = np.random.default_rng(1).integers(0, 256, (9, 30, 40, 3), dtype=np.uint8)  # of a video


def text(value: str) -> dict:
    return {"type": "text", "text": value}


def ask(question: str, *visuals: dict) -> list[dict]:
    return [{"role": "user", "content": [*visuals, text(question)]}]


def film(path) -> dict:
    return {"type": "video", "video": path}


def generate_ids(pipe, messages: list[dict], processor_kwargs: dict | None = None, **generate_kwargs) -> torch.Tensor:
    """What the processor and the model make of a chat, without the pipeline: the new tokens."""
    is_continued = messages[-1]["role"] == "assistant"
    inputs = pipe.processor.apply_chat_template(
        messages,
        add_generation_prompt=not is_continued,
        continue_final_message=is_continued,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs=dict(processor_kwargs or {}),  # which transformers adds to
    )
    ids = pipe.model.generate(**inputs, **{"max_new_tokens": 6, **generate_kwargs})
    return ids[:, inputs["input_ids"].shape[1] :]


def answer(pipe, messages: list[dict], **options) -> str:
    [ids] = generate_ids(pipe, messages, **options)
    return pipe.processor.decode(ids, skip_special_tokens=True)
