# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
VideoMamba, a bidirectional Mamba encoder of videos and images.

Symbols in the shape comments: B videos, T frames, P patches per frame, L tokens (1 + T * P), D `hidden_size`,
E `intermediate_size`, N `state_size`, R `time_step_rank`.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutput
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import merge_with_config_defaults
from transformers.utils.output_capturing import capture_outputs

from ..compat.safetensors_files import SavedLikeOtherFiles
from ..kernels.dispatch_video import (
    PatchConvolution,
    ScanInputs,
    mix,
    normalize,
    project_patches,
    run_video_layers,
    scan,
)
from .configuration_videomamba import VideoMambaConfig
from .missing_weights import PreTrainedModelWithAllWeights


def _at_least_float32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


class VideoMambaRMSNorm(nn.Module):
    """Root mean square norm that computes in (at least) float32 and returns the dtype of its weight."""

    def __init__(self, hidden_size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden_size))
        self.eps = eps

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        hidden_states = _at_least_float32(hidden_states)
        return normalize(hidden_states, self.weight, self.eps, self.training, plain=self._normalize)

    def _normalize(self, hidden_states: torch.Tensor) -> torch.Tensor:
        variance = hidden_states.square().mean(-1, keepdim=True)
        return (hidden_states * torch.rsqrt(variance + self.eps) * self.weight).to(self.weight.dtype)


class VideoMambaPatchEmbed(nn.Module):
    """Cuts frames into patches and projects each of them."""

    def __init__(self, config: VideoMambaConfig):
        super().__init__()
        size = (config.tubelet_size, config.patch_size, config.patch_size)
        self.proj = PatchConvolution(config.num_channels, config.hidden_size, kernel_size=size, stride=size)

    def forward(self, pixel_values_videos: torch.Tensor) -> torch.Tensor:
        return project_patches(self.proj, pixel_values_videos, plain=self._project)  # (B, T / tubelet_size, P, D)

    def _project(self, pixel_values_videos: torch.Tensor) -> torch.Tensor:
        frames_last = pixel_values_videos.transpose(1, 2).to(self.proj.weight.dtype)  # (B, 3, T, H, W)
        return self.proj(frames_last).flatten(3).permute(0, 2, 3, 1)


class VideoMambaEmbeddings(nn.Module):
    """
    One sequence of tokens for a whole video: a class token, then the patches of every frame.

        class | frame 0: patch 0 ... patch P-1 | frame 1: patch 0 ... patch P-1 | ...

    A patch gets the spatial position of its place in the frame and the temporal position of its frame; the class token
    has a spatial position of its own (entry 0 of the table).
    """

    def __init__(self, config: VideoMambaConfig):
        super().__init__()
        self.config = config
        num_patches = config.patch_grid_size**2
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.hidden_size))
        self.pos_embed = nn.Parameter(torch.zeros(1, num_patches + 1, config.hidden_size))
        num_times = config.num_frames // config.tubelet_size
        self.temporal_pos_embedding = nn.Parameter(torch.zeros(1, num_times, config.hidden_size))
        self.patch_embed = VideoMambaPatchEmbed(config)

    def forward(self, pixel_values_videos: torch.Tensor) -> torch.Tensor:
        patches = self.patch_embed(pixel_values_videos)  # (B, T, P, D)
        patches = patches + self.pos_embed[:, None, 1:]
        if pixel_values_videos.shape[1] > 1:
            patches = patches + self.temporal_pos_embedding[:, :, None]
        class_token = (self.cls_token + self.pos_embed[:, :1]).expand(patches.shape[0], -1, -1)
        return torch.cat([class_token, patches.flatten(1, 2)], dim=1)  # (B, L, D)


class VideoMambaConv1d(nn.Conv1d):
    """
    `nn.Conv1d` of (B, E, L) for one channel at a time, with zeros on both sides. On CPU, its result lies in memory as its
    input does.
    """

    def __init__(self, channels: int, kernel_size: int):
        super().__init__(channels, channels, kernel_size, groups=channels, padding=kernel_size - 1)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if input.device.type != "cpu":
            return super().forward(input)
        # only images may have their channels last in memory, as the projections write and read them
        images, weight = input.unsqueeze(2), self.weight.unsqueeze(2)
        padding = (0, self.kernel_size[0] - 1)
        return F.conv2d(images, weight, self.bias, padding=padding, groups=self.groups).squeeze(2)


