# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Configuration of TinyLLaVA-Video, and the reading of the published repositories' `config.json`."""

import os
import re
from collections.abc import Mapping
from typing import Any

from transformers import AutoConfig, SiglipVisionConfig

from ..compat.sub_configs import SubConfigSpec
from .checked_config import checked
from .config_rules import TEXT, Rule, short, whole
from .vision_language_config import VISION_LANGUAGE_LIMITS, VisionLanguageConfig, check_published, own_fields


RELEASE_MODEL_TYPE = "tinyllava"
RESAMPLER_TYPES = ("group", "naive")
PUBLISHED_ENCODER = "google/siglip-so400m-patch14-384"

# SigLIP so400m-384
_PUBLISHED_VISION = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "image_size": 384,
    "patch_size": 14,
}
_PUBLISHED_TEXT_3B = {
    "hidden_size": 2048,
    "intermediate_size": 11008,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "max_window_layers": 36,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
    "tie_word_embeddings": True,
    "bos_token_id": 151643,
    "eos_token_id": 151643,
}
# By the type of the language model: the id that `<image>` gets when it is added to its tokenizer.
_PUBLISHED_VIDEO_TOKEN_IDS = {"qwen2": 151665, "phi": 50295}

# Where an author's computer had the model that a nested config is of.
_PATHS = ("_name_or_path", "model_name_or_path", "model_name_or_path2")

TINYLLAVA_VIDEO_LIMITS = VISION_LANGUAGE_LIMITS | {
    "resampler_type": Rule("'group' or 'naive'", lambda value: value in RESAMPLER_TYPES),
    "num_queries": whole(1, 65_536),
    "num_groups": whole(1, 65_536),
    "num_resampler_layers": whole(1, 1024),
    "num_frames": whole(1, 10_000, optional=True),
    "max_frames": whole(1, 10_000),
    "video_token_id": whole(0, 2**31 - 1),
    "vision_model_name_or_path": TEXT,
}


