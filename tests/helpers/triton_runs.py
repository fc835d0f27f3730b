# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Where tests of Triton kernels run: in Triton's interpreter, on CPU, or compiled, on a GPU."""

import os

import torch

from transformers_mvgpt.kernels import triton_mixer, triton_scan, triton_scan_gradients


IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = torch.device("cpu" if IS_INTERPRETED else "cuda")


def use_small_blocks(monkeypatch):
    """The interpreter scans number by number: for its sake, several blocks of few tokens."""
    if IS_INTERPRETED:
        monkeypatch.setattr(triton_scan, "_TOKENS_PER_BLOCK", 4)
        monkeypatch.setattr(triton_scan_gradients, "_TOKENS_IN_REGISTERS", 2)
        monkeypatch.setattr(triton_scan_gradients, "_SHORTEST_SEGMENT", 4)
        monkeypatch.setattr(triton_scan, "_SHORTEST_SEGMENT", 4)
        monkeypatch.setitem(triton_scan._NUM_WARPS, "forward", 1)
        monkeypatch.setattr(triton_mixer, "_CHANNELS", 32)
        monkeypatch.setattr(triton_mixer, "_prepare_sizes", lambda dtype: (16, 16, 1, 1))
