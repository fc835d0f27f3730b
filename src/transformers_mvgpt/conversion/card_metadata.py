# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the head of a model card says about a checkpoint: its license, what it was made of, and its scores."""

import os
from collections.abc import Sequence
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData
from transformers import PreTrainedConfig

from ..families import family_of
from ..modeling.missing_encoders import is_published
from .encoder_sources import is_repository_id
from .weight_files import read_json


CARD_FILE = "README.md"
SCORES_FILE = "scores.json"
DRAWN_CLIPS = "drawn-clips"
# What a checkpoint's own card may say of it.
_OWN_FIELDS = ("license", "license_name", "license_link", "language", "eval_results")


def read_metadata(source: str, config: PreTrainedConfig, name: str) -> ModelCardData:
    """
    What is known of a checkpoint: what its own card says, else what follows from its config and the files beside it.

    Args:
        source (`str`): folder or Hub id.
        config (`PreTrainedConfig`): of the checkpoint.
        name (`str`): what the model is called beside its results.

    Raises:
        ValueError: if a file of scores is damaged.
    """
    metadata: dict[str, Any] = {}
    family = family_of(config)
    if is_published(config):
        published = family.published
        model = published.find(config, source)
        parts = [] if model is None else [model.repository]
        parts += [getattr(config, name) for name in config.encoder_source_fields]
        metadata = {"license": published.license_of(model).name, "language": ["en"]}
        metadata |= _repositories("base_model", parts) | _repositories("datasets", [*published.datasets])
    if os.path.isfile(scores := os.path.join(source, SCORES_FILE)):
        # the model is `make train-demo`'s, trained from nothing
        metadata |= {"license": "apache-2.0", "language": ["en"], "eval_results": _read_scores(scores, family.task)}
    if os.path.isfile(adapter := os.path.join(source, "adapter_config.json")):
        metadata |= _repositories("base_model", read_json(adapter).get("base_model_name_or_path"))
    metadata |= _read_own_card(source)
    if metadata.get("eval_results"):
        metadata["model_name"] = name
    return ModelCardData(
        pipeline_tag=family.task,
        library_name="transformers",
        tags=[*family.tags, "custom_code"],
        **metadata,
    )


def _read_own_card(source: str) -> dict[str, Any]:
    file = os.path.join(source, CARD_FILE)
    if not os.path.isfile(file):
        return {}
    data = ModelCard.load(file, ignore_metadata_errors=True).data
    own = {name: value for name in _OWN_FIELDS if (value := getattr(data, name, None))}
    return own | _repositories("base_model", data.base_model) | _repositories("datasets", data.datasets)


def _repositories(field: str, values: str | Sequence[str | None] | None) -> dict[str, list[str]]:
    """The field with those values that are on the Hub, which folders of this computer are not; nothing if there are none."""
    given = [values] if isinstance(values, str) else values or []
    known = [value for value in given if value is not None and is_repository_id(value)]
    return {field: known} if known else {}


def _read_scores(file: str, task: str) -> list[EvalResult] | None:
    """One result for each type of question, of the file that `make train-demo` writes."""
    content = read_json(file)
    results = [
        EvalResult(
            task_type=task,
            task_name=f"Questions about {task.partition('-')[0]}s",
            dataset_type=DRAWN_CLIPS,
            dataset_name="Drawn clips of colored shapes (mvgpt draw-clips)",
            dataset_split="test",
            metric_type="exact_match",
            metric_name=f"exact answers: {kind}",
            metric_value=share,
        )
        for kind, share in content.get("scores", {}).get("model", {}).items()
    ]
    return results or None
