# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
transformers' exporters (`export_for_generation`) make a graph of each part of a model that they know by name and see called: they put a
function in the place of its `forward`, generate two tokens, and call the model once more with what its `forward` got for the first of
them. From 5.18 on, `generate` encodes the visuals before that call, so that encoders are not seen, and are left out without a word. Of
a model that is watched, visuals are encoded where its `forward` gets them, as pixels.

Remove when transformers' exporters see what `generate` encodes before the prefill.
"""

from typing import Any

import torch
from torch import nn


_WATCHING = "transformers.exporters.utils"


def is_watched(module: nn.Module) -> bool:
    """Whether transformers' exporters see the calls of a module now."""
    forward = module.__dict__.get("forward")
    return forward is not None and getattr(forward, "__globals__", {}).get("__name__") == _WATCHING


class ExportedInParts:
    """A model that generates, with `pixel_inputs`, and with an `embed_vision` in its base model."""

    def _maybe_prepare_encoder_kwargs_for_generation(
        self: Any, inputs_tensor: torch.Tensor | None, model_kwargs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """
        As [`~GenerationMixin._maybe_prepare_encoder_kwargs_for_generation`].

        Raises:
            ValueError: if exporters watch, and there is no visual from which they could see the encoders.
        """
        if not is_watched(self):
            return super()._maybe_prepare_encoder_kwargs_for_generation(  # type: ignore[misc]
                inputs_tensor, model_kwargs, *args, **kwargs
            )
        names = [name for pixels in self.pixel_inputs.values() for name in pixels]
        if not any(model_kwargs.get(name) is not None for name in names):
            raise ValueError(
                f"Exporters see a part of the model when the sample inputs make it run, and these have none of {', '.join(names)}: the "
                "encoders would be left out. Give the inputs of a prompt with a visual, as the processor returns them, or export "
                "`model.model.language_model` by itself."
            )
        return {**model_kwargs, "mm_encoder_outputs": {}}

    def _update_model_kwargs_for_generation(
        self: Any, outputs: Any, model_kwargs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        if is_watched(self):  # transformers does not know all of them, and would pass them on after the prefill
            names = {name for pixels in self.pixel_inputs.values() for name in pixels}
            model_kwargs = {name: value for name, value in model_kwargs.items() if name not in names}
        return super()._update_model_kwargs_for_generation(outputs, model_kwargs, *args, **kwargs)  # type: ignore[misc]


__all__ = ["ExportedInParts", "is_watched"]
