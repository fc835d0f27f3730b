# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Rows of a matrix in a GGUF file, such as the embeddings of some tokens."""

from pathlib import Path

import numpy as np

from .gguf_header import GGUFTensor


def read_rows(path: Path, tensor: GGUFTensor, rows: np.ndarray) -> np.ndarray:
    """
    Args:
        path (`Path`): the file.
        tensor ([`GGUFTensor`]): a matrix (all rows, width) in it.
        rows (`np.ndarray`): numbers of rows, (rows,).

    Returns:
        `np.ndarray`: (rows, width), float32.

    Raises:
        ImportError: if it is quantized in a way that only the package gguf knows, and that is not installed.
    """
    data = np.memmap(path, np.uint8, "r", tensor.start, (tensor.shape[0], tensor.num_bytes // tensor.shape[0]))[rows]
    if tensor.type == "F32":
        return data.view("<f4")
    if tensor.type == "F16":
        return data.view("<f2").astype(np.float32)
    if tensor.type == "BF16":
        return (data.view("<u2").astype(np.uint32) << 16).view(np.float32)
    if tensor.type == "Q8_0":
        # scale, 32 weights
        blocks = data.reshape(len(rows), -1, 34)
        return (blocks[..., :2].view("<f2").astype(np.float32) * blocks[..., 2:].view(np.int8)).reshape(len(rows), -1)
    try:
        from gguf import GGMLQuantizationType
        from gguf.quants import dequantize
    except ImportError as error:
        raise ImportError(
            f"Embeddings in {tensor.type} need the package gguf (`pip install gguf`); those in F16 or Q8_0, which "
            "`mvgpt export-gguf` writes, do not."
        ) from error
    return dequantize(data, GGMLQuantizationType[tensor.type])
