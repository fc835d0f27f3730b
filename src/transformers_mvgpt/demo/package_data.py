# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The files that come with the package. `make train-demo` makes the checkpoint anew, this makes the clip:

    python -c "from transformers_mvgpt.demo import *; write_clip(make_clip(CLIP_SEED, 'test'), CLIP)"
"""

from pathlib import Path


CHECKPOINT = Path(__file__).parent / "checkpoint"
CLIP = Path(__file__).parent / "clip.mp4"
# One shape moves, one appears and one flashes: there are questions of every type. Of such clips, from 4266 on, the first about
# which the checkpoint answers all of them.
CLIP_SEED = 5150
