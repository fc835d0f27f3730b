# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""llama.cpp's `mtmd`, by its C interface: what it makes of an image with a language model and a projector file."""

import ctypes
import os
from pathlib import Path
from typing import Any

import numpy as np

from transformers_mvgpt.runtime.llama_library import llama_library


class _ContextParams(ctypes.Structure):
    _fields_ = [
        ("use_gpu", ctypes.c_bool),
        ("device", ctypes.c_void_p),
        ("print_timings", ctypes.c_bool),
        ("n_threads", ctypes.c_int),
        ("image_marker", ctypes.c_char_p),
        ("media_marker", ctypes.c_char_p),
        ("flash_attn_type", ctypes.c_int),
        ("warmup", ctypes.c_bool),
        ("_after", ctypes.c_byte * 128),
    ]


class _Text(ctypes.Structure):
    _fields_ = [
        ("text", ctypes.c_char_p),
        ("text_len", ctypes.c_size_t),
        ("add_special", ctypes.c_bool),
        ("parse_special", ctypes.c_bool),
    ]


def _function(name: str, result: Any, *arguments: Any) -> Any:
    function = getattr(llama_library(), name)
    function.restype, function.argtypes = result, arguments
    return function


def image_embeddings(language_model: Path, projector: Path, image: np.ndarray, width: int) -> np.ndarray:
    """The visual tokens (tokens, width) of an image (height, width, 3) uint8, in front of a question."""
    pointer, integer = ctypes.c_void_p, ctypes.c_int32
    library = llama_library()
    model = library.llama_model_load_from_file(os.fsencode(language_model), library.llama_model_default_params())
    params = _function("mtmd_context_params_default", _ContextParams)()
    params.n_threads, params.warmup, params.print_timings = 1, False, False
    context = _function("mtmd_init_from_file", pointer, ctypes.c_char_p, pointer, _ContextParams)(
        os.fsencode(projector), model, params
    )
    assert context
    bitmap = _function("mtmd_bitmap_init", pointer, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_char_p)(
        image.shape[1], image.shape[0], np.ascontiguousarray(image).tobytes()
    )
    chunks = _function("mtmd_input_chunks_init", pointer)()
    text = _Text(prompt := b"USER: <__media__>\nIs it red?", len(prompt), True, True)
    tokenize = _function(
        "mtmd_tokenize", integer, pointer, pointer, ctypes.POINTER(_Text), ctypes.POINTER(pointer), ctypes.c_size_t
    )
    assert tokenize(context, chunks, ctypes.byref(text), (pointer * 1)(bitmap), 1) == 0
    # text, image, text
    chunk = _function("mtmd_input_chunks_get", pointer, pointer, ctypes.c_size_t)(chunks, 1)
    count = _function("mtmd_input_chunk_get_n_tokens", ctypes.c_size_t, pointer)(chunk)
    assert _function("mtmd_encode_chunk", integer, pointer, pointer)(context, chunk) == 0
    values = _function("mtmd_get_output_embd", ctypes.POINTER(ctypes.c_float), pointer)(context)
    embeddings = np.ctypeslib.as_array(values, (count, width)).copy()
    _function("mtmd_input_chunks_free", None, pointer)(chunks)
    _function("mtmd_bitmap_free", None, pointer)(bitmap)
    _function("mtmd_free", None, pointer)(context)
    library.llama_model_free(model)
    return embeddings
