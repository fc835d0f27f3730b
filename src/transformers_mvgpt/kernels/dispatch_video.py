# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The seam between VideoMamba and frame scoring, which only Mobile-VideoGPT has, and what is faster than plain PyTorch: as
`dispatch.py`, with `fast_paths_video.py` for `fast_paths.py`.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import nn

from ..compat.export_mode import is_exporting
from .exported_scan import scan_for_export
from .fast_paths_video import fast
from .naive_scan import ScanInputs
from .patch_convolution import PatchConvolution
from .torch_scan import scan_with_torch


ScanImplementation = Literal["auto", "torch", "numba", "triton", "mamba_ssm"]


def mix(
    mixer: nn.Module, hidden_states: torch.Tensor, *, plain: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """
    What stands between the first and the last projection of a VideoMamba mixer, with the first: convolutions, scans and gate of
    both directions.

    Args:
        mixer (`VideoMambaMixer`): whose parts these are.
        hidden_states (`torch.Tensor` of shape `(S, L, h)`): what the mixer takes.

    Returns:
        `torch.Tensor` of shape `(S, L, E)`: what `mixer.out_proj` takes.
    """
    implementation = None if fast is None else fast.mixer_implementation(mixer, hidden_states)
    if fast is None or implementation is None:
        return plain(hidden_states)
    return fast.mixers[implementation](mixer, hidden_states)


def project_patches(
    projection: PatchConvolution | nn.Module, frames: torch.Tensor, *, plain: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """
    VideoMamba's patches of frames.

    Args:
        projection ([`PatchConvolution`]): of patches, or what has taken its place.
        frames (`torch.Tensor` of shape `(S, F, C, H, W)`): pixels.

    Returns:
        `torch.Tensor` of shape `(S, F, P, h)`: of F frames, or of each tube of them.
    """
    if fast is None or not fast.may_project_patches(projection, frames):
        return plain(frames)
    return fast.project_patches(projection, frames)


def run_video_layers(
    model: nn.Module, hidden_states: torch.Tensor, is_recorded: bool, *, plain: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """
    The layers of a `VideoMambaModel` and its last norm.

    Args:
        model (`nn.Module`): the encoder.
        hidden_states (`torch.Tensor` of shape `(S, L, h)`): what the first layer takes.
        is_recorded (`bool`): whether somebody asks for the hidden states of layers.

    Returns:
        `torch.Tensor` of shape `(S, L, h)`.
    """
    if fast is None or not fast.may_run_video_layers(model, hidden_states, is_recorded):
        return plain(hidden_states)
    return fast.run_video_layers(model, hidden_states, fast.weights_for_video_layers(model, hidden_states))


def scan(inputs: ScanInputs, implementation: ScanImplementation = "auto") -> torch.Tensor:
    """
    The selective scan, see [`selective_scan`]. Its plain code is `torch_scan.py`; whatever the implementation, an exported graph has
    that of `exported_scan.py`, which needs nothing of this package to run.

    Args:
        inputs ([`ScanInputs`]): whose shapes fit together.
        implementation (`str`, defaults to `"auto"`): see [`selective_scan`].

    Returns:
        `torch.Tensor` of shape `(S, L, E)`, in the dtype of x.

    Raises:
        ValueError: if the implementation is unknown or cannot take x.
        ImportError: if the implementation is not installed.
    """
    if implementation == "auto":
        implementation = "torch" if fast is None else fast.fastest_scan(inputs.x)
    if implementation == "torch":
        return scan_for_export(inputs) if is_exporting() else scan_with_torch(inputs)
    if implementation not in ("numba", "triton", "mamba_ssm"):
        raise ValueError(
            f"implementation ({implementation!r}) must be 'auto', 'torch', 'numba', 'triton' or 'mamba_ssm'."
        )
    if fast is None:
        raise ImportError(f"The implementation {implementation!r} is not among these files; 'torch' is.")
    fast.check_scan(implementation, inputs.x)
    if is_exporting():
        return scan_for_export(inputs)
    return fast.scans[implementation](inputs)


def selective_scan(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None = None,
    dt_bias: torch.Tensor | None = None,
    implementation: ScanImplementation = "auto",
) -> torch.Tensor:
    """
    h_t = exp(dt_t A) h_{t-1} + (dt_t B_t) x_t from h = 0, y_t = (C_t . h_t + D x_t) * silu(z_t), where
    dt = softplus(dt + dt_bias).

    That of Mamba (https://arxiv.org/abs/2312.00752, section 3), with B samples, D channels, L tokens, N states per channel and G
    groups of D / G consecutive channels, which share their B and C. Computes in float32 (float64 if x is).

    Args:
        x (`torch.Tensor` of shape `(B, D, L)`): Input. Fastest as a transposed `(B, L, D)`.
        dt (`torch.Tensor` of shape `(B, D, L)`): Step sizes before bias and softplus. Fastest as x is.
        A (`torch.Tensor` of shape `(D, N)`): Decay rates, negative.
        B (`torch.Tensor` of shape `(B, G, N, L)`): From the input into the states.
        C (`torch.Tensor` of shape `(B, G, N, L)`): From the states to the output.
        D (`torch.Tensor` of shape `(D,)`): From the input straight to the output.
        z (`torch.Tensor` of shape `(B, D, L)`, *optional*): Gate of the output.
        dt_bias (`torch.Tensor` of shape `(D,)`, *optional*): Bias of dt.
        implementation (`str`, defaults to `"auto"`): `"torch"`, `"numba"`, `"triton"` or `"mamba_ssm"`. `"auto"` is, for
            tensors of at most 32 bits, numba's on CPU and Triton's on NVIDIA GPUs, each where it is installed (Triton
            needs a C compiler and Python's headers too; without them mamba-ssm's is next); plain PyTorch for all others.

    Returns:
        `torch.Tensor` of shape `(B, D, L)`: y in the dtype of x.

    Raises:
        ValueError: If the shapes do not fit together, or the implementation is unknown or cannot take x.
        ImportError: If the implementation is not installed.
    """
    _check_shapes(x, dt, A, B, C, D, z, dt_bias)
    z = None if z is None else z.mT
    return scan(ScanInputs(x.mT, dt.mT, A, B.mT, C.mT, D, z, dt_bias), implementation).mT


def _check_shapes(
    x: torch.Tensor,
    dt: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor,
    z: torch.Tensor | None,
    dt_bias: torch.Tensor | None,
) -> None:
    if x.ndim != 3 or B.ndim != 4:
        raise ValueError(
            f"x must have 3 dimensions (batch, channels, length) and B 4 (batch, groups, states, length), but their "
            f"shapes are {tuple(x.shape)} and {tuple(B.shape)}."
        )
    batch, channels, length = x.shape
    groups, states = B.shape[1:3]
    if channels % groups:
        raise ValueError(f"The {channels} channels of x must be a multiple of the {groups} groups of B.")
    needed_shapes = {
        "dt": (dt, (batch, channels, length)),
        "A": (A, (channels, states)),
        "B": (B, (batch, groups, states, length)),
        "C": (C, (batch, groups, states, length)),
        "D": (D, (channels,)),
        "z": (z, (batch, channels, length)),
        "dt_bias": (dt_bias, (channels,)),
    }
    for name, (tensor, shape) in needed_shapes.items():
        if tensor is not None and tensor.shape != shape:
            raise ValueError(
                f"{name} has the shape {tuple(tensor.shape)}, but with x {tuple(x.shape)} and B {tuple(B.shape)} it "
                f"must be {shape}."
            )


def normalize(
    hidden_states: torch.Tensor,
    weight: torch.Tensor,
    epsilon: float,
    training: bool,
    *,
    plain: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """
    VideoMamba's root mean square norm.

    Args:
        hidden_states (`torch.Tensor` of shape `(..., h)`): at least float32.
        weight (`torch.Tensor` of shape `(h,)`): in whose dtype the result is.
        epsilon (`float`): is added to the mean of squares.
        training (`bool`): of the norm.
    """
    if fast is not None and fast.may_normalize(hidden_states, weight, training):
        return fast.add_and_normalize(hidden_states.contiguous(), None, weight, epsilon)
    return plain(hidden_states)


def attend_to_frames(
    image_features: torch.Tensor, frames_per_chunk: int, *, plain: Callable[[torch.Tensor, int], torch.Tensor]
) -> torch.Tensor:
    """
    How much attention each frame draws from the patches of its chunk.

    Args:
        image_features (`torch.Tensor` of shape `(V, F, P, D)`): of V videos with F frames of P patches.
        frames_per_chunk (`int`): consecutive frames that are scored against each other.

    Returns:
        `torch.Tensor` of shape `(V, F)` in float32.
    """
    if fast is not None and fast.may_score_frames(image_features, frames_per_chunk):
        scores = fast.score_frames(image_features.flatten(0, 1), frames_per_chunk)
        return scores.view(image_features.shape[:2])
    return plain(image_features, frames_per_chunk)
