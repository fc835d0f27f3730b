# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
VideoMamba's patches on a GPU; and its layers without gradients: seven kernels each. What a mixer returns is added and normalized
at once.

Symbols in the shape comments: S samples, L tokens, h width, E channels.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from .triton_elementwise import add_and_normalize
from .triton_mixer import DirectionWeights, make_buffers, scan_projected


class LayerWeights(NamedTuple):
    """
    Of a mixer.

    Args:
        in_weight (`torch.Tensor` of shape `(2 E, h)`): of `in_proj`.
        forward, backward ([`DirectionWeights`]): of its directions.
        out_weight (`torch.Tensor` of shape `(h, E)`): of `out_proj`.
    """

    in_weight: torch.Tensor
    forward: DirectionWeights
    backward: DirectionWeights
    out_weight: torch.Tensor


def project_patches(projection: Any, frames: torch.Tensor) -> torch.Tensor:
    """
    A convolution of frames, where [`may_project_patches`] allows it, as a matrix product.

    Args:
        projection (`nn.Conv3d`): of one frame, whose patches lie side by side.
        frames (`torch.Tensor` of shape `(S, F, C, H, W)`): pixels.

    Returns:
        `torch.Tensor` of shape `(S, F, P, h)`, P patches per frame: in the dtype of the weights.
    """
    weight, (_, height, width) = projection.weight, projection.kernel_size
    patches = frames.to(weight.dtype).unflatten(4, (-1, width)).unflatten(3, (-1, height))
    patches = patches.permute(0, 1, 3, 5, 2, 4, 6).flatten(4).flatten(2, 3)  # (S, F, P, C * height * width)
    return F.linear(patches, weight.flatten(1), projection.bias)


def run_video_layers(model: Any, hidden_states: torch.Tensor, weights: list[LayerWeights] | None) -> torch.Tensor:
    """
    The layers of a `VideoMambaModel` and its last norm, where [`may_run_video_layers`] allows it.

    Args:
        model (`nn.Module`): the encoder.
        hidden_states (`torch.Tensor` of shape `(S, L, h)`): what the first layer takes, of at most 32 bits.
        weights (`list[LayerWeights]`, *optional*): of the mixers. Without them, the mixers are called as they are.

    Returns:
        `torch.Tensor` of shape `(S, L, h)`: in the dtype of `hidden_states`.
    """
    with torch.cuda.device_of(hidden_states):
        mixers = [layer.mixer for layer in model.layers] if weights is None else _mixers(hidden_states, weights)
        # a copy: it is added to in place
        hidden = hidden_states.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        norms = [*(layer.norm for layer in model.layers), model.norm]
        normed = add_and_normalize(hidden, None, norms[0].weight, norms[0].eps)
        for mixer, norm in zip(mixers, norms[1:], strict=True):
            normed = add_and_normalize(hidden, mixer(normed).contiguous(), norm.weight, norm.eps)
        return normed


def _mixers(hidden_states: torch.Tensor, weights: list[LayerWeights]) -> list[Callable[[torch.Tensor], torch.Tensor]]:
    num_samples, length, _ = hidden_states.shape
    buffers = make_buffers(hidden_states, num_samples, length, *weights[0].forward.A_log.shape)

    def mixer_of(layer: LayerWeights) -> Callable[[torch.Tensor], torch.Tensor]:
        def mix(normed: torch.Tensor) -> torch.Tensor:
            projected = F.linear(normed, layer.in_weight)
            return F.linear(scan_projected(projected, layer.forward, layer.backward, buffers), layer.out_weight)

        return mix

    return [mixer_of(layer) for layer in weights]
