# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Who looks at a call. PyTorch 2.7 says whether `torch.export` looks at a call, be it for itself, for `torch.onnx.export(dynamo=True)` or for a runtime.

Remove when PyTorch 2.6 is no longer supported: `torch.compiler.is_exporting` is then there. What is asked about OpenVINO goes when it
converts PyTorch's `scan`.
"""

import torch


is_exporting = getattr(torch.compiler, "is_exporting", lambda: False)


def is_for_openvino() -> bool:
    """Whether it is transformers' `OpenVINOExporter`, which then has put its own functions in the place of PyTorch's."""
    layer_norm = torch.nn.functional.layer_norm
    return getattr(layer_norm, "__globals__", {}).get("__name__") == "transformers.exporters.exporter_openvino"


__all__ = ["is_exporting", "is_for_openvino"]
