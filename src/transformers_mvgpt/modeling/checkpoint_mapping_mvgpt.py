# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Names of the weights in the published checkpoints -> names in these models. transformers applies them when it loads,
and backwards when it saves a model that was loaded with the old names.

No pattern matches a new name, so that a native checkpoint loads unchanged.
"""

from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming


_MOBILE_VIDEOGPT = [
    WeightRenaming(r"^model\.(embed_tokens|layers|norm)\.", r"model.language_model.\1."),
    WeightRenaming(r"^model\.vision_tower\.vision_encoder\.", "model.video_tower."),
    WeightRenaming(r"^model\.image_vision_tower\.vision_tower\.vision_model\.", "model.vision_tower."),
    WeightRenaming(r"^model\.image_mm_projector\.mlp\.mlp\.0\.", "model.image_projector.linear_1."),
    WeightRenaming(r"^model\.image_mm_projector\.mlp\.mlp\.2\.", "model.image_projector.linear_2."),
    WeightRenaming(r"^model\.image_mm_projector\.peg\.peg\.0\.", "model.image_projector.conv."),
    WeightRenaming(r"^model\.mm_projector\.mlp\.mlp\.0\.", "model.video_projector.linear_1."),
    WeightRenaming(r"^model\.mm_projector\.mlp\.mlp\.2\.", "model.video_projector.linear_2."),
    WeightRenaming(r"^model\.mm_projector\.peg\.peg\.0\.", "model.video_projector.conv."),
]
_VIDEOMAMBA = [
    WeightRenaming(r"^(cls_token|pos_embed|temporal_pos_embedding)", r"embeddings.\1"),
    WeightRenaming(r"^patch_embed\.", "embeddings.patch_embed."),
]


def register_checkpoint_mappings() -> None:
    """Makes the mappings known to transformers. Remote code of two repositories may run this twice in one process."""
    register_checkpoint_conversion_mapping("mobile_videogpt", _MOBILE_VIDEOGPT, overwrite=True)
    register_checkpoint_conversion_mapping("videomamba", _VIDEOMAMBA, overwrite=True)
