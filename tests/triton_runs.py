# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Where tests of Triton kernels run: in Triton's interpreter, on CPU, or compiled, on a GPU."""

import os

import torch

from transformers_mvgpt.modeling import selective_scan_triton_mvgpt, videomamba_triton_mvgpt


IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = torch.device("cpu" if IS_INTERPRETED else "cuda")


def use_small_blocks(monkeypatch):
    """The interpreter scans number by number: for its sake, several blocks of few tokens."""
    if IS_INTERPRETED:
        monkeypatch.setattr(selective_scan_triton_mvgpt, "_TOKENS_PER_BLOCK", 4)
        monkeypatch.setattr(selective_scan_triton_mvgpt, "_SHORTEST_SEGMENT", 4)
        monkeypatch.setitem(selective_scan_triton_mvgpt._NUM_WARPS, "forward", 1)
        monkeypatch.setattr(videomamba_triton_mvgpt, "_CHANNELS", 32)
