# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A model whose language model keeps its weights in 8 or 4 bits."""

from typing import Any

import torch
from torch import nn

from ..modeling.vision_language_model import VisionLanguageForConditionalGeneration
from .choices import check_quantization_name


# Divides the widths of all the language models here; torchao takes 32, 64 and 128 on CPU.
_GROUP_SIZE = 32


def check_quantization(name: str) -> None:
    """
    Raises:
        ValueError: if `name` is neither `"int8"` nor `"int4"`.
        ImportError: without torchao.
    """
    check_quantization_name(name)
    try:
        import torchao  # noqa: F401
    except ImportError as error:
        raise ImportError("Quantized weights need torchao: pip install 'transformers-mvgpt[quantization]'.") from error


def torchao_config(name: str, device: torch.device) -> Any:
    """
    The torchao configuration of weights in few bits and activations as they are: `"int8"` with a scale for each row,
    `"int4"` with a scale and a zero for every 32 values of a row.

    Args:
        name (`str`): `"int8"` or `"int4"`.
        device (`torch.device`): where the model runs. torchao's layout of 4-bit weights for CPUs is another than that for
            GPUs, and is one of its prototypes: such a model cannot be saved.

    Raises:
        ValueError, ImportError: as [`check_quantization`].
    """
    check_quantization(name)
    # `set_inductor_config` would change settings of the whole process
    if name == "int8":
        from torchao.quantization import Int8WeightOnlyConfig

        return Int8WeightOnlyConfig(set_inductor_config=False)
    if device.type == "cpu":
        from torchao.prototype.quantization.int4.inference_workflow import PrototypeInt4WeightOnlyConfig

        return PrototypeInt4WeightOnlyConfig(group_size=_GROUP_SIZE, set_inductor_config=False)
    from torchao.quantization import Int4WeightOnlyConfig

    # the one layout for NVIDIA GPUs that needs no other package
    return Int4WeightOnlyConfig(
        group_size=_GROUP_SIZE, int4_packing_format="tile_packed_to_4d", set_inductor_config=False
    )


def quantize_language_model(model: VisionLanguageForConditionalGeneration, name: str) -> None:
    """
    Quantizes the linear layers of the language model in place, as loading with a `quantization_config` would. Encoders,
    projectors, embeddings and the head stay as they are.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]): the model, on the device and in the dtype in which it is to run.
        name (`str`): `"int8"` or `"int4"`.

    Raises:
        ValueError: as [`check_quantization`], or if the dtype is not the one that 4 bits need on a GPU.
        ImportError: as [`check_quantization`].
    """
    config = torchao_config(name, model.device)
    if name == "int4" and model.device.type != "cpu" and model.dtype != torch.bfloat16:
        dtype = str(model.dtype).removeprefix("torch.")
        raise ValueError(f"int4 on a GPU needs a model in bfloat16, and this one is in {dtype}.")
    from torchao.quantization import quantize_

    quantize_(model.model.language_model, config)


def stored_bytes(weight: torch.Tensor) -> int:
    """What a weight takes in memory. A quantized one says itself only what it would take in its former dtype."""
    if not hasattr(weight, "__tensor_flatten__"):
        return weight.numel() * weight.element_size()
    names, _ = weight.__tensor_flatten__()
    return sum(stored_bytes(getattr(weight, name)) for name in names)


def language_model_bytes(model: nn.Module) -> int:
    """What the weights of the language model take: embeddings, layers, and a head that has weights of its own."""
    weights = [*model.model.language_model.parameters(), model.lm_head.weight]
    return sum(stored_bytes(weight) for weight in {id(weight): weight for weight in weights}.values())
