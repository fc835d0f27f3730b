# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""From pixels to visual tokens, as a module by itself: what exporters make one graph of."""

from collections.abc import Callable

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPooling


class VisualEmbedding(nn.Module):
    """
    The encoders and projectors of a base model, and what is between them, such as the selection of frames. It has no weights of its
    own.

    Args:
        parts (`dict[str, nn.Module]`): encoders and projectors, by name.
        encode (`Callable`): pixels, by name, to encoded visuals, by modality.
    """

    def __init__(
        self,
        parts: dict[str, nn.Module],
        encode: Callable[[dict[str, torch.Tensor]], dict[str, BaseModelOutputWithPooling]],
    ):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self._encode = encode

    def forward(self, **pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        """
        Args:
            pixels (`torch.Tensor`): as the model's `forward` takes them, by name.

        Returns:
            `dict[str, torch.Tensor]`: what the model's `forward` returns of visuals, by name: `image_hidden_states` and
            `video_hidden_states`, the visual tokens, and where frames are selected, `frame_scores` and `selected_frames`.
        """
        outputs = {}
        for modality, encoded in self._encode(pixels).items():
            outputs[f"{modality}_hidden_states"] = encoded.pooler_output
            for name in ("frame_scores", "selected_frames"):
                if (value := getattr(encoded, name, None)) is not None:
                    outputs[name] = value
        return outputs

    def is_made_of(self, parts: dict[str, nn.Module]) -> bool:
        """Whether these are its encoders and projectors."""
        return all(self._modules[name] is part for name, part in parts.items())