@checked(TINYLLAVA_VIDEO_LIMITS)
class TinyLlavaVideoConfig(VisionLanguageConfig):
    r"""
    Configuration of a [`TinyLlavaVideoModel`]. The defaults are TinyLLaVA-Video-Qwen2.5-3B-Group-16-512 (arXiv 2501.15513).

    Args:
        vision_config (`SiglipVisionConfig` or `dict`, *optional*):
            The image encoder, SigLIP so400m at 384 pixels unless said otherwise.
        text_config (`PreTrainedConfig` or `dict`, *optional*):
            The language model, Qwen2.5-3B unless said otherwise; Phi-2 is the other one that is published.
        resampler_type (`str`, defaults to `"group"`):
            How the tokens of all frames become `num_queries`: `"group"` cuts them into `num_groups` chunks, each of which answers
            its share of the queries; with `"naive"` all queries attend to all of them.
        num_queries (`int`, defaults to 512):
            Visual tokens that the language model gets for a video, however long it is.
        num_groups (`int`, defaults to 16):
            Chunks of the group resampler. `num_queries` is a multiple of it.
        num_resampler_layers (`int`, defaults to 3):
            Layers of the resampler.
        num_frames (`int`, *optional*, defaults to 16):
            Frames that the processor takes of each video; `None` for about one per second, at most `max_frames`, as of published
            checkpoints with `1fps` in their name. The model takes any number.
        max_frames (`int`, defaults to 64):
            Frames at most where they are taken by the second.
        vision_feature_layer (`int`, defaults to -2):
            Which of the image encoder's hidden states (embeddings first) are the image features. Layers beyond it never run.
        video_token_id (`int`, defaults to 151665):
            Placeholder `<image>`, which stands for a video.
        tie_word_embeddings (`bool`, *optional*):
            Share input and output embeddings; `text_config`'s value unless given.
        vision_model_name_or_path (`str`, *optional*):
            Where the image encoder of a published checkpoint is taken from, should it be missing there. What a published `config.json`
            says of it is not read: it may be a path on its author's machine.

    Raises:
        ConfigError: a `ValueError`, on sizes that do not fit each other or are out of bounds, naming them and what would fit.

    Example:

    ```python
    >>> from transformers_mvgpt import TinyLlavaVideoConfig, TinyLlavaVideoForConditionalGeneration

    >>> config = TinyLlavaVideoConfig()
    >>> config.num_video_tokens
    512
    >>> model = TinyLlavaVideoForConditionalGeneration(config)
    ```"""

    model_type = "tinyllava_video"
    published_vision = _PUBLISHED_VISION
    encoder_source_fields = ("vision_model_name_or_path",)
    sub_configs_defaults = {
        "vision_config": SubConfigSpec(config_class=SiglipVisionConfig, init_kwargs=_PUBLISHED_VISION),
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="qwen2", init_kwargs=_PUBLISHED_TEXT_3B),
    }

    resampler_type: str = "group"
    num_queries: int = 512
    num_groups: int = 16
    num_resampler_layers: int = 3
    num_frames: int | None = 16
    max_frames: int = 64
    video_token_id: int = 151665
    vision_model_name_or_path: str | None = None

    @property
    def num_frame_tokens(self) -> int:
        """Tokens that the resampler gets of a frame: all patches but the first, since the release drops it as if it were a class token."""
        return (self.vision_config.image_size // self.vision_config.patch_size) ** 2 - 1

    @property
    def num_video_tokens(self) -> int:
        """Visual tokens that the language model gets for a video."""
        return self.num_queries

    def validate_architecture(self):
        """Part of `@strict`-powered validation."""
        self._validate_vision()
        vision = self.vision_config
        if self.num_frame_tokens < 1:
            raise ValueError(
                f"`vision_config.image_size` ({vision.image_size}) must be at least twice `vision_config.patch_size` "
                f"({vision.patch_size}): the first patch of a frame is not used."
            )
        if self.resampler_type == "group" and self.num_queries % self.num_groups:
            raise ValueError(
                f"`num_queries` ({self.num_queries}) must be a multiple of `num_groups` ({self.num_groups}): each group "
                "answers its share of the queries."
            )
        self._validate_language_model()

    @classmethod
    def get_config_dict(cls, pretrained_model_name_or_path, **kwargs) -> tuple[dict[str, Any], dict[str, Any]]:
        name = pretrained_model_name_or_path
        config_dict, kwargs = super(VisionLanguageConfig, cls).get_config_dict(name, **kwargs)
        return cls.nested_release_config(_with_sampling(config_dict, name)), kwargs

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs):
        return super().from_dict(_with_sampling(config_dict, kwargs.get("name_or_path")), **kwargs)

    @classmethod
    def nested_release_config(cls, config_dict: dict[str, Any]) -> dict[str, Any]:
        """
        The native form of a published `config.json`; any other dictionary is returned as it is. Of the published form only the two
        nested configs and the sizes are read: the names in it may be paths on its author's machine.

        Raises:
            ValueError: if it is another model of TinyLLaVA Factory, or asks for something that no published model has.
        """
        if config_dict.get("model_type") != RELEASE_MODEL_TYPE:
            return config_dict
        text, vision = config_dict.get("text_config"), config_dict.get("vision_config")
        resampler_type = _resampler_type(config_dict.get("connector_type"))
        if not isinstance(text, Mapping):
            raise ValueError(
                f"`text_config` is {short(text)} in this config.json: it must say which language model it is."
            )
        vision = {} if vision is None else vision
        if not isinstance(vision, Mapping):
            raise ValueError(f"`vision_config` is {short(vision)} in this config.json: it must be an object.")
        check_published(config_dict, {"vision_feature_select_strategy": ("patch",)})
        if vision.get("model_type", SiglipVisionConfig.model_type) != SiglipVisionConfig.model_type:
            raise ValueError(
                f"`vision_config` is a {short(vision['model_type'])} in this config.json; only SigLIP "
                f"({SiglipVisionConfig.model_type!r}) is supported."
            )
        check_published(
            {"text_config.model_type": text.get("model_type")},
            {"text_config.model_type": tuple(_PUBLISHED_VIDEO_TOKEN_IDS)},
        )
        nested = {
            "resampler_type": resampler_type,
            "video_token_id": _PUBLISHED_VIDEO_TOKEN_IDS[text["model_type"]],
        }
        if "group" in config_dict:
            nested["num_groups"] = config_dict["group"]
        own = own_fields(TinyLlavaVideoConfig, config_dict)
        own.pop("tie_word_embeddings", None)
        parts = {"text_config": _without_paths(text), "vision_config": _without_paths(vision)}
        return nested | own | parts | {"vision_model_name_or_path": PUBLISHED_ENCODER}


def _without_paths(part: Mapping[str, Any]) -> dict[str, Any]:
    """A nested config without what would be written into other people's files."""
    return {name: value for name, value in part.items() if name not in _PATHS}


def _with_sampling(config_dict: dict[str, Any], name: str | os.PathLike | None) -> dict[str, Any]:
    """A published `config.json` does not say how frames are sampled: the name of its repository does, `...-Group-1fps-512`."""
    if config_dict.get("model_type") == RELEASE_MODEL_TYPE and re.search(r"-1fps-\d+", os.fspath(name or "")):
        return {"num_frames": None, **config_dict}
    return config_dict


def _resampler_type(connector_type: Any) -> str:
    for resampler_type in RESAMPLER_TYPES:
        if isinstance(connector_type, str) and f"{resampler_type}resampler" in connector_type.lower():
            return resampler_type
    raise ValueError(
        f"This config.json is of an image model of TinyLLaVA Factory, which has the same `model_type` ({RELEASE_MODEL_TYPE!r}): its "
        f"`connector_type` is {short(connector_type)}. Only TinyLLaVA-Video is supported: 'groupresampler' and 'naiveresampler'."
    )


@checked(TINYLLAVA_VIDEO_LIMITS)
class TinyLlavaVideoReleaseConfig(TinyLlavaVideoConfig):
    """Stands for the published repositories' `model_type`; reading one gives a [`TinyLlavaVideoConfig`]."""

    model_type = RELEASE_MODEL_TYPE

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs):
        return TinyLlavaVideoConfig.from_dict(config_dict, **kwargs)


__all__ = ["TinyLlavaVideoConfig"]
