# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What a model makes of a video, or of an image if it takes no videos, and of a question about it."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import torch
from PIL import Image
from transformers import PreTrainedConfig, ProcessorMixin
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ..demo import CLIP
from ..families import family_of
from ..modeling.vision_language_model import VisionLanguageForConditionalGeneration, VisionLanguageModel
from ..processing.image_inputs import read_image
from ..video.video_decoding import decode_video


class VisualFile:
    """
    A file of the kind that a model takes.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]): where and in which dtype pixels are wanted.
        processor ([`ProcessorMixin`]): its processor.
        path (`str` or `bytes`): a video file, or its content; an image file for a model that takes no videos.

    Attributes:
        modality (`str`): `"video"` or `"image"`.
    """

    def __init__(
        self, model: VisionLanguageForConditionalGeneration, processor: ProcessorMixin, path: str | bytes
    ) -> None:
        self.modality = modality_of(model)
        self._model, self._processor, self._path = model, processor, path

    def decode(self) -> Any:
        """The frames of the video `(num_frames, 3, height, width)`, or the image."""
        if self.modality == "image":
            return read_image(self._path)
        frames, _ = decode_video(self._path, self._processor.video_processor.sample_frames)
        return frames

    def preprocess(self, decoded: Any, **options: Any) -> dict[str, torch.Tensor]:
        """The pixels of one visual, from what [`decode`] returned. `options` are the processor's."""
        if self.modality == "video":
            options["do_sample_frames"] = False
        return self._pixels(decoded, **options)

    def pixels(self, **options: Any) -> dict[str, torch.Tensor]:
        """The pixels of one visual, from the file on."""
        return self._pixels(self._path, **options)

    def _pixels(self, visual: Any, **options: Any) -> dict[str, torch.Tensor]:
        if self.modality == "image":
            features = self._processor(images=[visual], return_tensors="pt", **options)
        else:
            features = self._processor.video_processor(visual, return_tensors="pt", **options)
        features = features.to(self._model.device, self._model.dtype)
        return {name: features[name] for name in self._model.pixel_inputs[self.modality] if name in features}

    def encode(
        self, model: VisionLanguageModel | VisionLanguageForConditionalGeneration, pixels: dict[str, torch.Tensor]
    ) -> BaseModelOutputWithPooling:
        """By a model, with or without a head."""
        return getattr(model, f"get_{self.modality}_features")(**pixels, return_dict=True)

    @property
    def question(self) -> str:
        return f"What is happening in the {self.modality}?"

    def prompt(self) -> torch.Tensor:
        """Token ids (1, length) of the question, with as many placeholders as the model makes visual tokens."""
        content = [{"type": self.modality}, {"type": "text", "text": self.question}]
        ids = self._processor.encode_chat([{"role": "user", "content": content}])
        return torch.tensor([ids], device=self._model.device)


def modality_of(model: VisionLanguageForConditionalGeneration | type[VisionLanguageForConditionalGeneration]) -> str:
    """What a model is measured with: `"video"`, or `"image"` if it takes no videos."""
    return "video" if "video" in model.pixel_inputs else "image"


def check_measurable(config: PreTrainedConfig, given: Sequence[str], baselines: Sequence[str]) -> str:
    """
    What a model of this config is measured with, `"video"` or `"image"`.

    Args:
        config (`PreTrainedConfig`): of the model.
        given (`Sequence[str]`): for which of both there is a file.
        baselines (`Sequence[str]`): names of those to compare it with.

    Raises:
        ValueError: if it is of no family, a file is of the other kind, or the baselines could not see the same.
    """
    family = family_of(config)
    modality = modality_of(family.model_class)
    if others := [name for name in given if name != modality]:
        raise ValueError(
            f"`--{others[0]}` is for models of {others[0]}s, and {family.name} is measured with a{'n' * (modality == 'image')} "
            f"{modality}: use `--{modality}`."
        )
    if baselines and modality != "video":
        raise ValueError(
            f"`--compare` measures other models on the frames of a video, which {family.name} does not take: leave it out."
        )
    return modality


def default_visual(modality: str) -> str | bytes:
    """The package's clip, or its first picture, as a PNG file in memory."""
    if modality == "video":
        return str(CLIP)
    frames, _ = decode_video(CLIP, lambda metadata, **options: [0])
    file = BytesIO()
    Image.fromarray(frames[0].permute(1, 2, 0).numpy()).save(file, "PNG")
    return file.getvalue()
