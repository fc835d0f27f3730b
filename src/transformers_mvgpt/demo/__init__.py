# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A clip and a checkpoint, both made on the spot, to try the package without any download."""

from .checkpoint import write_checkpoint
from .clip import write_clip


__all__ = ["write_checkpoint", "write_clip"]
