# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Tensors in, tensors out: what is faster than the plain PyTorch of `modeling/`, and does the same."""
