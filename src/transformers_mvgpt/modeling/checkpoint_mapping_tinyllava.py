# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Names of the weights in the published checkpoints of TinyLLaVA-Video -> names in this model. transformers applies them when it
loads, and backwards when it saves a model that was loaded with the old names.

No pattern matches a new name, so that a native checkpoint loads unchanged.
"""

from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming


_LAYER = r"(video_projector\.layers\.\d+)"
_TINYLLAVA_VIDEO = [
    WeightRenaming(old, new)
    for old, new in (
        (r"^language_model\.lm_head\.", "lm_head."),
        (r"^language_model\.model\.", "model.language_model."),
        (r"^vision_tower\._vision_tower\.vision_model\.", "model.vision_tower."),
        (r"^connector\._connector\.", "model.video_projector."),
        (rf"{_LAYER}\.0\.", r"\1.attention."),
        (rf"{_LAYER}\.1\.0\.", r"\1.mlp.norm."),
        (rf"{_LAYER}\.1\.1\.", r"\1.mlp.fc1."),
        (rf"{_LAYER}\.1\.3\.", r"\1.mlp.fc2."),
    )
]


def register_checkpoint_mapping() -> None:
    """Makes the mapping known to transformers. Remote code of two repositories may run this twice in one process."""
    register_checkpoint_conversion_mapping("tinyllava_video", _TINYLLAVA_VIDEO, overwrite=True)
