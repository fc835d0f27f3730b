# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Configuration of Mobile-VideoGPT, and the reading of the published repositories' flat `config.json`."""

import math
import re
from typing import Any

from transformers import AutoConfig, CLIPVisionConfig, PreTrainedConfig

from ..compat.sub_configs import SubConfigSpec
from .checked_config import checked
from .config_rules import FLAG, TEXT, ConfigError, config_of, one_of, short, whole
from .configuration_videomamba import VIDEOMAMBA_LIMITS, VideoMambaConfig
from .vision_language_config import (
    VISION_LANGUAGE_LIMITS,
    VisionLanguageConfig,
    check_published,
    language_model_fields,
    own_fields,
)


RELEASE_MODEL_TYPE = "MobileVideoGPT_qwen"

# CLIP ViT-B/16: transformers' own defaults are ViT-B/32, the same but for the patches.
_PUBLISHED_VISION = {"patch_size": 16}
_PUBLISHED_TEXT_0_5B = {
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "max_window_layers": 24,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
    "tie_word_embeddings": True,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
}
PUBLISHED_ENCODERS = {
    "image_mm_vision_tower": "openai/clip-vit-base-patch16",
    "mm_vision_tower": "OpenGVLab/VideoMamba",
}

# How the frames that go on to the video encoder are chosen; the first one is the published way.
FRAME_SELECTIONS = ("scores", "uniform", "rarest")

MOBILE_VIDEOGPT_LIMITS = VISION_LANGUAGE_LIMITS | {
    # their lowest values depend on one another, and are checked with them
    "num_frames": whole(-math.inf, 4096),
    "frames_per_chunk": whole(-math.inf, 4096),
    "num_selected_frames": whole(-math.inf, 4096),
    "select_most_attended": FLAG,
    "frame_selection": one_of(*FRAME_SELECTIONS),
    "image_grid_size": whole(-math.inf, 4096),
    "video_grid_size": whole(-math.inf, 4096),
    "image_token_id": whole(0, 2**31 - 1),
    "video_token_id": whole(0, 2**31 - 1),
    "image_mm_vision_tower": TEXT,
    "mm_vision_tower": TEXT,
    "video_config": config_of(VIDEOMAMBA_LIMITS),
}


