# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A model whose language model keeps its weights in 8 or 4 bits."""

from typing import Any

import torch
from torch import nn

from ..kernels import gates
from ..kernels.quantized_linear import QuantizedEmbedding, QuantizedLinear
from ..modeling.vision_language_model import VisionLanguageForConditionalGeneration
from .choices import check_quantization_name


# Divides the widths of all the language models here.
_GROUP_SIZE = 32
_BITS = {"int8": 8, "int4": 4}


def check_quantization(name: str, device: torch.device | str | int | None = None) -> None:
    """
    Args:
        name (`str`): of the quantization.
        device (`torch.device`, *optional*): where the model will run; by default on a GPU if there is one.

    Raises:
        ValueError: if `name` is neither `"int8"` nor `"int4"`.
        ImportError: without numba on a CPU, or without torchao elsewhere.
    """
    check_quantization_name(name)
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if _is_cpu(device):
        if not gates.has_numba:
            raise ImportError(
                "Quantized weights on a CPU need numba, which is not installed or switched off: pip install 'transformers-mvgpt[cpu]'."
            )
        return
    try:
        import torchao  # noqa: F401
    except ImportError as error:
        raise ImportError("Quantized weights need torchao: pip install 'transformers-mvgpt[quantization]'.") from error


def _is_cpu(device: torch.device | str | int) -> bool:
    return device in (-1, "cpu") or (isinstance(device, torch.device) and device.type == "cpu")


def torchao_config(name: str) -> Any:
    """
    The torchao configuration of weights in few bits and activations as they are: `"int8"` with a scale for each row,
    `"int4"` with a scale and a zero for every 32 values of a row, in a layout for NVIDIA GPUs.

    Args:
        name (`str`): `"int8"` or `"int4"`.

    Raises:
        ValueError, ImportError: as [`check_quantization`] for a GPU.
    """
    check_quantization(name, "cuda")
    # `set_inductor_config` would change settings of the whole process
    if name == "int8":
        from torchao.quantization import Int8WeightOnlyConfig

        return Int8WeightOnlyConfig(set_inductor_config=False)
    from torchao.quantization import Int4WeightOnlyConfig

    # the one layout for NVIDIA GPUs that needs no other package
    return Int4WeightOnlyConfig(
        group_size=_GROUP_SIZE, int4_packing_format="tile_packed_to_4d", set_inductor_config=False
    )


def quantize_language_model(model: VisionLanguageForConditionalGeneration, name: str) -> None:
    """
    Quantizes the language model in place; encoders and projectors stay as they are. On a CPU, its linear layers become
    [`QuantizedLinear`]s, with a scale for every 32 values of a row and in 4 bits a minimum too, and the head and the embeddings have 8
    bits in either case. Elsewhere, torchao quantizes the linear layers, as loading with a `quantization_config` would.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]): the model, on the device and in the dtype in which it is to run.
        name (`str`): `"int8"` or `"int4"`.

    Raises:
        ValueError: as [`check_quantization`], or if the dtype is not the one that 4 bits need on a GPU.
        ImportError: as [`check_quantization`].
    """
    check_quantization(name, model.device)
    if model.device.type == "cpu":
        _quantize_for_cpu(model, _BITS[name])
        return
    config = torchao_config(name)
    if name == "int4" and model.dtype != torch.bfloat16:
        dtype = str(model.dtype).removeprefix("torch.")
        raise ValueError(f"int4 on a GPU needs a model in bfloat16, and this one is in {dtype}.")
    from torchao.quantization import quantize_

    quantize_(model.model.language_model, config)


def _quantize_for_cpu(model: VisionLanguageForConditionalGeneration, bits: int) -> None:
    language_model: Any = model.model.language_model
    for parent in list(language_model.modules()):
        for name, child in list(parent.named_children()):
            if _is_whole(child, nn.Linear):
                setattr(parent, name, QuantizedLinear.from_linear(child, bits))
    head: Any = model.lm_head
    embedding = language_model.get_input_embeddings()
    if _is_whole(head, nn.Linear) and _is_whole(embedding, nn.Embedding):
        quantized_head = QuantizedLinear.from_linear(head, _BITS["int8"])
        weight = quantized_head.weight if head.weight is embedding.weight else None
        language_model.set_input_embeddings(QuantizedEmbedding.from_embedding(embedding, _BITS["int8"], weight))
        model.add_module("lm_head", quantized_head)


def _is_whole(module: Any, kind: type[nn.Module]) -> bool:
    """Whether it is of a kind, and nobody has quantized it before."""
    return type(module) is kind and type(module.weight) is nn.Parameter


def stored_bytes(weight: torch.Tensor) -> int:
    """What a weight takes in memory. A quantized one says itself only what it would take in its former dtype."""
    if not hasattr(weight, "__tensor_flatten__"):
        return weight.numel() * weight.element_size()
    names, _ = weight.__tensor_flatten__()
    return sum(stored_bytes(getattr(weight, name)) for name in names)


def language_model_bytes(model: nn.Module) -> int:
    """What the weights of the language model take: embeddings, layers, and a head that has weights of its own."""
    weights = [*model.model.language_model.parameters(), *model.lm_head.parameters()]
    return sum(stored_bytes(weight) for weight in {id(weight): weight for weight in weights}.values())
