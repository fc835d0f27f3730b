# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Exported models: making them, and running them without PyTorch.

Importing this room first, as in `from transformers_mvgpt.runtime import OnnxVideoChat`, loads neither torch nor transformers, nor need they
be installed: `pip install --no-deps transformers-mvgpt` and what runs the model, or the files beside an exported model, for which nothing
of this package is installed at all. What makes the exported files needs them.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names
from ..put_off_registration import registered_first


if TYPE_CHECKING:
    from ..video.limits import UntrustedInput
    from .gguf_export import export_gguf
    from .onnx_export import export_onnx
    from .onnx_video_chat import OnnxVideoChat
    from .onnx_visuals import EncodedVideo
    from .web_page import write_web_page
else:
    # without torch and transformers
    _RUN = {
        "EncodedVideo": ".onnx_visuals",
        "OnnxVideoChat": ".onnx_video_chat",
        "UntrustedInput": "..video.limits",
    }
    # with them: the package is registered before
    _MAKE = {"export_gguf": ".gguf_export", "export_onnx": ".onnx_export", "write_web_page": ".web_page"}
    __getattr__, __dir__ = lazy_names(__name__, _RUN | _MAKE)
    __getattr__ = registered_first(__getattr__, _MAKE)

__all__ = ["EncodedVideo", "OnnxVideoChat", "UntrustedInput", "export_gguf", "export_onnx", "write_web_page"]
