# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
PyTorch 2.7 says whether `torch.export` looks at a call, be it for itself, for `torch.onnx.export(dynamo=True)` or for a runtime.

Remove when PyTorch 2.6 is no longer supported: `torch.compiler.is_exporting` is then there.
"""

import torch


is_exporting = getattr(torch.compiler, "is_exporting", lambda: False)


__all__ = ["is_exporting"]
