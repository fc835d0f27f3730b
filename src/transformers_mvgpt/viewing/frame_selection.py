# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The frames that were sampled of a video, and which of them the video encoder saw."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image
from transformers import BatchFeature, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ..chat.visual_encoding import encode_visual, is_image_for, read_visual
from ..modeling.outputs import VideoFeatures
from ..processing.pipeline_answers import describe_selection
from ..processing.vision_language_processor import VisionLanguageProcessor
from .thumbnails import read_images_once, read_thumbnails, take_thumbnails, with_thumbnails


_BY_METHOD = {"scores": "by their scores", "uniform": "at even distances", "rarest": "by the lowest scores"}


@dataclass(frozen=True)
class SampledFrame:
    """
    A frame that was sampled.

    Args:
        image (`PIL.Image.Image`, *optional*): the frame, its longest side at most 320 pixels.
        index (`int`): its number in the video, from 0; of images, their number.
        seconds (`float`, *optional*): when it is shown, if that is known.
        score (`float`, *optional*): attention that it draws from the frames of its chunk, of a model that scores frames.
        is_selected (`bool`): whether the video encoder saw it; of a model that selects none, it saw all.
    """

    image: Image.Image | None
    index: int
    seconds: float | None
    score: float | None
    is_selected: bool


@dataclass(frozen=True)
class FrameSelection:
    """
    The frames that were sampled of a video, in time order.

    Args:
        frames (`tuple[SampledFrame, ...]`): the frames. Zero frames that fill up a short video are none.
        frames_per_chunk (`int`, *optional*): frames that are scored against each other; `None` of a model that selects none.
        method (`str`, *optional*): how frames were selected, `"scores"`, `"uniform"` or `"rarest"`.
        num_zero_frames (`int`): zero frames that follow.
    """

    frames: tuple[SampledFrame, ...]
    frames_per_chunk: int | None = None
    method: str | None = None
    num_zero_frames: int = 0

    @property
    def selected(self) -> tuple[SampledFrame, ...]:
        """Those that the video encoder saw."""
        return tuple(frame for frame in self.frames if frame.is_selected)

    def describe(self) -> str:
        """How many frames there are, and how many of them were chosen how, in a line."""
        count = _counted(len(self.frames), "frame")
        if self.method is None:
            return f"{count}, all of them seen" if len(self.frames) > 1 else count
        if self.num_zero_frames and not self.selected:
            return f"0 of {count} chosen {_BY_METHOD[self.method]}; zero frames chosen in {'its' if len(self.frames) == 1 else 'their'} place"
        zero_frames = f"; {_counted(self.num_zero_frames, 'zero frame')} behind them" if self.num_zero_frames else ""
        return f"{len(self.selected)} of {count} chosen {_BY_METHOD[self.method]}{zero_frames}"

    @classmethod
    def from_record(
        cls, record: Mapping[str, Any], video: Any = None, *, number: int | None = None, **video_options: Any
    ) -> "FrameSelection":
        """
        What a pipeline with `return_selected_frames=True` has said of a video.

        Args:
            record (`Mapping`): what it returned for a sample, or one entry of its `"frame_selections"`.
            video (*optional*): the same video, in any form that the processor takes, of which the pictures are read. Without it
                there are none.
            number (`int`, *optional*): which video of the sample, if it has several.
            video_options: `video_backend` and `untrusted_input`, for reading it.

        Raises:
            ValueError: if nothing is said there of frames, or of several videos; if the video cannot be read, or is another one.
        """
        described = _of_one_video(record, number)
        frames = described["frames"]
        images: list[Any] = [None] * len(frames)
        if video is not None:
            images = read_thumbnails(video, [frame["index"] for frame in frames], **video_options)
        return cls.from_description(described, images)

    @classmethod
    def from_description(cls, described: Mapping[str, Any], images: list[Any]) -> "FrameSelection":
        """
        Args:
            described (`Mapping`): an entry of a record's `"frame_selections"`.
            images (`list[PIL.Image.Image | None]`): one for each of its frames.
        """
        names = ("index", "seconds", "score", "is_selected")
        frames = tuple(
            SampledFrame(image, **{name: frame[name] for name in names})
            for frame, image in zip(described["frames"], images, strict=True)
        )
        return cls(frames, **{name: described[name] for name in ("frames_per_chunk", "method", "num_zero_frames")})


