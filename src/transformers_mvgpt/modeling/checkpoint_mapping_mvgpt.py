# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Names of the weights in the published checkpoints of Mobile-VideoGPT and VideoMamba -> names in these models."""

from transformers.core_model_loading import WeightRenaming

from .checkpoint_renaming import (
    LANGUAGE_MODEL_NAMES,
    POOLED_PROJECTOR_NAMES,
    base_model_renamings,
    register_renamings,
)


_MOBILE_VIDEOGPT = {
    **LANGUAGE_MODEL_NAMES,
    # before the image encoder takes over the name `vision_tower`
    "vision_tower.vision_encoder": "video_tower",
    "image_vision_tower.vision_tower.vision_model": "vision_tower",
    **{f"image_mm_projector.{old}": f"image_projector.{new}" for old, new in POOLED_PROJECTOR_NAMES.items()},
    **{f"mm_projector.{old}": f"video_projector.{new}" for old, new in POOLED_PROJECTOR_NAMES.items()},
}
_VIDEOMAMBA = [
    WeightRenaming(r"^(cls_token|pos_embed|temporal_pos_embedding)", r"embeddings.\1"),
    WeightRenaming(r"^patch_embed\.", "embeddings.patch_embed."),
]


def register_checkpoint_mappings() -> None:
    """Makes the mappings known to transformers."""
    register_renamings("mobile_videogpt", base_model_renamings(_MOBILE_VIDEOGPT))
    register_renamings("videomamba", _VIDEOMAMBA)
