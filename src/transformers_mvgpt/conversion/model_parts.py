# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Config, processor and generation config of a model, from a checkpoint or from around a language model."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from transformers import GenerationConfig, PreTrainedConfig, ProcessorMixin
from transformers.utils import CONFIG_NAME, PROCESSOR_NAME, cached_file

from ..families import FAMILIES, Family, family_of
from ..modeling.vision_language_model import placeholder_ids
from ..processing.sentencepiece_files import load_tokenizer
from ..video.limits import shorten
from .encoder_sources import source_of
from .weight_files import read_json


@dataclass(frozen=True)
class Parts:
    """
    A model, but for its weights.

    Args:
        family ([`Family`]): its family.
        config, processor, generation_config: its own; without a generation config, the model makes one of its config.
        is_language_model (`bool`): whether they stood beside a language model alone.
    """

    family: Family
    config: PreTrainedConfig
    processor: ProcessorMixin
    generation_config: GenerationConfig | None
    is_language_model: bool


def read_parts(base: str, config: PreTrainedConfig, is_language_model: bool = False) -> Parts:
    """
    Reads what stands beside a config.

    Args:
        base (`str`): folder or Hub id with a processor or a tokenizer.
        config (`PreTrainedConfig`):
            Of the whole model. It gets the tokenizer's placeholders where that is a language model's, and forgets where it came
            from.
        is_language_model (`bool`): whether `base` is a language model alone.

    Raises:
        ValueError: if tokenizer and config do not name the same placeholders, or a file is damaged.
    """
    family = family_of(config)
    try:
        if cached_file(base, PROCESSOR_NAME, _raise_exceptions_for_missing_entries=False):
            processor = family.processor_class.from_pretrained(base)
        else:
            tokenizer = load_tokenizer(base, padding_side="left")
            if is_language_model:
                _choose_placeholders(config, family, tokenizer)
            processor = family.processor_class.from_config(config, tokenizer)
    except (ImportError, OSError, ValueError):
        raise
    except Exception as error:  # what tokenizers raises on a damaged file is nothing more special
        raise ValueError(
            f"The tokenizer or processor of {shorten(base)} cannot be read: {type(error).__name__}: {shorten(str(error))}."
        ) from error
    for modality, expected in placeholder_ids(config).items():
        name = f"{modality}_token_id"
        if getattr(processor, name) != expected:
            raise ValueError(
                f"`{name}` is {expected} in the config of {base}, but {getattr(processor, name)} in its tokenizer."
            )
    for encoder in family.encoders.values():
        setattr(config, encoder.source_field, source_of(encoder, config))
    _forget_origin(config, processor)
    return Parts(family, config, processor, load_generation_config(base), is_language_model)


def _choose_placeholders(config: PreTrainedConfig, family: Family, tokenizer: Any) -> None:
    """Sets the ids of placeholders to the tokenizer's, or to those that they get when they are added to it."""
    vocabulary = tokenizer.get_vocab()
    for modality, token in family.processor_class.placeholders.items():
        setattr(config, f"{modality}_token_id", vocabulary.get(token, len(vocabulary)))


def around_language_model(
    family: Family, language_model: PreTrainedConfig, fields: Mapping[str, Any]
) -> PreTrainedConfig:
    """The config of this family with these fields around this language model."""
    return family.config_class.from_dict(
        {
            **fields,
            "text_config": language_model.to_dict(),
            "tie_word_embeddings": language_model.tie_word_embeddings,
            "dtype": language_model.dtype,
        }
    )


def read_fields_around(source: str, usual: Family) -> tuple[Family, dict[str, Any]]:
    """What an output of training says of the model around its language model; the usual family's defaults if nothing."""
    file = cached_file(source, CONFIG_NAME, _raise_exceptions_for_missing_entries=False)
    if file is None:
        return usual, usual.config_class().to_dict()
    model_type = read_json(file).get("model_type")
    family = next((family for family in FAMILIES if model_type in family.model_types), usual)
    return family, family.config_class.from_pretrained(source).to_dict()


def _forget_origin(config: PreTrainedConfig, processor: ProcessorMixin) -> None:
    """Lets them be saved without the remote code that they came with, and without how they were loaded."""
    parts = [getattr(processor, name, None) for name in ("image_processor", "video_processor")]
    for part in (config, processor, *parts):
        if hasattr(part, "auto_map"):
            del part.auto_map
    for name in ("auto_map", "dtype", "is_local", "local_files_only"):
        processor.tokenizer.init_kwargs.pop(name, None)


def load_generation_config(path: str | os.PathLike, **hub_options) -> GenerationConfig | None:
    try:
        return GenerationConfig.from_pretrained(path, **hub_options)
    except OSError:
        return None  # the model makes one of its config
    except (AttributeError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(
            f"generation_config.json of {shorten(str(path))} cannot be used: {shorten(str(error))}."
        ) from error