def encode_with_frames(
    model: PreTrainedModel,
    processor: VisionLanguageProcessor,
    video: Any,
    *,
    frame_selection: str | None = None,
    **video_options: Any,
) -> tuple[VideoFeatures | BaseModelOutputWithPooling, FrameSelection]:
    """
    Decodes and encodes a visual once, for a [`VideoChat`] and for a picture of its frames.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]): the model.
        processor ([`VisionLanguageProcessor`]): its processor.
        video: a video, or with a model that takes images alone an image or list of images, as [`VideoChat`] takes them.
        frame_selection (`str`, *optional*): how frames are chosen, as for `get_video_features`.
        video_options: options of the processor, such as `start_seconds` and `end_seconds`.

    Returns:
        The features, which [`VideoChat`] takes in the place of the video; and the frames.

    Raises:
        ValueError, OSError: if the video cannot be read, or an option does not fit.
    """
    if frame_selection is not None:
        model.check_frame_selection(frame_selection)
    return encode_read(model, read_with_frames(processor, video, **video_options), frame_selection)


@dataclass(frozen=True)
class ReadVisual:
    """
    Args:
        modality (`str`): as what the model takes it, `"image"` or `"video"`.
        features (`BatchFeature`): what its processor made of it.
        images (`list[PIL.Image.Image]`): small pictures of its frames.
    """

    modality: str
    features: BatchFeature
    images: list[Image.Image]


def read_with_frames(processor: VisionLanguageProcessor, video: Any, **video_options: Any) -> ReadVisual:
    """The half of [`encode_with_frames`] that needs no model."""
    if "video" in processor.placeholders:
        options = {**video_options, "return_metadata": True}
        is_image = is_image_for(processor, video)
        modality, features = read_visual(with_thumbnails(processor), video, is_image, **options)
        used = {**vars(processor.video_processor), **video_options, **video_options.get("videos_kwargs", {})}
        images = take_thumbnails(features, used["do_rescale"], used["rescale_factor"])
    else:
        limits = video_options.get("untrusted_input") or processor.untrusted_input
        images_read, images = read_images_once(video, limits)
        modality, features = read_visual(processor, images_read, is_image=True, **video_options)
    return ReadVisual(modality, features, images)


def encode_read(
    model: PreTrainedModel, read: ReadVisual, frame_selection: str | None = None
) -> tuple[VideoFeatures | BaseModelOutputWithPooling, FrameSelection]:
    """The half of [`encode_with_frames`] that needs no processor."""
    encoded = encode_visual(model, read.modality, read.features, frame_selection)
    described = _describe(model, read.features, encoded, frame_selection, len(read.images))
    # the zero frames behind a short video are no frames of it
    return encoded, FrameSelection.from_description(described, read.images[: len(described["frames"])])


def _describe(
    model: PreTrainedModel,
    features: BatchFeature,
    encoded: BaseModelOutputWithPooling,
    frame_selection: str | None,
    num_images: int,
) -> dict[str, Any]:
    metadata = features.get("video_metadata")
    scores, selected = getattr(encoded, "frame_scores", None), getattr(encoded, "selected_frames", None)
    if metadata and scores is not None and selected is not None:
        method = model.config.resolve_frame_selection(frame_selection)
        return describe_selection(
            metadata[0], selected[0].tolist(), scores[0].tolist(), model.config.frames_per_chunk, method
        )
    if metadata:
        return describe_selection(metadata[0], range(num_images), [None] * num_images, None, None)
    frame = {"seconds": None, "score": None, "is_selected": True}
    frames = [{"index": index, **frame} for index in range(num_images)]
    return {"method": None, "frames_per_chunk": None, "num_zero_frames": 0, "frames": frames}


def _of_one_video(record: Mapping[str, Any], number: int | None) -> Mapping[str, Any]:
    if "frames" in record:
        return record
    if "frame_selections" not in record:
        raise ValueError(
            "This record says nothing of frames: call the pipeline with `return_selected_frames=True`, and pass one of the records that "
            "it returns."
        )
    selections = record["frame_selections"]
    if number is None and len(selections) != 1:
        raise ValueError(
            f"This record is about {len(selections)} videos: pass `FrameSelection.from_record(record, video, number=0)` for the first."
        )
    if not 0 <= (number or 0) < len(selections):
        raise ValueError(f"`number` ({number}) must be from 0 to {len(selections) - 1}: there are so many videos.")
    return selections[number or 0]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
