# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Names of the weights in the published checkpoints of MobileVLM -> names in these models."""

from transformers.core_model_loading import WeightRenaming

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
# those of V1 and V2 have no name in common
_PROJECTOR_NAMES = {
    "model.mlp.1": "fc1",
    "model.mlp.3": "fc2",
    **{
        f"model.mb_block.{number}.{old}": f"block_{number}.{new}"
        for number in (1, 2)
        for old, new in _BLOCK_NAMES.items()
    },
    **POOLED_PROJECTOR_NAMES,
}
_NATIVE_PREFIX = "image_projector."


class ProjectorRenaming(WeightRenaming):
    """
    One renaming for the projectors of V1 and V2: transformers takes for granted that each renaming of a `model_type` applies to all
    models of that type.
    """

    __slots__ = ()

    def rename_source_key(self, source_key: str) -> tuple[str, str | None]:
        name, pattern = super().rename_source_key(source_key)
        if pattern is None:
            return name, None
        names = _PROJECTOR_NAMES if _NATIVE_PREFIX in name else {new: old for old, new in _PROJECTOR_NAMES.items()}
        prefix, separator, rest = name.partition("_projector.")
        for old, new in names.items():
            if rest.startswith(f"{old}."):
                return prefix + separator + new + rest.removeprefix(old), pattern
        return name, pattern


def register_checkpoint_mappings() -> None:
    """Makes the mapping known to transformers."""
    names = {**LANGUAGE_MODEL_NAMES, "vision_tower.vision_tower.vision_model": "vision_tower"}
    projector = ProjectorRenaming(r"^(model\.|)mm_projector\.", rf"\1{_NATIVE_PREFIX}")
    register_renamings("mobilevlm", [*base_model_renamings(names), projector])
