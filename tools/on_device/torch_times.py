# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The same times and memory with PyTorch, by what `mvgpt bench` measures with: `python -m on_device.torch_times SIZE DTYPE VIDEO RUNS TOKENS
THREADS`.
"""

import json
import statistics
import sys
import time

import torch

from transformers_mvgpt.evaluation.random_models import make_processor, make_random_model
from transformers_mvgpt.evaluation.speed import TokenClock, generate_tokens
from transformers_mvgpt.evaluation.visual_file import VisualFile

from .peak_memory import peak_bytes


@torch.inference_mode()
def main(size: str, dtype: str, video: str, runs: int, num_new_tokens: int, num_threads: int) -> None:
    """As [`onnx_times.main`]."""
    torch.set_num_threads(num_threads)
    begun = time.perf_counter()
    model = make_random_model(size, torch.device("cpu"), getattr(torch, dtype))
    processor = make_processor(model.config)
    model.config.video_token_id = processor.video_token_id
    loading = time.perf_counter() - begun
    visual, clock = VisualFile(model, processor, video), TokenClock()
    encodings, prefills, first_tokens = [], [], []
    for run in range(runs + 1):
        begun = time.perf_counter()
        given = {"video": visual.encode(model, visual.pixels())}
        encoded = time.perf_counter()
        generate_tokens(model, visual.prompt(), 1, mm_encoder_outputs=given)
        ended = time.perf_counter()
        if run:
            encodings.append(encoded - begun)
            prefills.append(ended - encoded)
            first_tokens.append(ended - begun)
        # the first steps compile
        generate_tokens(
            model, visual.prompt(), num_new_tokens, mm_encoder_outputs=given, streamer=clock if run else None
        )
    result = {
        "load_seconds": loading,
        "encode_seconds": statistics.median(encodings),
        "prefill_seconds": statistics.median(prefills),
        "first_token_seconds": statistics.median(first_tokens),
        "decode_step_seconds": statistics.median(clock.seconds),
        "peak_memory_bytes": peak_bytes(),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    size, dtype, video, *numbers = sys.argv[1:]
    main(size, dtype, video, *map(int, numbers))
