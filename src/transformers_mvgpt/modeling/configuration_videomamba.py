# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Configuration of VideoMamba, the bidirectional Mamba video encoder."""

import math
from typing import Literal

from .checked_config import CheckedConfig, checked
from .config_rules import EPSILON, FLAG, LAYERS, WIDTH, Rule, is_whole, number, whole


VIDEOMAMBA_LIMITS = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "state_size": whole(1, 4096),
    "expand": whole(1, 64),
    "conv_kernel": whole(1, 1024),
    "time_step_rank": Rule(
        "'auto' or an integer", lambda value: isinstance(value, str) or is_whole(value), highest=65_536
    ),
    "layer_norm_epsilon": EPSILON,
    "residual_in_fp32": FLAG,
    "image_size": whole(1, 4096),
    "patch_size": whole(1, 4096),
    "tubelet_size": whole(1, 4096),
    "num_frames": whole(1, 4096),
    "num_channels": whole(1, 64),
    "clip_decoder_size": whole(0, 65_536, optional=True),
    "time_step_min": number(1e-12, 1e3),
    "time_step_max": number(1e-12, 1e3),
    "time_step_floor": number(1e-12, 1e3),
}


@checked(VIDEOMAMBA_LIMITS)
class VideoMambaConfig(CheckedConfig):
    r"""
    Configuration of a [`VideoMambaModel`]. The defaults are VideoMamba-M on 8 frames of 224 x 224 pixels. Names shared
    with [`~transformers.MambaConfig`] mean the same.

    Args:
        hidden_size (`int`, defaults to 576):
            Width of the encoder.
        num_hidden_layers (`int`, defaults to 32):
            Number of bidirectional Mamba blocks.
        state_size (`int`, defaults to 16):
            Size N of the state of each channel.
        expand (`int`, defaults to 2):
            The mixers work on `expand * hidden_size` channels.
        conv_kernel (`int`, defaults to 4):
            Kernel of the causal depthwise convolutions, in tokens.
        time_step_rank (`int` or `"auto"`, defaults to `"auto"`):
            Rank of the projection to the time step; `"auto"` is `ceil(hidden_size / 16)`.
        layer_norm_epsilon (`float`, defaults to 1e-5):
            Epsilon of the RMS norms.
        hidden_act (`str`, defaults to `"silu"`):
            Activation after the convolution and of the gate.
        residual_in_fp32 (`bool`, defaults to `True`):
            Keep the residual stream in float32 whatever the dtype of the weights.
        image_size (`int`, defaults to 224):
            Height and width of the frames, in pixels.
        patch_size (`int`, defaults to 16):
            Height and width of a patch, in pixels.
        tubelet_size (`int`, defaults to 1):
            Number of frames that one patch spans.
        num_frames (`int`, defaults to 8):
            Number of frames of a video.
        num_channels (`int`, defaults to 3):
            Color channels of a frame.
        clip_decoder_size (`int`, *optional*, defaults to 512):
            Width of the head that the published weights were pre-trained with. Nothing reads it; it is kept so that
            checkpoints go in and out unchanged. `None` leaves it out.
        initializer_range (`float`, defaults to 0.02):
            Standard deviation of freshly initialized weights.
        time_step_min, time_step_max, time_step_floor (`float`, defaults to 0.001, 0.1 and 1e-4):
            Range of the freshly initialized time steps.
        scan_implementation (`str`, defaults to `"auto"`):
            What computes the selective scan: `"torch"`, `"numba"`, `"triton"` or `"mamba_ssm"`; `"auto"` takes, for
            tensors of at most 32 bits, numba's on CPU and Triton's on NVIDIA GPUs, each where it is installed (on a GPU without
            Triton mamba-ssm's), and plain PyTorch otherwise. It may be changed at any time.

    Raises:
        ConfigError: a `ValueError`, on sizes that do not fit each other or are out of bounds, naming them and what would fit.
    """

    model_type = "videomamba"
    base_config_key = "video_config"

    hidden_size: int = 576
    num_hidden_layers: int = 32
    state_size: int = 16
    expand: int = 2
    conv_kernel: int = 4
    time_step_rank: str | int = "auto"
    layer_norm_epsilon: float = 1e-5
    hidden_act: str = "silu"
    residual_in_fp32: bool = True
    image_size: int = 224
    patch_size: int = 16
    tubelet_size: int = 1
    num_frames: int = 8
    num_channels: int = 3
    clip_decoder_size: int | None = 512
    initializer_range: float = 0.02
    time_step_min: float = 0.001
    time_step_max: float = 0.1
    time_step_floor: float = 1e-4
    scan_implementation: Literal["auto", "torch", "numba", "triton", "mamba_ssm"] = "auto"

    def __post_init__(self, **kwargs):
        if self.time_step_rank == "auto":
            self.time_step_rank = math.ceil(self.hidden_size / 16)
        super().__post_init__(**kwargs)

    @property
    def intermediate_size(self) -> int:
        """Number of channels of a mixer."""
        return self.expand * self.hidden_size

    @property
    def patch_grid_size(self) -> int:
        """Patches along one side of a frame."""
        return self.image_size // self.patch_size

    def reads_weight(self, name: str) -> bool:
        """Whether a model with this config computes anything with the weight of this name."""
        return not name.startswith("clip_decoder.")

    def validate_architecture(self):
        """Part of `@strict`-powered validation."""
        counts = ("hidden_size", "num_hidden_layers", "state_size", "expand", "conv_kernel", "num_channels")
        for name in (*counts, "image_size", "patch_size", "tubelet_size", "num_frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` ({getattr(self, name)}) must be at least 1.")
        if isinstance(self.time_step_rank, str) or self.time_step_rank < 1:
            raise ValueError(f"`time_step_rank` ({self.time_step_rank!r}) must be 'auto' or at least 1.")
        if self.image_size % self.patch_size:
            raise ValueError(
                f"`image_size` ({self.image_size}) must be a multiple of `patch_size` ({self.patch_size}): "
                f"{self.patch_grid_size * self.patch_size} or {(self.patch_grid_size + 1) * self.patch_size} would fit."
            )
        if self.num_frames % self.tubelet_size:
            raise ValueError(
                f"`num_frames` ({self.num_frames}) must be a multiple of `tubelet_size` ({self.tubelet_size})."
            )


__all__ = ["VideoMambaConfig"]
