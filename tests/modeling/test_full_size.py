# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The published sizes in full, with random weights."""

import statistics
import time
from contextlib import nullcontext

import pytest
import torch

from transformers_mvgpt import (
    MobileVideoGPTConfig,
    MobileVideoGPTForConditionalGeneration,
    VideoMambaConfig,
    VideoMambaModel,
)
from transformers_mvgpt.evaluation.scan_left_out import scan_left_out


pytestmark = pytest.mark.slow


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_0_5b_answers_about_a_video(dtype):
    model = MobileVideoGPTForConditionalGeneration(MobileVideoGPTConfig()).eval().to(dtype)
    assert model.num_parameters() == 656_605_056
    prompt = torch.tensor([[1, 2, 3, *[model.config.video_token_id] * model.config.num_video_tokens, 4, 5]])
    frames, context = torch.randn(2, 1, 16, 3, 224, 224, dtype=dtype)
    outputs = model.generate(
        prompt,
        pixel_values_videos=frames,
        context_pixel_values_videos=context,
        min_new_tokens=2,
        max_new_tokens=2,
        output_logits=True,
        return_dict_in_generate=True,
    )
    assert outputs.sequences.shape == (1, prompt.shape[1] + 2)
    assert all(logits.isfinite().all() for logits in outputs.logits)


def test_videomamba_takes_at_most_3_5_times_as_long_as_without_its_scan():
    """Without it means that the scan returns its input. Measured in turns, since machines are shared."""
    model = VideoMambaModel(VideoMambaConfig()).eval()
    frames = torch.randn(1, 8, 3, 224, 224)

    def measure(context):
        begin = time.perf_counter()
        with context(), torch.inference_mode():
            model(frames)
        return time.perf_counter() - begin

    for context in (nullcontext, scan_left_out):  # warm-up
        measure(context)
    seconds = [(measure(nullcontext), measure(scan_left_out)) for _ in range(5)]
    with_scan, without_scan = (statistics.median(column) for column in zip(*seconds, strict=True))
    assert with_scan <= 3.5 * without_scan
