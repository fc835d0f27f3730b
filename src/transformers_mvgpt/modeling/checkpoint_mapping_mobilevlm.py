# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Names of the weights in the published checkpoints -> names in these models. The projectors of
V1 and V2 have no name in common, so that the way back is known too.
"""

from .checkpoint_renaming import (
    LANGUAGE_MODEL_NAMES,
    POOLED_PROJECTOR_NAMES,
    base_model_renamings,
    register_renamings,
)


_BLOCK_NAMES = {
    "block.0.0": "depthwise",
    "block.0.1": "norm_1",
    "block.1.fc1": "squeeze",
    "block.1.fc2": "excite",
    "block.2.0": "pointwise",
    "block.2.1": "norm_2",
}
_MOBILEVLM = {
    **LANGUAGE_MODEL_NAMES,
    "vision_tower.vision_tower.vision_model": "vision_tower",
    "mm_projector.model.mlp.1": "image_projector.fc1",
    "mm_projector.model.mlp.3": "image_projector.fc2",
    **{
        f"mm_projector.model.mb_block.{number}.{old}": f"image_projector.block_{number}.{new}"
        for number in (1, 2)
        for old, new in _BLOCK_NAMES.items()
    },
    **{f"mm_projector.{old}": f"image_projector.{new}" for old, new in POOLED_PROJECTOR_NAMES.items()},
}


def register_checkpoint_mappings() -> None:
    """Makes the mapping known to transformers."""
    register_renamings("mobilevlm", base_model_renamings(_MOBILEVLM))
