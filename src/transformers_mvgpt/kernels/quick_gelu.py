# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""CLIP's activation, in one go over its input where it can be compiled."""

import torch
from torch import nn
from transformers.activations import QuickGELUActivation
from transformers.models.clip.modeling_clip import CLIPMLP

from .gates import may_be_compiled
from .numba_elementwise import quick_gelu


class CompiledQuickGELU(QuickGELUActivation):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        # in training, what is checkpointed runs without gradients at first, and must give the same then
        return quick_gelu(input) if not self.training and may_be_compiled(input) else super().forward(input)


def compile_quick_gelu(encoder: nn.Module) -> None:
    """Puts [`CompiledQuickGELU`] in the place of transformers' own activations of a CLIP encoder."""
    for module in encoder.modules():
        if isinstance(module, CLIPMLP) and type(module.activation_fn) is QuickGELUActivation:
            module.activation_fn = CompiledQuickGELU()
