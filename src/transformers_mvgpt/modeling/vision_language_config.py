# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the configs of all families have: a language model, an image encoder, and a published form that is read too."""

import math
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

from transformers import AutoConfig, PreTrainedConfig

from ..compat.cache_name import CACHE_NAME
from ..compat.sub_configs import WithSubConfigs
from .config_limits import TEXT_LIMITS, VISION_LIMITS
from .config_rules import FLAG_OR_NONE, Rule, config_of, short, whole
from .config_with_code import ConfigWithCode


VISION_LANGUAGE_LIMITS: dict[str, Rule] = {
    "vision_feature_layer": whole(-math.inf, math.inf),
    "tie_word_embeddings": FLAG_OR_NONE,
    "vision_config": config_of(VISION_LIMITS),
    "text_config": config_of(TEXT_LIMITS),
}


class VisionLanguageConfig(WithSubConfigs, ConfigWithCode):
    """
    A family adds its other fields, `sub_configs_defaults` and `validate_architecture`, and may read the `config.json` of its published
    checkpoints: [`nested_release_config`].
    """

    # where a published checkpoint says that its encoders come from
    encoder_source_fields: ClassVar[tuple[str, ...]] = ()
    # what a `vision_config` that is a dictionary need not say
    published_vision: ClassVar[dict[str, Any]] = {}
    # what else a model returns depends on the visuals of a batch: an evaluation could not gather it
    keys_to_ignore_at_inference = [
        CACHE_NAME,
        "image_hidden_states",
        "video_hidden_states",
        "frame_scores",
        "selected_frames",
        "image_outputs",
        "video_outputs",
    ]

    vision_config: dict | PreTrainedConfig | None = None
    text_config: dict | PreTrainedConfig | None = None
    vision_feature_layer: int = -2
    tie_word_embeddings: bool | None = None

    def __post_init__(self, **kwargs):
        if isinstance(self.vision_config, dict):
            self.vision_config = {**self.published_vision, **self.vision_config}
        super().__post_init__(**kwargs)
        if self.tie_word_embeddings is None:
            self.tie_word_embeddings = self.text_config.tie_word_embeddings

    @property
    def num_vision_layers(self) -> int:
        """Layers of the image encoder that run."""
        return self.vision_feature_layer % (self.vision_config.num_hidden_layers + 1)

    def reads_weight(self, name: str) -> bool:
        """Whether a model with this config computes anything with the weight of this name."""
        if re.search(r"\bvision_tower\.(post_layernorm|head)\.", name):
            return False
        layer = re.search(r"\bvision_tower\.encoder\.layers\.(\d+)\.", name)
        return layer is None or int(layer[1]) < self.num_vision_layers

    def _validate_vision(self) -> None:
        vision = self.vision_config
        if not isinstance(vision.image_size, int) or not isinstance(vision.patch_size, int):
            raise ValueError(
                f"`vision_config.image_size` ({vision.image_size}) and `patch_size` ({vision.patch_size}) must be "
                "integers: frames are square."
            )
        num_states = vision.num_hidden_layers + 1
        if not -num_states <= self.vision_feature_layer < num_states:
            raise ValueError(
                f"`vision_feature_layer` ({self.vision_feature_layer}) must be one of the {num_states} hidden states of "
                f"the image encoder: {-num_states} to {num_states - 1}."
            )

    def _validate_language_model(self) -> None:
        text = self.text_config
        for name in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"):
            if not isinstance(getattr(text, name, None), int):
                raise ValueError(
                    f"`text_config` is a {text.model_type!r}, not a language model of this kind: it has no `{name}`."
                )
        heads, kv_heads = text.num_attention_heads, text.num_key_value_heads
        if getattr(text, "head_dim", None) is None and text.hidden_size % heads:
            raise ValueError(
                f"`text_config.hidden_size` ({text.hidden_size}) must be a multiple of "
                f"`text_config.num_attention_heads` ({heads})."
            )
        head_dim = getattr(text, "head_dim", None) or text.hidden_size // heads
        if head_dim % 2:
            raise ValueError(
                f"`text_config.hidden_size` / `text_config.num_attention_heads` ({head_dim}) must be even: positions are "
                "rotations of pairs."
            )
        share = (getattr(text, "rope_parameters", None) or {}).get("partial_rotary_factor") or 1
        if int(head_dim * share) % 2 or int(head_dim * share) == 0:
            raise ValueError(
                f"`partial_rotary_factor` ({share}) of `text_config` rotates {int(head_dim * share)} of the {head_dim} values of a "
                "head: it must be an even number, and at least 2."
            )
        if text.pad_token_id is not None and not -text.vocab_size <= text.pad_token_id < text.vocab_size:
            raise ValueError(
                f"`text_config.pad_token_id` ({text.pad_token_id}) must be below `text_config.vocab_size` ({text.vocab_size})."
            )
        if heads % kv_heads:
            raise ValueError(
                f"`text_config.num_attention_heads` ({heads}) must be a multiple of "
                f"`text_config.num_key_value_heads` ({kv_heads})."
            )

    @classmethod
    def nested_release_config(cls, config_dict: dict[str, Any]) -> dict[str, Any]:
        """
        The nested form of a published `config.json`; any other dictionary is returned as it is.

        Raises:
            ValueError: if it asks for something that no published model has.
        """
        return config_dict

    @classmethod
    def get_config_dict(cls, *args, **kwargs) -> tuple[dict[str, Any], dict[str, Any]]:
        """As [`~PreTrainedConfig.get_config_dict`]; a published repository's dictionary is returned nested."""
        config_dict, kwargs = super().get_config_dict(*args, **kwargs)
        return cls.nested_release_config(config_dict), kwargs

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs):
        """
        As [`~PreTrainedConfig.from_dict`]. Keyword arguments that are fields are set together with the dictionary's,
        so that only their combination has to fit; one for a sub-config may be a dictionary of some of its fields.
        A published repository's dictionary is understood too.
        """
        config_dict = cls.nested_release_config(config_dict)
        names = {field.name for field in fields(cls)} - {"dtype"}
        given = {name: kwargs.pop(name) for name in names & set(kwargs)}
        for name in cls.sub_configs_defaults.keys() & given.keys() & config_dict.keys():
            if isinstance(config_dict[name], dict) and isinstance(given[name], dict):
                given[name] = {**config_dict[name], **given[name]}
        return super().from_dict({**config_dict, **given}, **kwargs)


