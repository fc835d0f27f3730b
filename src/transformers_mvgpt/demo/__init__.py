# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Drawn clips with questions, and a small model that was trained on them."""

from .drawn_clip import Clip, make_clip, write_clip
from .package_data import CHECKPOINT, CLIP, CLIP_SEED


__all__ = ["CHECKPOINT", "CLIP", "CLIP_SEED", "Clip", "make_clip", "write_clip"]
