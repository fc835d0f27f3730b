# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The tiny trained models of `make tiny-models`: folders of a MobileVLM that knows drawn pictures, and of a TinyLLaVA-Video that
knows drawn clips; with a picture and a clip each that neither has seen, and questions that they answer.
"""

from pathlib import Path


_DATA = Path(__file__).parents[1] / "data"
MOBILEVLM = _DATA / "mobilevlm_tiny"
TINYLLAVA = _DATA / "tinyllava_tiny"

# Of the split "test": neither training nor test saw them.
PICTURE_SEED, OTHER_PICTURE_SEED = 900_000, 900_001
CLIP_SEED = 900_000
