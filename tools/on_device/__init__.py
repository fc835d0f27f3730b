# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Exported models beside PyTorch: their answers, a process without torch, and how fast they are at a published size."""
