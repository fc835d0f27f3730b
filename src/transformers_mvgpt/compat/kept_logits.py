# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
transformers 5.21 has `slice_logits_to_keep`, which picks the hidden states that logits are made of.

Remove when transformers 5.20 is no longer supported: it is then imported from `transformers.modeling_utils`.
"""

try:
    from transformers.modeling_utils import slice_logits_to_keep
except ImportError:
    import torch

    def slice_logits_to_keep(hidden_states: torch.Tensor, logits_to_keep: int | torch.Tensor) -> torch.Tensor:
        """
        Args:
            hidden_states (`torch.Tensor`, (B, L, h)): of all positions.
            logits_to_keep (`int` or `torch.Tensor`):
                How many positions at the end, 0 for all; or which, int64 (P,), or (B, P) for each prompt; or bool (B, L).

        Returns:
            `torch.Tensor`: (B, P, h); of a mask (kept positions, h).
        """
        if not isinstance(logits_to_keep, torch.Tensor):
            return hidden_states[:, slice(-logits_to_keep, None)]
        if logits_to_keep.ndim != 2:
            return hidden_states[:, logits_to_keep]
        if logits_to_keep.dtype == torch.bool:
            return hidden_states[logits_to_keep]
        return torch.take_along_dim(hidden_states, logits_to_keep[..., None], dim=1)


__all__ = ["slice_logits_to_keep"]