class VideoMambaMixer(nn.Module):
    """
    A Mamba mixer that scans the tokens forwards and backwards and adds the two.

    The directions share `in_proj`, the gate and `out_proj`; the backward one (`_b`) has its own convolution, time
    step, B, C, A and D.
    """

    convolution_class = VideoMambaConv1d

    def __init__(self, config: VideoMambaConfig):
        super().__init__()
        self.config = config
        hidden_size, channels, states = config.hidden_size, config.intermediate_size, config.state_size
        rank, kernel = config.time_step_rank, config.conv_kernel
        self.in_proj = nn.Linear(hidden_size, 2 * channels, bias=False)
        self.conv1d = self.convolution_class(channels, kernel)
        self.x_proj = nn.Linear(channels, rank + 2 * states, bias=False)
        self.dt_proj = nn.Linear(rank, channels)
        self.A_log = nn.Parameter(torch.empty(channels, states))
        self.D = nn.Parameter(torch.empty(channels))
        self.conv1d_b = self.convolution_class(channels, kernel)
        self.x_proj_b = nn.Linear(channels, rank + 2 * states, bias=False)
        self.dt_proj_b = nn.Linear(rank, channels)
        self.A_b_log = nn.Parameter(torch.empty(channels, states))
        self.D_b = nn.Parameter(torch.empty(channels))
        self.out_proj = nn.Linear(channels, hidden_size, bias=False)
        self.act = ACT2FN[config.hidden_act]

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.out_proj(mix(self, hidden_states, plain=self._mix))

    def _mix(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Hidden states (B, L, D) -> what `out_proj` takes, (B, L, E)."""
        x, gate = self.in_proj(hidden_states).transpose(1, 2).chunk(2, dim=1)  # (B, E, L) each
        forward = self._scan_inputs(x, self.conv1d, self.x_proj, self.dt_proj)
        backward = self._scan_inputs(x.flip(-1), self.conv1d_b, self.x_proj_b, self.dt_proj_b)
        # one scan for both: the directions are groups of its channels
        xs, dts, Bs, Cs = zip(forward, backward, strict=True)
        inputs = ScanInputs(
            x=torch.cat(xs, dim=2),  # (B, L, 2 E)
            dt=torch.cat(dts, dim=2),
            A=-torch.exp(_at_least_float32(torch.cat([self.A_log, self.A_b_log]))),  # (2 E, N)
            B=torch.stack(Bs, dim=1),  # (B, 2, L, N)
            C=torch.stack(Cs, dim=1),
            D=torch.cat([self.D, self.D_b]),
        )
        y_forward, y_backward = scan(inputs, self.config.scan_implementation).mT.chunk(2, dim=1)  # (B, E, L) each
        y = (y_forward + y_backward.flip(-1)) * self.act(gate)
        return y.transpose(1, 2)

    def _scan_inputs(
        self, x: torch.Tensor, conv1d: nn.Conv1d, x_proj: nn.Linear, dt_proj: nn.Linear
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """x (B, E, L) in scan order -> the scan's x (B, L, E), dt (B, L, E), B and C (B, L, N)."""
        x = conv1d(x)[..., : x.shape[-1]]  # the padding is on both sides: cut what looks ahead
        x = self.act(x).transpose(1, 2)
        sizes = [self.config.time_step_rank, self.config.state_size, self.config.state_size]
        dt, B, C = x_proj(x).split(sizes, dim=-1)
        return x, dt_proj(dt), B, C


class VideoMambaBlock(GradientCheckpointingLayer):
    norm_class, mixer_class = VideoMambaRMSNorm, VideoMambaMixer

    def __init__(self, config: VideoMambaConfig):
        super().__init__()
        self.config = config
        self.norm = VideoMambaRMSNorm(config.hidden_size, config.layer_norm_epsilon)
        self.mixer = VideoMambaMixer(config)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        residual = _at_least_float32(hidden_states) if self.config.residual_in_fp32 else hidden_states
        return residual + self.mixer(self.norm(hidden_states))


class VideoMambaDecoder(nn.Module):
    """The published checkpoint's pre-training head. Nothing reads it."""

    def __init__(self, config: VideoMambaConfig):
        super().__init__()
        self.head = nn.Linear(config.hidden_size, config.clip_decoder_size)
        self.norm = nn.LayerNorm(config.clip_decoder_size)


class VideoMambaPreTrainedModel(SavedLikeOtherFiles, PreTrainedModelWithAllWeights):
    config: VideoMambaConfig
    base_model_prefix = "model"
    main_input_name = "pixel_values_videos"
    input_modalities = ("video",)
    supports_gradient_checkpointing = True
    _no_split_modules = ["VideoMambaEmbeddings", "VideoMambaBlock"]
    # There is no attention in it: beside a language model it must not stand in the way of any implementation.
    _supports_flash_attn = True
    _supports_sdpa = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_record_outputs = {"hidden_states": VideoMambaBlock}
    _keys_to_ignore_on_load_missing = [r"clip_decoder\."]

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, VideoMambaEmbeddings):
            for table in (module.cls_token, module.pos_embed, module.temporal_pos_embedding):
                init.normal_(table, std=self.config.initializer_range)
        elif isinstance(module, VideoMambaMixer):
            self._init_mixer(module)

    def _init_mixer(self, mixer: VideoMambaMixer):
        """S4D-real A, and time steps spread evenly on a log scale (Mamba paper, § 3.6)."""
        config = self.config  # not the tensors' shapes: DeepSpeed ZeRO-3 leaves a process nothing of most of them
        for A_log, D, dt_proj in (
            (mixer.A_log, mixer.D, mixer.dt_proj),
            (mixer.A_b_log, mixer.D_b, mixer.dt_proj_b),
        ):
            states = torch.arange(1, config.state_size + 1, dtype=torch.float32, device=A_log.device)
            init.copy_(A_log, states.log().expand(config.intermediate_size, -1))
            init.ones_(D)
            bound = config.time_step_rank**-0.5
            init.uniform_(dt_proj.weight, -bound, bound)
            low, high = math.log(config.time_step_min), math.log(config.time_step_max)
            dt = torch.rand(config.intermediate_size, dtype=torch.float32, device=dt_proj.bias.device)
            dt = torch.exp(low + dt * (high - low)).clamp(min=config.time_step_floor)
            init.copy_(dt_proj.bias, dt + torch.log(-torch.expm1(-dt)))  # softplus of it is dt


