# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Weights and pixels that depend on nothing but a name and a shape. The reference data in `tests/data` were measured with
them.
"""

import math
import zlib

import numpy as np
import torch


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal float32 values, seeded by the name."""
    return np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape, dtype=np.float32)


def seeded_weight(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Values of a size that a trained weight of this name could have."""
    z = draw(name, shape)
    last = name.rpartition(".")[2]
    if last in ("A_log", "A_b_log"):
        z = np.log(np.arange(1, shape[1] + 1, dtype=np.float32)) + np.float32(0.1) * z
    elif last in ("D", "D_b"):
        z = 1 + np.float32(0.1) * z
    elif name.endswith(("dt_proj.bias", "dt_proj_b.bias")):
        z = np.float32(-4.6) + np.float32(0.5) * z
    elif len(shape) == 1 and last == "weight":
        z = 1 + np.float32(0.1) * z
    elif len(shape) == 1:
        z = np.float32(0.1) * z
    elif last in ("pos_embed", "cls_token", "temporal_pos_embedding") or "embedding" in name or "embed_tokens" in name:
        z = np.float32(0.1) * z
    else:
        z = z / np.float32(math.sqrt(math.prod(shape[1:])))
    # CLIP's residual stream would drown its input
    if "image_vision_tower" in name and name.endswith(("out_proj.weight", "fc2.weight", "patch_embedding.weight")):
        z = z * np.float32(0.2)
    return torch.from_numpy(z)


def seeded_pixels(name: str, num_frames: int, size: int = 224) -> torch.Tensor:
    """`(num_frames, 3, size, size)`: frames of 8 x 8 coloured squares."""
    squares = torch.from_numpy(draw(name, (num_frames, 3, 8, 8)))
    return squares.repeat_interleave(size // 8, dim=2).repeat_interleave(size // 8, dim=3)
