# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What learns in each stage."""

import re
import warnings

from torch import nn
from transformers import PreTrainedModel

from ..families import Family, family_of
from ..modeling.missing_encoders import freeze_unread_weights, is_read
from .images_as_video_mvgpt import send_images_through_video_encoder
from .recipe import Recipe
from .stage_records import Stage


def find_stage(family: Family, name: str) -> Stage:
    """
    Raises:
        ValueError: if models of this family are not trained in a stage of this name.
    """
    for stage in family.stages:
        if stage.name == name:
            return stage
    names = " or ".join(stage.name for stage in family.stages)
    raise ValueError(f"`stage` ({name}) of {family.name} must be {names}.")


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
    stage = find_stage(family, recipe.stage)
    encoders = tuple(encoder.module for encoder in family.encoders.values()) if recipe.train_encoders else ()
    learning = tuple(name for name in stage.learns if name != "language_model") + encoders
    model.requires_grad_(False)
    if stage.images_as_video:
        send_images_through_video_encoder(model)
    if stage.trains_language_model and recipe.lora is not None:
        adapted = _add_lora(model, recipe, learning)
        for encoder in encoders:
            _freeze_unread_copies(adapted, encoder)
        return adapted
    for name in learning:
        model.get_submodule(f"model.{name}").requires_grad_(True)
    if stage.trains_language_model:
        model.get_submodule("model.language_model").requires_grad_(True)
        model.lm_head.requires_grad_(True)
    freeze_unread_weights(model)
    return model


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
