# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Names of the weights in the published checkpoints -> names in these models. transformers applies them when it loads,
and backwards when it saves a model that was loaded with the old names.

No pattern matches a new name, so that a native checkpoint loads unchanged.
"""

import re

from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming


# `model.` is the prefix of the base model in a model with a head; alone, the base model goes without.
_MOBILE_VIDEOGPT = [
    WeightRenaming(rf"^(model\.|){re.escape(old)}\.", rf"\1{new}.")
    for old, new in (
        ("embed_tokens", "language_model.embed_tokens"),
        ("layers", "language_model.layers"),
        ("norm", "language_model.norm"),
        # before the image encoder takes over the name `vision_tower`
        ("vision_tower.vision_encoder", "video_tower"),
        ("image_vision_tower.vision_tower.vision_model", "vision_tower"),
        ("image_mm_projector.mlp.mlp.0", "image_projector.linear_1"),
        ("image_mm_projector.mlp.mlp.2", "image_projector.linear_2"),
        ("image_mm_projector.peg.peg.0", "image_projector.conv"),
        ("mm_projector.mlp.mlp.0", "video_projector.linear_1"),
        ("mm_projector.mlp.mlp.2", "video_projector.linear_2"),
        ("mm_projector.peg.peg.0", "video_projector.conv"),
    )
]
_VIDEOMAMBA = [
    WeightRenaming(r"^(cls_token|pos_embed|temporal_pos_embedding)", r"embeddings.\1"),
    WeightRenaming(r"^patch_embed\.", "embeddings.patch_embed."),
]


def register_checkpoint_mappings() -> None:
    """Makes the mappings known to transformers. Remote code of two repositories may run this twice in one process."""
    register_checkpoint_conversion_mapping("mobile_videogpt", _MOBILE_VIDEOGPT, overwrite=True)
    register_checkpoint_conversion_mapping("videomamba", _VIDEOMAMBA, overwrite=True)
