# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Published checkpoints in, complete native folders and Hub repositories out."""

from .assembly import assemble
from .completion import complete_checkpoint
from .hub_export import export_hub
from .native_folder import convert


__all__ = ["assemble", "complete_checkpoint", "convert", "export_hub"]
