# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
From transformers 5.20 on, a pipeline puts the options of `generate` together itself; before, it kept a generation config.

Remove when transformers 5.19 is no longer supported: `Pipeline` then has the method.
"""

import copy
from typing import Any


class GenerateOptions:
    """Stands behind `Pipeline` among the bases of a class: where that one has the method, it is its own."""

    _default_generation_config: Any
    generation_config: Any

    def _prepare_generate_kwargs(self, generate_kwargs: dict[str, Any], **overrides: Any) -> dict[str, Any]:
        """
        Args:
            generate_kwargs (`dict[str, Any]`): those of the call. A `generation_config` among them replaces the pipeline's.
            overrides: come before all others.

        Returns:
            `dict[str, Any]`: the arguments of `generate`, with the pipeline's defaults where nothing is said.
        """
        given = {**generate_kwargs, **overrides}
        config = copy.deepcopy(given.pop("generation_config", None) or self.generation_config)
        others = config.update(**given)
        default = self._default_generation_config.max_new_tokens
        if given.get("max_length") is not None and config.max_new_tokens == default:
            config.max_new_tokens = given.get("max_new_tokens")
        elif config.max_new_tokens is None and config.max_length is None:
            config.max_new_tokens = default
        if config.max_new_tokens is not None:
            config.max_length = None  # else both are warned of: a pipeline's config has 20
        return {**others, "generation_config": config}


__all__ = ["GenerateOptions"]
