# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Times and memory of an exported model in a process without torch: `python -m on_device.onnx_times FOLDER PRECISION VIDEO RUNS TOKENS
THREADS` writes them as JSON.
"""

import json
import statistics
import sys
import time

from transformers_mvgpt.runtime import OnnxVideoChat

from .heard_model import HeardModel
from .peak_memory import peak_bytes


QUESTION = "What is happening in the video?"


def main(folder: str, precision: str, video: str, runs: int, num_new_tokens: int, num_threads: int) -> None:
    """One run that is not counted, then `runs` of which the medians count: from the file to the first token, then the decode steps."""
    begun = time.perf_counter()
    chat = OnnxVideoChat(folder, precision=precision, num_threads=num_threads)
    loading = time.perf_counter() - begun
    heard = HeardModel.of(chat)
    encodings, prefills, first_tokens, steps = [], [], [], []
    for run in range(runs + 1):
        heard.clear()
        begun = time.perf_counter()
        # of a path, the last one would be kept
        with open(video, "rb") as file:
            encoded = chat.encode(file)
        encoding = time.perf_counter() - begun
        chat.ask(encoded, QUESTION, max_new_tokens=num_new_tokens, temperature=0)
        if run:
            encodings.append(encoding)
            prefills.append(sum(heard.prefills))
            first_tokens.append(heard.first_token_at - begun)
            steps += heard.steps
    if len(steps) != runs * (num_new_tokens - 1):
        raise SystemExit(
            f"Error: {len(steps)} decode steps and not {runs * (num_new_tokens - 1)}: an answer ended early."
        )
    result = {
        "load_seconds": loading,
        "encode_seconds": statistics.median(encodings),
        "prefill_seconds": statistics.median(prefills),
        "first_token_seconds": statistics.median(first_tokens),
        "decode_step_seconds": statistics.median(steps),
        "peak_memory_bytes": peak_bytes(),
        "torch_was_loaded": "torch" in sys.modules,
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    folder, precision, video, *numbers = sys.argv[1:]
    main(folder, precision, video, *map(int, numbers))
