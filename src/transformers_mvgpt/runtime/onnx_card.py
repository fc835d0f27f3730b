# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The model card of a folder of ONNX files. Its text is in `onnx_card.md`."""

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import ModelCard
from transformers import PreTrainedModel

from ..conversion.card_metadata import read_metadata
from ..conversion.encoder_sources import is_repository_id
from ..conversion.model_card import seal
from ..families import family_of
from ..modeling.missing_encoders import is_published
from .onnx_checks import TOLERANCES


_TEMPLATE = Path(__file__).with_name("onnx_card.md")


def make_onnx_card(
    model: PreTrainedModel, folder: Path, source: str, name: str, precisions: Sequence[str]
) -> ModelCard:
    """
    Args:
        model ([`VisionLanguageForConditionalGeneration`]): the model.
        folder (`Path`): its ONNX files.
        source (`str`): folder or Hub id that it was loaded from.
        name (`str`): of the folder that is written.
        precisions (`Sequence[str]`): of the language model's files.
    """
    family, config = family_of(model.config), model.config
    metadata = read_metadata(source, config, name)
    metadata.library_name = "onnxruntime"
    metadata.tags = ["onnx", "onnxruntime", *family.tags]
    if is_repository_id(source):
        metadata.base_model = [source]
    published = family.published.find(config, source) if is_published(config) else None
    license = family.published.license_of(published)
    sees_videos = family.video_processor_class is not None
    files = sorted(folder.iterdir())
    card = ModelCard.from_template(
        metadata,
        template_path=str(_TEMPLATE),
        name=name,
        family=family,
        paper=(published and published.paper) or family.paper,
        summary=family.summary.format(config=config),
        sees_videos=sees_videos,
        selects_frames=hasattr(config, "num_selected_frames"),
        example="clip.mp4" if sees_videos else "photo.jpg",
        question="What is happening?" if sees_videos else "What is in the image?",
        precisions=list(precisions),
        files=[
            {"name": file.name, "size": _size(file), "purpose": _purpose(file.name, config.model_type)}
            for file in files
        ],
        has_data=any(file.suffix == ".onnx_data" for file in files),
        base_models=metadata.base_model or [],
        license_note=license.note if metadata.license == license.name and is_published(config) else None,
        tolerances=", ".join(f"{TOLERANCES[name]:g} ({name})" for name in dict.fromkeys(["fp32", *precisions])),
    )
    return seal(card, "export-onnx")


def _size(file: Path) -> str:
    return f"{file.stat().st_size / 1e6:,.3g} MB"


def _purpose(file: str, model_type: str) -> str:
    if file.endswith("_data"):
        return f"weights of `{file.removesuffix('_data')}`"
    if file.startswith("preprocess"):
        return "frames of any size, uint8, to normalized pixels"
    if file.startswith("image_encoder") or (file.startswith("vision_encoder") and model_type == "mobilevlm"):
        return "an image to visual tokens"
    if file.startswith("vision_encoder"):
        scores = ", with the scores of the frames and which were selected" if model_type == "mobile_videogpt" else ""
        return f"a video to visual tokens{scores}"
    return "ids to embeddings" if file.startswith("embed_tokens") else "the language model, prefill and decode steps"