@checked(MOBILE_VIDEOGPT_LIMITS)
class MobileVideoGPTConfig(VisionLanguageConfig):
    r"""
    Configuration of a [`MobileVideoGPTModel`]. The defaults are Mobile-VideoGPT-0.5B (arXiv 2503.21782).

    Args:
        vision_config (`CLIPVisionConfig` or `dict`, *optional*):
            The image encoder, CLIP ViT-B/16 at 224 pixels unless said otherwise.
        video_config (`VideoMambaConfig` or `dict`, *optional*):
            The video encoder, VideoMamba-M on 8 frames unless said otherwise.
        text_config (`PreTrainedConfig` or `dict`, *optional*):
            The language model, Qwen2.5-0.5B unless said otherwise.
        num_frames (`int`, defaults to 16):
            Frames F that the model sees of each video.
        frames_per_chunk (`int`, defaults to 8):
            Frames are scored against the frames of their chunk (paper § 3.2); F is a multiple of it.
        num_selected_frames (`int`, defaults to 4):
            Frames k of each chunk that go on to the video encoder. A square number, since the patches of the k frames
            are laid on one square grid.
        select_most_attended (`bool`, defaults to `True`):
            Keep the frames that draw the most attention; `False` keeps those that draw the least, as `frame_selection="rarest"`.
        frame_selection (`str`, *optional*):
            How the k frames of a chunk are chosen: `"scores"` keeps those that draw the most attention, as published, `"rarest"`
            those that draw the least, `"uniform"` frames at even distances. `None` leaves it to `select_most_attended`. A call of
            `get_video_features` may choose another.
        vision_feature_layer (`int`, defaults to -2):
            Which of the image encoder's hidden states (embeddings first) are the image features. Layers beyond it
            never run.
        image_grid_size (`int`, defaults to 12):
            The image projector makes `image_grid_size ** 2` visual tokens per frame.
        video_grid_size (`int`, defaults to 7):
            Selected frames are pooled to `video_grid_size ** 2` patches each, and the video projector makes as many
            visual tokens per chunk.
        image_token_id, video_token_id (`int`, defaults to 151655 and 151656):
            Placeholders `<|image_pad|>` and `<|video_pad|>`.
        tie_word_embeddings (`bool`, *optional*):
            Share input and output embeddings; `text_config`'s value unless given.
        image_mm_vision_tower, mm_vision_tower (`str`, *optional*):
            Where a published repository says that its image and its video encoder come from. Loading such a checkpoint
            never leaves an encoder with random weights.

    Raises:
        ConfigError: a `ValueError`, on sizes that do not fit each other or are out of bounds, naming them and what would fit.

    Example:

    ```python
    >>> from transformers_mvgpt import MobileVideoGPTConfig, MobileVideoGPTForConditionalGeneration

    >>> config = MobileVideoGPTConfig()
    >>> config.num_video_tokens
    2402
    >>> model = MobileVideoGPTForConditionalGeneration(config)
    ```"""

    model_type = "mobile_videogpt"
    published_vision = _PUBLISHED_VISION
    # where a published checkpoint says that its encoders come from
    encoder_source_fields = ("image_mm_vision_tower", "mm_vision_tower")
    sub_configs_defaults = {
        "vision_config": SubConfigSpec(config_class=CLIPVisionConfig, init_kwargs=_PUBLISHED_VISION),
        "video_config": SubConfigSpec(config_class=VideoMambaConfig),
        "text_config": SubConfigSpec(config_class=AutoConfig, model_type="qwen2", init_kwargs=_PUBLISHED_TEXT_0_5B),
    }

    video_config: dict | PreTrainedConfig | None = None
    num_frames: int = 16
    frames_per_chunk: int = 8
    num_selected_frames: int = 4
    select_most_attended: bool = True
    frame_selection: str | None = None
    image_grid_size: int = 12
    video_grid_size: int = 7
    image_token_id: int = 151655
    video_token_id: int = 151656
    image_mm_vision_tower: str | None = None
    mm_vision_tower: str | None = None

    @property
    def num_chunks(self) -> int:
        """Chunks C of a video."""
        return self.num_frames // self.frames_per_chunk

    def resolve_frame_selection(self, given: str | None = None) -> str:
        """
        Which of `"scores"`, `"uniform"` and `"rarest"` counts in a call.

        Args:
            given (`str`, *optional*): what the call itself asks for.

        Raises:
            ConfigError: a `ValueError`, if it is none of them, or the config's own fields have come to contradict each other.
        """
        if given is None and self.frame_selection is None:
            return "scores" if self.select_most_attended else "rarest"
        chosen = self.frame_selection if given is None else given
        if chosen not in FRAME_SELECTIONS:
            known = ", ".join(map(repr, FRAME_SELECTIONS))
            raise ConfigError(f"`frame_selection` ({short(chosen)}) must be one of {known}.")
        if given is None:
            self._check_one_selection()
        return chosen

    def save_pretrained(self, *args: Any, **kwargs: Any) -> None:
        """As [`~PreTrainedConfig.save_pretrained`], of what can be loaded again."""
        self.resolve_frame_selection()
        super().save_pretrained(*args, **kwargs)

    def _check_one_selection(self) -> None:
        # a config's fields can also be set after it was validated
        if not self.select_most_attended and self.frame_selection not in (None, "rarest"):
            raise ConfigError(
                f"`frame_selection` ({self.frame_selection!r}) contradicts `select_most_attended` (false), which keeps the frames that "
                "draw the least attention: leave one of both out."
            )

    def reads_weight(self, name: str) -> bool:
        return super().reads_weight(name) and not re.search(r"\bvideo_tower\.clip_decoder\.", name)

    @property
    def num_image_tokens(self) -> int:
        """Visual tokens that the language model gets for an image, or for the image stream of a frame."""
        return self.image_grid_size**2

    @property
    def num_video_tokens(self) -> int:
        """Visual tokens that the language model gets for a video."""
        return self.num_frames * self.num_image_tokens + self.num_chunks * self.video_grid_size**2

    def validate_architecture(self):
        """Part of `@strict`-powered validation."""
        self._validate_frames()
        self._validate_vision()
        self._validate_grids()
        self._validate_language_model()
        if self.image_token_id == self.video_token_id:
            raise ValueError(f"`image_token_id` and `video_token_id` must differ, both are {self.image_token_id}.")

    def _validate_frames(self):
        frames, chunk, selected = self.num_frames, self.frames_per_chunk, self.num_selected_frames
        if chunk < 1 or frames < 1 or frames % chunk:
            below = max(chunk, 1) * max(1, frames // max(chunk, 1))
            raise ValueError(
                f"`num_frames` ({frames}) must be a multiple of `frames_per_chunk` ({chunk}): "
                f"{below} or {below + max(chunk, 1)} would fit."
            )
        if not 1 <= selected <= chunk:
            raise ValueError(f"`num_selected_frames` ({selected}) must be from 1 to `frames_per_chunk` ({chunk}).")
        if math.isqrt(selected) ** 2 != selected:
            patches = self.video_grid_size**2
            squares = [n * n for n in range(1, math.isqrt(chunk) + 1)]
            raise ValueError(
                f"`num_selected_frames` * `video_grid_size`**2 = {selected} * {patches} = {selected * patches} patches "
                "of a chunk cannot be laid on a square grid: `num_selected_frames` must be a square number; "
                f"{' or '.join(map(str, squares))} would fit."
            )
        video = self.video_config
        if video.tubelet_size != 1:
            raise ValueError(
                f"`video_config.tubelet_size` ({video.tubelet_size}) must be 1: frames are scored one by one."
            )
        if self.num_chunks * selected != video.num_frames:
            raise ValueError(
                f"{self.num_chunks} chunks of {selected} selected frames are {self.num_chunks * selected} frames, but "
                f"the video encoder takes `video_config.num_frames` = {video.num_frames}: "
                f"`num_frames` = {video.num_frames * chunk / selected:g} or `video_config.num_frames` = "
                f"{self.num_chunks * selected} would fit."
            )
        self._check_one_selection()

    def _validate_grids(self):
        vision = self.vision_config
        if vision.image_size % vision.patch_size:
            raise ValueError(
                f"`vision_config.image_size` ({vision.image_size}) must be a multiple of `vision_config.patch_size` "
                f"({vision.patch_size})."
            )
        grids = (
            ("image_grid_size", self.image_grid_size, "vision_config", vision.image_size // vision.patch_size),
            ("video_grid_size", self.video_grid_size, "video_config", self.video_config.patch_grid_size),
        )
        for name, grid, encoder, patches in grids:
            if not 1 <= grid <= patches:
                raise ValueError(
                    f"`{name}` ({grid}) must be from 1 to {patches}, the patches along a side of a frame in `{encoder}`."
                )

    @classmethod
    def nested_release_config(cls, config_dict: dict[str, Any]) -> dict[str, Any]:
        """
        The nested form of a published `config.json`, which has the language model's fields at top level beside `mm_*` ones.
        Any other dictionary is returned as it is.

        Raises:
            ValueError: if it asks for something that no published model has.
        """
        if config_dict.get("model_type") != RELEASE_MODEL_TYPE:
            return config_dict
        check_published(
            config_dict,
            {
                "mm_projector_type": ("etp",),
                "image_mm_projector_type": ("etp",),
                "mm_vision_select_feature": ("patch",),
            },
        )
        text_config = language_model_fields("qwen2", config_dict)
        return PUBLISHED_ENCODERS | own_fields(MobileVideoGPTConfig, config_dict) | {"text_config": text_config}


@checked(MOBILE_VIDEOGPT_LIMITS)
class MobileVideoGPTReleaseConfig(MobileVideoGPTConfig):
    """Stands for the published repositories' `model_type`; reading one gives a [`MobileVideoGPTConfig`]."""

    model_type = RELEASE_MODEL_TYPE

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs):
        return MobileVideoGPTConfig.from_dict(config_dict, **kwargs)


__all__ = ["MobileVideoGPTConfig"]
