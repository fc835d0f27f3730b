# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""When kernels may stand in for VideoMamba's scans, mixers, norms and layers, and for frame scoring."""

from collections.abc import Iterable
from itertools import chain
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.modules import module as nn_module

from .gates import has_numba, is_plain, may_be_compiled, may_run_triton, suits_triton
from .mamba_ssm_scan import selective_scan_fn
from .patch_convolution import PatchConvolution
from .triton_mixer import DirectionWeights
from .triton_support import SUITS_AUTO, runs_triton
from .video_layers import LayerWeights


def fastest_scan(x: torch.Tensor) -> Literal["torch", "numba", "triton", "mamba_ssm"]:
    """The implementation of the selective scan that `"auto"` means."""
    if x.dtype == torch.float64:
        return "torch"
    if not x.is_cuda:
        return "numba" if x.device.type == "cpu" and has_numba else "torch"
    if SUITS_AUTO:
        return "triton"
    return "torch" if selective_scan_fn is None else "mamba_ssm"


def check_scan(implementation: str, x: torch.Tensor) -> None:
    """
    Raises:
        ImportError: if an implementation of the selective scan is not installed.
        ValueError: if it cannot take x.
    """
    is_float64 = x.dtype == torch.float64
    if implementation == "numba":
        if not has_numba:
            raise ImportError("The implementation 'numba' needs the package numba; 'torch' runs without it.")
        if x.device.type != "cpu" or is_float64:
            raise ValueError(
                f"The implementation 'numba' takes CPU tensors of at most 32 bits, x is of {x.dtype} on {x.device}: "
                "'torch' takes all."
            )
    if implementation == "triton":
        if not runs_triton(torch.device("cuda")):
            raise ImportError("The implementation 'triton' needs triton 3.3 or newer; 'torch' runs without it.")
        if x.device.type == "cpu" and not runs_triton(x.device):
            raise ValueError("The implementation 'triton' takes tensors on a GPU, x is on cpu: 'torch' takes all.")
        if is_float64:
            raise ValueError(
                f"The implementation 'triton' computes in float32, x is of {x.dtype}: 'torch' keeps the precision."
            )


def may_normalize(hidden_states: torch.Tensor, weight: torch.Tensor, training: bool) -> bool:
    """Whether `add_and_normalize` can take the place of VideoMamba's norm."""
    # in training, what is checkpointed runs without gradients at first, and must give the same then
    is_known = weight.dtype in (torch.float32, torch.bfloat16) and not training
    return is_known and may_be_compiled(hidden_states)


def may_score_frames(image_features: torch.Tensor, frames_per_chunk: int) -> bool:
    """Whether Triton's kernels can score frames: float32 has more digits than their products keep."""
    return (
        image_features.dtype != torch.float32
        and may_run_triton(image_features)
        and image_features.stride(-1) == 1
        and image_features.shape[1] % frames_per_chunk == 0
    )


def mixer_implementation(mixer: Any, hidden_states: torch.Tensor) -> Literal["numba", "triton"] | None:
    """Which kernels may run the inner part of a VideoMamba mixer as a whole: `None` where something asks for its gradient."""
    config, device, dtype = mixer.config, hidden_states.device, hidden_states.dtype
    if torch.compiler.is_compiling() or config.hidden_act != "silu":
        return None
    kernels = _mixer_kernels(config.scan_implementation, device, dtype)
    if kernels is None:
        return None
    if any(type(conv) is not mixer.convolution_class for conv in (mixer.conv1d, mixer.conv1d_b)):
        return None  # wrapped by an adapter
    tensors = (hidden_states, *mixer.parameters())
    if any(tensor.device != device for tensor in tensors) or mixer.conv1d.weight.dtype != dtype:
        return None
    if _want_gradients(mixer.training, tensors) or torch.is_autocast_enabled(device.type):
        return None
    if kernels == "triton" and _directions(mixer, dtype, device) is None:
        return None
    return kernels


def may_project_patches(projection: Any, frames: torch.Tensor) -> bool:
    """
    Whether a convolution of frames (S, F, C, H, W) is a matrix product of patches that lie side by side. On a GPU in 16 bits, it is
    asked for so.
    """
    return (
        not torch.compiler.is_compiling()
        and is_plain(projection, PatchConvolution)
        and type(projection.weight) is nn.Parameter
        and frames.is_cuda
        and projection.weight.dtype in (torch.float16, torch.bfloat16)
        and projection.kernel_size[0] == 1
        and projection.kernel_size == projection.stride
    )


def may_run_video_layers(model: Any, hidden_states: torch.Tensor, is_recorded: bool) -> bool:
    """
    Whether the layers of a `VideoMambaModel` and its last norm can be run one after the other by kernels that add and normalize at
    once: where nobody has changed layers or norms, or looks at what they return.

    Args:
        model (`nn.Module`): the encoder.
        hidden_states (`torch.Tensor` of shape `(S, L, h)`): what the first layer takes.
        is_recorded (`bool`): whether the hidden states of layers are asked for.
    """
    config, device, dtype = model.config, hidden_states.device, hidden_states.dtype
    return (
        not (is_recorded or torch.compiler.is_compiling())
        and _mixer_kernels(config.scan_implementation, device, dtype) == "triton"
        and type(hidden_states) is torch.Tensor  # not one without values
        and len(model.layers) > 0
        and (config.residual_in_fp32 or dtype == torch.float32)
        and not torch.jit.is_tracing()
        and not torch.is_autocast_enabled(device.type)
        and not torch._C._are_functorch_transforms_active()
        and torch.autograd.forward_ad._current_level < 0
        and not nn_module._has_any_global_hook()
        and not _want_gradients(
            model.training, chain([hidden_states], model.layers.parameters(), model.norm.parameters())
        )
        and _is_plain_norm(model.norm, model.layer_class.norm_class, hidden_states)
        and all(
            is_plain(layer, model.layer_class) and _is_plain_norm(layer.norm, layer.norm_class, hidden_states)
            for layer in model.layers
        )
    )


