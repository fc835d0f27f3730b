# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Names of the weights in the published checkpoints of TinyLLaVA-Video -> names in this model. transformers applies them when it
loads, and backwards when it saves a model that was loaded with the old names.

No pattern matches a new name, so that a native checkpoint loads unchanged.
"""

from transformers.conversion_mapping import register_checkpoint_conversion_mapping
from transformers.core_model_loading import WeightRenaming


# Each renaming goes all the way: backwards, what one of them has made is not seen by the others.
_LAYER, _NEW_LAYER = r"^connector\._connector\.layers\.(\d+)\.", r"model.video_projector.layers.\1."
_TINYLLAVA_VIDEO = [
    WeightRenaming(old, new)
    for old, new in (
        (r"^language_model\.lm_head\.", "lm_head."),
        (r"^language_model\.model\.", "model.language_model."),
        (r"^vision_tower\._vision_tower\.vision_model\.", "model.vision_tower."),
        (r"^connector\._connector\.(?!layers\.)", r"model.video_projector.(?!layers\.)"),
        (rf"{_LAYER}0\.", f"{_NEW_LAYER}attention."),
        (rf"{_LAYER}1\.0\.", f"{_NEW_LAYER}mlp.norm."),
        (rf"{_LAYER}1\.1\.", f"{_NEW_LAYER}mlp.fc1."),
        (rf"{_LAYER}1\.3\.", f"{_NEW_LAYER}mlp.fc2."),
    )
]


def register_checkpoint_mapping() -> None:
    """Makes the mapping known to transformers. Remote code of two repositories may run this twice in one process."""
    register_checkpoint_conversion_mapping("tinyllava_video", _TINYLLAVA_VIDEO, overwrite=True)