def own_fields(config_class: type[PreTrainedConfig], flat: Mapping[str, Any]) -> dict[str, Any]:
    """What a published `config.json` says of a family's own fields, which override what it says in other words; and its dtype."""
    names = {field.name for field in fields(config_class)} - {field.name for field in fields(PreTrainedConfig)}
    own = {name: flat[name] for name in names if name in flat} | {"model_type": config_class.model_type}
    if "mm_vision_select_layer" in flat:
        own.setdefault("vision_feature_layer", flat["mm_vision_select_layer"])
    dtype = flat.get("dtype", flat.get("torch_dtype"))
    return own if dtype is None else own | {"dtype": dtype}


def language_model_fields(model_type: str, flat: Mapping[str, Any]) -> dict[str, Any]:
    """What a published `config.json`, which has the language model's fields at top level, says of a language model of this type."""
    shared = {field.name for field in fields(PreTrainedConfig)}
    legacy_rope = {"rope_theta", "rope_scaling"}
    names = {field.name for field in fields(AutoConfig.for_model(model_type))} - shared | legacy_rope | {"head_dim"}
    return {name: flat[name] for name in names if flat.get(name) is not None}


def check_published(flat: Mapping[str, Any], expected: Mapping[str, tuple[Any, ...]]) -> None:
    """
    Raises:
        ValueError: if a published `config.json` asks for another value than those that are supported, by field.
    """
    for name, supported in expected.items():
        if name in flat and flat[name] not in supported:
            raise ValueError(
                f"`{name}` is {short(flat[name])} in this config.json; only {' and '.join(map(repr, supported))} "
                f"{'is' if len(supported) == 1 else 'are'} supported."
            )
