# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The model card of a Hub repository. Its text is in `model_card.md`."""

import hashlib
import json
import re
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData
from transformers import PreTrainedModel

from ..families import Family, family_of
from ..modeling.missing_encoders import is_published
from .card_metadata import DRAWN_CLIPS


_TEMPLATE = Path(__file__).with_name("model_card.md")
# The last line of a card: what stands above it was written by no one else if its digest is this.
_SEAL = "<!-- mvgpt {} {} -->\n"
# made of the results of `mvgpt bench` in the source repository
SPEED_FILE = Path(__file__).with_name("speed.json")


def make_card(
    model: PreTrainedModel, metadata: ModelCardData, repository: str, source: str | None = None
) -> ModelCard:
    """
    Args:
        model ([`PreTrainedModel`]): the model, on whatever device.
        metadata ([`~huggingface_hub.ModelCardData`]): the head of the card.
        repository (`str`): what the examples load.
        source (`str`, *optional*): folder or Hub id that the model was loaded from.
    """
    family, config = family_of(model.config), model.config
    published = family.published.find(config, source) if is_published(config) else None
    license = family.published.license_of(published)
    is_drawn = any(result.dataset_type == DRAWN_CLIPS for result in metadata.eval_results or [])
    card = ModelCard.from_template(
        metadata,
        template_path=str(_TEMPLATE),
        name=repository.rpartition("/")[2],
        repository=repository,
        family=family,
        summary=family.summary.format(config=config),
        config=config,
        size=config.vision_config.image_size,
        sees_videos=family.video_processor_class is not None,
        num_parameters=f"{model.num_parameters() / 1e6:,.1f} million",
        base_models=metadata.base_model or [],
        is_published=is_published(config),
        published=published,
        paper=(published and published.paper) or family.paper,
        license_note=license.note if metadata.license == license.name and is_published(config) else None,
        results=metadata.eval_results or [],
        speed=read_speed(model.num_parameters()),
        is_drawn=is_drawn,
        selects_frames=hasattr(config, "num_selected_frames"),
        question=_question(family, is_drawn),
    )
    return seal(card, "export-hub")


def seal(card: ModelCard, command: str) -> ModelCard:
    """The card with a last line by which [`is_as_made`] knows it; `command` is the one that writes it."""
    return ModelCard(f"{card.content.rstrip()}\n\n{_SEAL.format(command, _digest(card.content))}")


def _question(family: Family, is_drawn: bool) -> str:
    if family.video_processor_class is None:
        return "What is in the image?"
    return "What happens in the video?" if is_drawn else "What is happening?"


def check_card(file: Path) -> None:
    """
    Raises:
        FileExistsError: if there is a card that is not as an export made it.
    """
    if file.exists() and not is_as_made(file):
        raise FileExistsError(
            f"{file} was edited after the export and is not replaced: move it out of the folder first."
        )


def is_as_made(file: Path) -> bool:
    """Whether this card was sealed, and nobody has edited it since."""
    text = file.read_text(encoding="utf-8")
    found = re.search(_SEAL.format("[a-z-]+", "([0-9a-f]{16})").strip() + r"\s*$", text)
    return found is not None and found[1] == _digest(text[: found.start()])


def read_speed(num_parameters: int) -> list[dict[str, str]]:
    """
    What was measured of speed and memory of a model of this size.

    Args:
        num_parameters (`int`): of the model, by which its size is known.

    Returns:
        `list[dict[str, str]]`: for each machine `machine`, `first_token`, `decode_step` and `memory`; empty if none measured
        such a model.
    """
    return [
        {
            "machine": record["machine"],
            "first_token": f"{record['first_token_seconds']:.3g} s",
            "decode_step": f"{1000 * record['decode_step_seconds']:.3g} ms",
            "memory": "" if record["peak_memory_bytes"] is None else f"{record['peak_memory_bytes'] / 1e9:.1f} GB",
        }
        for record in json.loads(SPEED_FILE.read_text(encoding="utf-8"))
        if record["num_parameters"] == num_parameters
    ]


def _digest(text: str) -> str:
    return hashlib.sha256(text.strip().encode()).hexdigest()[:16]