class VideoMambaModel(VideoMambaPreTrainedModel):
    r"""
    The VideoMamba encoder, for videos of `config.num_frames` frames and for single images.

    Example:

    ```python
    >>> import torch
    >>> from transformers_mvgpt import VideoMambaConfig, VideoMambaModel

    >>> model = VideoMambaModel(VideoMambaConfig(num_hidden_layers=2))
    >>> model(torch.randn(1, 8, 3, 224, 224)).last_hidden_state.shape
    torch.Size([1, 1569, 576])
    >>> model(torch.randn(1, 1, 3, 224, 224)).last_hidden_state.shape
    torch.Size([1, 197, 576])
    ```"""

    layer_class = VideoMambaBlock

    def __init__(self, config: VideoMambaConfig):
        super().__init__(config)
        self.embeddings = VideoMambaEmbeddings(config)
        self.layers = nn.ModuleList([VideoMambaBlock(config) for _ in range(config.num_hidden_layers)])
        self.norm = VideoMambaRMSNorm(config.hidden_size, config.layer_norm_epsilon)
        self.clip_decoder = nn.ModuleList([VideoMambaDecoder(config)] if config.clip_decoder_size else [])
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings.patch_embed.proj

    @merge_with_config_defaults
    @capture_outputs
    def forward(self, pixel_values_videos: torch.Tensor, **kwargs: Unpack[TransformersKwargs]) -> BaseModelOutput:
        r"""
        Args:
            pixel_values_videos (`torch.Tensor` of shape `(batch_size, num_frames, channels, height, width)`):
                Normalized frames; one frame is an image, which gets no temporal position.

        Returns:
            [`~modeling_outputs.BaseModelOutput`] whose `last_hidden_state` has the shape `(batch_size, 1 + num_frames *
            num_patches, hidden_size)`, class token first.

        Raises:
            ValueError: if the shape or dtype does not fit the config.
        """
        self._check_frames(pixel_values_videos)
        hidden_states = self.embeddings(pixel_values_videos)
        is_recorded = bool(kwargs.get("output_hidden_states", self.config.output_hidden_states))
        return BaseModelOutput(run_video_layers(self, hidden_states, is_recorded, plain=self._run_layers))

    def _run_layers(self, hidden_states: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            hidden_states = layer(hidden_states)
        return self.norm(hidden_states)

    def _check_frames(self, frames: torch.Tensor):
        config = self.config
        if not frames.is_floating_point():
            raise ValueError(
                f"`pixel_values_videos` must be normalized floating point frames, got {frames.dtype}: "
                "pass what the video processor returns."
            )
        lengths = (1, config.num_frames) if config.tubelet_size == 1 else (config.num_frames,)
        size = (config.num_channels, config.image_size, config.image_size)
        if frames.ndim != 5 or frames.shape[1] not in lengths or frames.shape[2:] != size:
            raise ValueError(
                f"`pixel_values_videos` has the shape {tuple(frames.shape)}; expected (batch_size, num_frames, "
                f"{', '.join(map(str, size))}) with num_frames {' or '.join(map(str, lengths))}."
            )


__all__ = ["VideoMambaModel", "VideoMambaPreTrainedModel"]
