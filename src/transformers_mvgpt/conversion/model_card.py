# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The model card of a Hub repository. Its text is in `model_card.md`."""

from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData

from ..modeling.modeling_mvgpt import MobileVideoGPTForConditionalGeneration
from ..modeling.pretrained_mvgpt import is_published
from .card_metadata import DRAWN_CLIPS, PUBLISHED_LICENSE


_TEMPLATE = Path(__file__).with_name("model_card.md")


def make_card(model: MobileVideoGPTForConditionalGeneration, metadata: ModelCardData, repository: str) -> ModelCard:
    """
    Args:
        model ([`MobileVideoGPTForConditionalGeneration`]): the model, on whatever device.
        metadata ([`~huggingface_hub.ModelCardData`]): the head of the card.
        repository (`str`): what the examples load.
    """
    is_drawn = any(result.dataset_type == DRAWN_CLIPS for result in metadata.eval_results or [])
    return ModelCard.from_template(
        metadata,
        template_path=str(_TEMPLATE),
        name=repository.rpartition("/")[2],
        repository=repository,
        config=model.config,
        num_parameters=f"{model.num_parameters() / 1e6:,.1f} million",
        base_models=metadata.base_model or [],
        is_published=is_published(model.config),
        has_published_license=metadata.license == PUBLISHED_LICENSE,
        results=metadata.eval_results or [],
        is_drawn=is_drawn,
        question="What happens in the video?" if is_drawn else "What is happening?",
    )
