# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Configuration of MobileVLM, and the reading of the published repositories' flat `config.json`."""

from typing import Any

from transformers import AutoConfig, CLIPVisionConfig

from ..compat.sub_configs import SubConfigSpec
from .checked_config import checked
from .config_rules import TEXT, Rule, whole
from .vision_language_config import (
    VISION_LANGUAGE_LIMITS,
    VisionLanguageConfig,
    check_published,
    language_model_fields,
    own_fields,
)


PUBLISHED_ENCODER = "openai/clip-vit-large-patch14-336"
_PUBLISHED_VISION = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "projection_dim": 768,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
}
_PUBLISHED_TEXT_1_7B = {
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "pad_token_id": 0,
}
# what published checkpoints call it
_PROJECTOR_TYPES = {"ldpnet": "ldp", "ldpnetv2": "ldpv2"}

MOBILEVLM_LIMITS = VISION_LANGUAGE_LIMITS | {
    "projector_type": Rule("'ldp' or 'ldpv2'", lambda value: value in ("ldp", "ldpv2")),
    "image_grid_size": whole(1, 1024, optional=True),
    "image_token_id": whole(0, 2**31 - 1),
    "mm_vision_tower": TEXT,
}


@checked(MOBILEVLM_LIMITS)
class MobileVLMConfig(VisionLanguageConfig):
    r"""
    Configuration of a [`MobileVLMModel`]. The defaults are MobileVLM V2 1.7B (arXiv 2402.03766).

    Args:
        vision_config (`CLIPVisionConfig` or `dict`, *optional*):
            The image encoder, CLIP ViT-L/14 at 336 pixels unless said otherwise.
        text_config (`PreTrainedConfig` or `dict`, *optional*):
            The language model, MobileLLaMA-1.4B unless said otherwise.
        projector_type (`str`, defaults to `"ldpv2"`):
            `"ldpv2"`, the projector of V2, or `"ldp"`, that of V1.
        image_grid_size (`int`, *optional*, defaults to 12):
            The projector makes `image_grid_size ** 2` visual tokens per image. `"ldp"` halves the grid of patches, and can make
            no other number; `"ldpv2"` pools to any.
        vision_feature_layer (`int`, defaults to -2):
            Which of the image encoder's hidden states (embeddings first) are the image features. Layers beyond it
            never run.
        image_token_id (`int`, defaults to 32000):
            Placeholder `<image>`. It has no embedding: the default is the first id beyond the published vocabulary.
        tie_word_embeddings (`bool`, *optional*):
            Share input and output embeddings; `text_config`'s value unless given.
        mm_vision_tower (`str`, *optional*):
            Where a published repository says that its image encoder comes from. Loading such a checkpoint never leaves the
            encoder with random weights.

    Raises:
        ConfigError: a `ValueError`, on sizes that do not fit each other or are out of bounds, naming them and what would fit.

    Example:

    ```python
    >>> from transformers_mvgpt import MobileVLMConfig, MobileVLMForConditionalGeneration

    >>> config = MobileVLMConfig()
    >>> config.num_image_tokens
    144
    >>> model = MobileVLMForConditionalGeneration(config)
    ```"""

    model_type = "mobilevlm"
    encoder_source_fields = ("mm_vision_tower",)
    published_vision = _PUBLISHED_VISION
    sub_configs_defaults = {
        "vision_config": SubConfigSpec(config_class=CLIPVisionConfig, init_kwargs=_PUBLISHED_VISION),
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="llama", init_kwargs=_PUBLISHED_TEXT_1_7B),
    }

    projector_type: str = "ldpv2"
    image_grid_size: int | None = None
    image_token_id: int = 32000
    mm_vision_tower: str | None = None

    def __post_init__(self, **kwargs):
        super().__post_init__(**kwargs)
        if self.image_grid_size is None:
            self._validate_vision()
            self.image_grid_size = 12 if self.projector_type == "ldpv2" else self._halved_grid_size

    @property
    def num_image_tokens(self) -> int:
        """Visual tokens that the language model gets for an image."""
        assert self.image_grid_size is not None  # since `__post_init__`
        return self.image_grid_size**2

    @property
    def _halved_grid_size(self) -> int:
        return (self.vision_config.image_size // self.vision_config.patch_size + 1) // 2

    def validate_architecture(self):
        """Part of `@strict`-powered validation."""
        self._validate_vision()
        self._validate_language_model()
        vision = self.vision_config
        if vision.patch_size > vision.image_size:
            raise ValueError(
                f"`vision_config.patch_size` ({vision.patch_size}) must be at most `vision_config.image_size` "
                f"({vision.image_size})."
            )
        if self.projector_type == "ldp" and self.image_grid_size != self._halved_grid_size:
            raise ValueError(
                f"`image_grid_size` ({self.image_grid_size}) must be {self._halved_grid_size}, half the "
                f"{vision.image_size // vision.patch_size} patches along a side of an image: `projector_type` 'ldp' makes no other."
            )

    @classmethod
    def nested_release_config(cls, config_dict: dict[str, Any]) -> dict[str, Any]:
        """
        The nested form of a published `config.json`, which has the language model's fields at top level beside `mm_*` ones.
        Any other dictionary is returned as it is.

        Raises:
            ValueError: if it asks for something that no published model has.
        """
        if "text_config" in config_dict or not config_dict.keys() & {"hidden_size", "mm_projector_type"}:
            return config_dict
        nested = {"mm_vision_tower": PUBLISHED_ENCODER, **own_fields(cls, config_dict)}
        if "projector_type" not in nested:
            check_published(config_dict, {"mm_projector_type": tuple(_PROJECTOR_TYPES)})
            if "mm_projector_type" not in config_dict:
                raise ValueError(
                    f"`mm_projector_type` is missing in this config.json: {' or '.join(_PROJECTOR_TYPES)}."
                )
            nested["projector_type"] = _PROJECTOR_TYPES[config_dict["mm_projector_type"]]
        check_published(
            config_dict,
            {
                "mm_vision_select_feature": ("patch",),
                "vision_tower_type": ("clip",),
                "image_aspect_ratio": ("pad",),
                # images stand between no other tokens
                "mm_use_im_start_end": (False,),
            },
        )
        nested["text_config"] = language_model_fields("llama", config_dict)
        nested.setdefault("image_token_id", nested["text_config"].get("vocab_size", 32000))
        return nested


__all__ = ["MobileVLMConfig"]
