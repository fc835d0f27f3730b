# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What learns in each stage, and what the model is given."""

import re
import warnings
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ..families import family_of
from ..modeling.missing_encoders import freeze_unread_weights, is_read
from .recipe import Recipe


def prepare_model(model: PreTrainedModel, recipe: Recipe) -> nn.Module:
    """
    Makes what the stage trains trainable, and all else not.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]): the model; it is changed in place.
        recipe ([`Recipe`]): says the stage.

    Returns:
        `nn.Module`: the model, in a `peft.PeftModel` where the recipe has LoRA.

    Raises:
        ValueError: if models of this family are not trained in this stage.
        ImportError: if LoRA is wanted and peft is not installed.
    """
    family = family_of(model.config)
    if recipe.stage not in family.stages:
        raise ValueError(f"`stage` ({recipe.stage}) of {family.name} must be {' or '.join(family.stages)}.")
    encoders = tuple(encoder.module for encoder in family.encoders.values()) if recipe.train_encoders else ()
    model.requires_grad_(False)
    if recipe.stage == "video_projector":
        model.register_forward_pre_hook(_images_as_video, with_kwargs=True)
    if recipe.stage != "instruction":
        model.get_submodule(f"model.{recipe.stage}").requires_grad_(True)
        return model
    learning = family.projectors + encoders
    if recipe.lora is None:
        for name in (*learning, "language_model"):
            model.get_submodule(f"model.{name}").requires_grad_(True)
        model.lm_head.requires_grad_(True)
        freeze_unread_weights(model)
        return model
    model = _add_lora(model, recipe, learning)
    for encoder in encoders:
        _freeze_unread_copies(model, encoder)
    return model


def encode_images_as_video(model: PreTrainedModel, frames: torch.Tensor) -> BaseModelOutputWithPooling:
    """
    Images through the video encoder, each as a video of one frame, and on through the video projector with all of their
    patches: how the video projector is trained before it meets videos.

    Args:
        model ([`MobileVideoGPTForConditionalGeneration`]): the model, which has a video encoder.
        frames (`torch.Tensor` of shape `(num_images, 1, 3, height, width)`): as the video encoder wants them.

    Returns:
        [`~modeling_outputs.BaseModelOutputWithPooling`]: `last_hidden_state` of the video encoder, and as `pooler_output` the
        visual tokens, `(num_images, video_grid_size ** 2, hidden_size)`.
    """
    tower, projector = (model.get_submodule(f"model.{name}") for name in ("video_tower", "video_projector"))
    learns = any(parameter.requires_grad for parameter in tower.parameters())
    with torch.set_grad_enabled(torch.is_grad_enabled() and learns):
        features = tower(frames).last_hidden_state  # (num_images, 1 + patches, D)
    return BaseModelOutputWithPooling(last_hidden_state=features, pooler_output=projector(features[:, 1:]))


def _images_as_video(model: PreTrainedModel, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    """Inside of the forward pass, where wrappers that shard or synchronize the model see it."""
    frames = kwargs.pop("pixel_values_videos", None)
    if frames is not None:
        kwargs["mm_encoder_outputs"] = {"image": encode_images_as_video(model, frames)}
    return args, kwargs


def _add_lora(model: PreTrainedModel, recipe: Recipe, learning: tuple[str, ...]) -> nn.Module:
    try:
        import peft
    except ImportError as error:
        raise ImportError("LoRA needs peft: pip install 'transformers-mvgpt[train]'.") from error
    assert recipe.lora is not None
    language_model = model.get_submodule("model.language_model")
    linears = {
        name.rpartition(".")[2] for name, module in language_model.named_modules() if isinstance(module, nn.Linear)
    }
    config = peft.LoraConfig(
        r=recipe.lora.r,
        lora_alpha=recipe.lora.alpha,
        lora_dropout=recipe.lora.dropout,
        target_modules=rf"model\.language_model\..*\.({'|'.join(sorted(linears))})",
        modules_to_save=list(learning),
    )
    with warnings.catch_warnings():
        # peft asks for it under its old name
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        return peft.get_peft_model(model, config)


def _freeze_unread_copies(model: nn.Module, encoder: str) -> None:
    """peft has made all of the encoder's copy trainable, also what nothing reads."""
    config = model.get_submodule("base_model.model").config
    for name, parameter in model.named_parameters():
        if f".{encoder}.modules_to_save." in name:
            plain = re.sub(r"^base_model\.model\.|modules_to_save\.[^.]+\.", "", name)
            parameter.requires_grad_(parameter.requires_grad and is_read(plain, config))
