# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The command `mvgpt`, one file per sub-command."""

from .main import main


__all__ = ["main"]