def weights_for_video_layers(model: Any, hidden_states: torch.Tensor) -> list[LayerWeights] | None:
    """
    The weights of the mixers of a `VideoMambaModel`, where [`may_run_video_layers`] allows it and kernels can read all of them
    where they are. Nothing, if somebody has changed a mixer, or looks at it.
    """
    config, device, dtype = model.config, hidden_states.device, hidden_states.dtype
    if config.hidden_act != "silu":
        return None
    width, channels, weights = config.hidden_size, config.intermediate_size, []
    for layer in model.layers:
        mixer = layer._modules["mixer"]
        if not is_plain(mixer, layer.mixer_class):
            return None
        in_weight = _projection_weight(mixer._modules["in_proj"], (2 * channels, width), dtype, device)
        out_weight = _projection_weight(mixer._modules["out_proj"], (width, channels), dtype, device)
        directions = _directions(mixer, dtype, device)
        if in_weight is None or out_weight is None or directions is None:
            return None
        weights.append(LayerWeights(in_weight, *directions, out_weight))
    return weights


def _mixer_kernels(implementation: str, device: torch.device, dtype: torch.dtype) -> Literal["numba", "triton"] | None:
    is_cpu, by_choice = device.type == "cpu", implementation == "auto"
    if is_cpu and has_numba and (by_choice or implementation == "numba"):
        return "numba" if dtype in (torch.float32, torch.bfloat16) else None
    asked = (by_choice and not is_cpu) or implementation == "triton"
    # in the interpreter, on CPU
    if asked and runs_triton(device) and (is_cpu or suits_triton(device)):
        return "triton" if dtype in (torch.float32, torch.bfloat16, torch.float16) else None
    return None


def _want_gradients(is_training: bool, tensors: Iterable[torch.Tensor]) -> bool:
    # in training, what is checkpointed runs without gradients at first, and must give the same then
    return (torch.is_grad_enabled() or is_training) and any(tensor.requires_grad for tensor in tensors)


def _is_plain_norm(norm: Any, kind: type[nn.Module], hidden_states: torch.Tensor) -> bool:
    if not is_plain(norm, kind):
        return False
    weight = norm._parameters["weight"]  # not by its attribute, which takes longer than all the rest
    return (
        type(weight) is nn.Parameter
        and weight.dtype == hidden_states.dtype
        and weight.device == hidden_states.device
        and weight.shape == hidden_states.shape[-1:]
    )


def _directions(
    mixer: Any, dtype: torch.dtype, device: torch.device
) -> tuple[DirectionWeights, DirectionWeights] | None:
    """The weights of both directions, if their modules are those that the mixer was made with, and can be read as they are."""
    config = mixer.config
    channels, states, rank = config.intermediate_size, config.state_size, config.time_step_rank
    shapes = [(channels, 1, config.conv_kernel), (channels,), (rank + 2 * states, channels), (channels, rank)]
    shapes += [(channels,), (channels, states), (channels,)]
    modules, parameters, directions = mixer._modules, mixer._parameters, []
    for suffix in ("", "_b"):
        conv, x_proj, dt_proj = modules[f"conv1d{suffix}"], modules[f"x_proj{suffix}"], modules[f"dt_proj{suffix}"]
        if not (
            is_plain(conv, mixer.convolution_class) and is_plain(x_proj, nn.Linear) and is_plain(dt_proj, nn.Linear)
        ):
            return None
        weights = DirectionWeights(
            *(conv._parameters["weight"], conv._parameters["bias"], x_proj._parameters["weight"]),
            *(dt_proj._parameters["weight"], dt_proj._parameters["bias"]),
            *(parameters[f"A{suffix}_log"], parameters[f"D{suffix}"]),
        )
        if x_proj._parameters["bias"] is not None or not all(
            _is_readable(weight, shape, device) for weight, shape in zip(weights, shapes, strict=True)
        ):
            return None
        if any(weight.dtype != dtype for weight in weights[:5]) or weights.A_log.dtype == torch.float64:
            return None
        directions.append(weights)
    return directions[0], directions[1]


def _projection_weight(
    projection: Any, shape: tuple[int, int], dtype: torch.dtype, device: torch.device
) -> nn.Parameter | None:
    """Of `in_proj` or `out_proj`, if nobody has changed it."""
    if not is_plain(projection, nn.Linear) or projection._parameters["bias"] is not None:
        return None
    weight = projection._parameters["weight"]
    return weight if weight.dtype == dtype and _is_readable(weight, shape, device) else None


def _is_readable(weight: torch.Tensor | None, shape: tuple[int, ...], device: torch.device) -> bool:
    # not a quantized or a distributed one
    return (
        type(weight) is nn.Parameter and weight.shape == shape and weight.device == device and weight.is_contiguous()
    )
