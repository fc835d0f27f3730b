# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Published checkpoints in, complete native folders out."""

from .completion import complete_checkpoint
from .native_folder import convert


__all__ = ["complete_checkpoint", "convert"]
