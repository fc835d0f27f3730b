# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Names of the weights in published checkpoints -> names in these models. transformers applies them when it loads, and backwards
when it saves a model that was loaded with the old names.

No pattern may match a new name, so that a native checkpoint loads unchanged.
"""

import re
from collections.abc import Mapping

from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming


LANGUAGE_MODEL_NAMES = {
    "embed_tokens": "language_model.embed_tokens",
    "layers": "language_model.layers",
    "norm": "language_model.norm",
}
# LDPv2 and ET-Proj
POOLED_PROJECTOR_NAMES = {"mlp.mlp.0": "linear_1", "mlp.mlp.2": "linear_2", "peg.peg.0": "conv"}


def base_model_renamings(names: Mapping[str, str]) -> list[WeightRenaming]:
    """
    Renamings of modules of a base model, in their order, by old name.

    `model.` is the prefix of the base model in a model with a head; alone, the base model goes without.
    """
    return [WeightRenaming(rf"^(model\.|){re.escape(old)}\.", rf"\1{new}.") for old, new in names.items()]


def register_renamings(model_type: str, renamings: list[WeightRenaming]) -> None:
    """Makes them known to transformers. Remote code of two repositories may run this twice in one process."""
    register_checkpoint_conversion_mapping(model_type, renamings, overwrite=True)
