# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The pipeline `video-text-to-text` with a model, quantized if that is wanted."""

import os
from typing import Any

import transformers

from ..video.limits import UntrustedInput
from .quantization import check_quantization, quantize_language_model


def load_pipeline(
    model: str | os.PathLike,
    *,
    quantization: str | None = None,
    untrusted_input: UntrustedInput | None = None,
    **options: Any,
) -> Any:
    """
    Args:
        model (`str`): folder, or repository on the Hub.
        quantization (`str`, *optional*): `"int8"` or `"int4"`, of the language model's weights.
        untrusted_input ([`UntrustedInput`], *optional*): how much is taken of videos and images; those of the processor by default.
        options: of `transformers.pipeline`, such as `device` and `dtype`.

    Returns:
        [`VideoTextToTextPipeline`]: with the model.

    Raises:
        ValueError, ImportError: as [`quantize_language_model`], before the model is loaded where that can be told.
    """
    if quantization is not None:
        check_quantization(quantization, options.get("device"))
    pipe: Any = transformers.pipeline("video-text-to-text", model=os.fspath(model), **options)
    if untrusted_input is not None:
        pipe.processor.untrusted_input = untrusted_input
    if quantization is not None:
        quantize_language_model(pipe.model, quantization)
    return pipe
