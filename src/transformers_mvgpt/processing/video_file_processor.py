# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Videos from files to pixels: what the video processors of all families do."""

import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from transformers.feature_extraction_utils import BatchFeature
from transformers.image_utils import ChannelDimension, SizeDict
from transformers.processing_utils import Unpack, VideosKwargs
from transformers.video_processing_utils import BaseVideoProcessor
from transformers.video_utils import VideoMetadata

from ..video.limits import UntrustedInput, shorten
from ..video.memory_errors import explain_memory_errors
from ..video.tensor_request import FrameTransform
from ..video.video_decoding import decode_streams
from ..video.video_metadata import describe_given_frames
from .chat_parts import PART_OPTIONS
from .frame_choice import FrameChoice
from .given_metadata import batch_metadata
from .image_inputs import read_image
from .option_types import checked_options
from .pipeline_video_text import VideoTextToTextPipeline  # noqa: F401  what is imported here is saved with the processor
from .saved_with_code import SavedWithCode
from .video_inputs import channel_layout, flatten_videos, frames_to_array, is_source


# What a processor may ask for, whatever a repository's file says.
MAX_NUM_FRAMES = 10_000
MAX_SIDE = 8192
# Beside the joined frames of videos that are of different lengths, how many frames each has.
NUM_FRAMES = "num_frames_per_video"
# Options of a call, beside those of sampling, that say nothing of pixels.
_NOT_OF_PIXELS = ("do_sample_frames", "video_metadata", "return_tensors", "return_metadata")


class VideoSegmentKwargs(VideosKwargs, total=False):
    r"""
    start_seconds, end_seconds (`float`, *optional*):
        Segment of the video to look at, in seconds on the clock of its container, as players show them; the whole video where they are
        not given.
    sampling (`str`, *optional*):
        `"frames"`, the published rule, counts frames: of a video of variable rate most come from where frames are dense. `"time"`
        spreads them over time. They differ only at variable rates.
    video_backend (`str`, *optional*):
        Decoder for files: `"pyav"`, `"torchcodec"`, `"opencv"` or `"decord"`; the first of these that is installed if not
        given.
    untrusted_input (`UntrustedInput`, *optional*):
        The limits on files and addresses that somebody else made.
    """

    start_seconds: float | int | None
    end_seconds: float | int | None
    sampling: str | None
    video_backend: str | None
    untrusted_input: UntrustedInput | None


class VideoFileProcessor(SavedWithCode, BaseVideoProcessor):
    """
    Reads the frames that `sample_frames` chooses, of videos in any form, and makes pixels of them, one frame at a time. A family
    has `sample_frames`, `frame_streams`, and `stream_statistics` if it has several streams.

    Attributes:
        fills_up (`bool`):
            Whether sampled videos that are shorter than `num_frames` are followed by zero frames, and so are the shorter ones of a batch.
            Where not, the frames of videos of different lengths are joined to `(num_frames_of_all, 3, height, width)`, with
            `num_frames_per_video` of shape `(num_videos,)`.
        untrusted_input ([`UntrustedInput`], *optional*):
            The limits on files and addresses where a call has none. Never saved, and refused in a file.
    """

    valid_kwargs = VideoSegmentKwargs
    fills_up = True
    do_sample_frames = True
    start_seconds = None
    end_seconds = None
    sampling = "frames"
    video_backend = None
    untrusted_input: UntrustedInput | None = None

    def __init__(self, **kwargs: Unpack[VideoSegmentKwargs]) -> None:
        limits = kwargs.get("untrusted_input")
        if limits is not None and not isinstance(limits, UntrustedInput):
            raise ValueError(
                f"`untrusted_input` ({shorten(limits)}) must be an `UntrustedInput`: no file of a repository sets limits. Remove the "
                "key, and pass the limits to the call."
            )
        super().__init__(**kwargs)
        numbers = {name: getattr(self, name, None) for name in ("num_frames", "max_frames")}
        check_sizes(numbers, size=self.size, crop_size=self.crop_size)

    def to_dict(self) -> dict[str, Any]:
        return {name: value for name, value in super().to_dict().items() if name != "untrusted_input"}

    def preprocess(self, videos: Any, **kwargs: Unpack[VideoSegmentKwargs]) -> BatchFeature:
        r"""
        Args:
            videos:
                Videos in any form that [`flatten_videos`] takes.

        More frames than the model takes are sampled down, with a warning: in whatever form they come, whether they were sampled before or
        not, by the rule of the family. It goes by their times where those are known.

        Raises:
            ValueError: on an unknown option, on a video that cannot be read, has no frames, does not fit the options, or is more
                than the limits of `untrusted_input` or the memory allow.
            FileNotFoundError: if a file does not exist.
            ImportError: if no decoder is installed.
        """
        unknown = sorted(set(kwargs) - set(self.valid_kwargs.__annotations__))
        if unknown:
            raise ValueError(
                f"Unknown option {', '.join(map(repr, unknown))}; the options of {type(self).__name__} are "
                f"{', '.join(sorted(self.valid_kwargs.__annotations__))}."
            )
        kwargs = checked_options(self.valid_kwargs, kwargs)
        options: dict[str, Any] = {
            name: getattr(self, name, None) for name in self.valid_kwargs.__annotations__
        } | kwargs
        sampling = {name: options.pop(name) for name in PART_OPTIONS if name in options}
        do_sample_frames = options.pop("do_sample_frames")
        limit = self.frame_limit(sampling)
        choice = FrameChoice(self.sample_frames, sampling, do_sample_frames, limit)
        videos = flatten_videos(videos)
        if not videos:
            raise ValueError("No video was given.")
        known = batch_metadata(videos, options.pop("video_metadata"))
        return_tensors, return_metadata = options.pop("return_tensors"), options.pop("return_metadata")
        options = self._pixel_options(options)
        numbers = {name: sampling.get(name) for name in ("num_frames", "max_frames")}
        check_sizes(numbers, size=options["size"], crop_size=options["crop_size"])
        options["untrusted_input"] = options["untrusted_input"] or UntrustedInput()

        read = []
        for video, metadata in zip(videos, known, strict=True):
            with explain_memory_errors(partial(_describe, video)):
                streams, metadata = self._read_video(video, metadata, choice, options)
                choice.video_done()
                streams = self._normalize(streams, options)
                if self.fills_up and do_sample_frames and sampling["fps"] is None:
                    wanted = min(sampling["num_frames"] or self.num_frames, limit)
                    streams = _fill_up(streams, wanted, options["untrusted_input"])
                read.append((streams, metadata))
        choice.warn()
        with explain_memory_errors(lambda: f"A batch of {len(videos)} videos"):
            features = BatchFeature(self._batch([streams for streams, _ in read], return_tensors))
        if return_metadata:
            features["video_metadata"] = [metadata for _, metadata in read]
        return features.convert_to_tensors(return_tensors, skip_tensor_conversion=["video_metadata"])

    def video_inputs(self, features: Mapping[str, Any]) -> dict[str, Any]:
        """What the model takes of these features: its inputs for videos, by name."""
        return {name: features[name] for name in (*self.model_input_names, NUM_FRAMES) if name in features}

    def hold_frame(self, frame: Any) -> dict[str, torch.Tensor]:
        """
        What [`preprocess`] holds of one frame before it is normalized.

        Args:
            frame: a PIL image, or uint8 pixels of shape `(height, width, 3)` or `(3, height, width)`.

        Returns:
            `dict[str, torch.Tensor]`: uint8 of shape `(3, height, width)` for each of `model_input_names`.

        Raises:
            ValueError: if the shape or dtype does not fit.
        """
        frames = frames_to_array([frame])
        options = self._pixel_options()
        layout = options["input_data_format"] or channel_layout(frames)
        streams = self._frame_to_streams(frames[0], **{**options, "input_data_format": layout})
        return dict(zip(self.model_input_names, streams, strict=True))

    def normalize_held(self, name: str, stream: torch.Tensor) -> torch.Tensor:
        """The pixels that [`preprocess`] returns by this name, (n, 3, H, W) in float32, of what it holds of n frames."""
        options = self._pixel_options()
        mean, std = self.stream_statistics(options)[self.model_input_names.index(name)]
        return self._normalize_stream(stream, mean, std, options)

    def choose_frames(self, metadata: VideoMetadata, **options: Any) -> list[int]:
        """
        The frames that [`preprocess`] takes of a video: those of `sample_frames`, but no more than the model takes.

        Args:
            metadata ([`~video_utils.VideoMetadata`]): as `sample_frames` takes it.
            options: as `sample_frames` takes them. What is not given is the processor's own.
        """
        sampling = {
            name: getattr(self, name, None) for name in PART_OPTIONS if name in self.valid_kwargs.__annotations__
        }
        sampling |= options
        return list(FrameChoice(self.sample_frames, sampling, True, self.frame_limit(sampling))(metadata))

    def join(self, features: Iterable[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """
        The videos of several calls, as those of one call.

        Args:
            features (`Iterable[Mapping[str, torch.Tensor]]`):
                What the calls returned with `return_tensors="pt"`. Those without videos are passed over.

        Returns:
            `dict[str, torch.Tensor]`: the model's inputs for videos, by name; empty if there are no videos.
        """
        videos: list[list[torch.Tensor]] = []
        for one in features:
            if self.model_input_names[0] in one:
                pixels = [one[name] for name in self.model_input_names]
                counts = one.get(NUM_FRAMES)
                split = pixels if counts is None else [stream.split(counts.tolist()) for stream in pixels]
                videos += [list(streams) for streams in zip(*split, strict=True)]
        return self._batch(videos, "pt") if videos else {}

    def _pixel_options(self, options: dict[str, Any] | None = None) -> dict[str, Any]:
        """The options of pixels as they are used: the processor's own where none are given."""
        if options is None:
            names = self.valid_kwargs.__annotations__.keys() - {*PART_OPTIONS, *_NOT_OF_PIXELS}
            options = {name: getattr(self, name, None) for name in names}
        options = self._standardize_kwargs(**options)
        self._validate_preprocess_kwargs(**options)
        return options

    def _batch(self, videos: list[list[torch.Tensor]], return_tensors: Any) -> dict[str, Any]:
        """The streams of each video, (n, ...), as the model takes those of all."""
        lengths = [len(streams[0]) for streams in videos]
        is_joined = not self.fills_up and len(set(lengths)) > 1
        batch: dict[str, Any] = {}
        for number, name in enumerate(self.model_input_names):
            pixels = [streams[number] for streams in videos]
            if is_joined:
                batch[name] = torch.cat(pixels) if return_tensors == "pt" else [*chain.from_iterable(pixels)]
            elif return_tensors == "pt" and len(pixels) == 1:
                batch[name] = pixels[0][None]
            else:
                pixels = [_pad(stream, max(lengths)) for stream in pixels]
                batch[name] = torch.stack(pixels) if return_tensors == "pt" else pixels
        if is_joined:
            batch[NUM_FRAMES] = torch.tensor(lengths) if return_tensors == "pt" else lengths
        return batch

    def frame_limit(self, sampling: Mapping[str, Any]) -> int:
        """How many frames of a video the model takes. `sampling` are the options of `sample_frames`."""
        return self.num_frames

    def frame_streams(self, frame: torch.Tensor, options: dict[str, Any]) -> tuple[torch.Tensor, ...]:
        """
        What is kept of one frame, uint8 RGB of shape `(3, height, width)`: a tensor like it for each of `model_input_names`, with
        the same options always of the same shape. Also called with a tensor on the device "meta", to learn that shape.
        """
        raise NotImplementedError

    def stream_statistics(self, options: dict[str, Any]) -> list[tuple[Any, Any]]:
        """Mean and standard deviation of each stream."""
        return [(options["image_mean"], options["image_std"])]

    def _normalize(self, streams: Sequence[torch.Tensor], options: dict[str, Any]) -> list[torch.Tensor]:
        return [
            self._normalize_stream(stream, mean, std, options)
            for stream, (mean, std) in zip(streams, self.stream_statistics(options), strict=True)
        ]

    def _normalize_stream(self, stream: torch.Tensor, mean: Any, std: Any, options: dict[str, Any]) -> torch.Tensor:
        mean, std = (tuple(value) if isinstance(value, list) else value for value in (mean, std))
        names = ("do_rescale", "rescale_factor", "do_normalize")
        return self.rescale_and_normalize(stream, *(options[name] for name in names), image_mean=mean, image_std=std)

    def _read_video(
        self, video: Any, metadata: VideoMetadata | None, choice: FrameChoice, options: dict[str, Any]
    ) -> tuple[list[torch.Tensor], VideoMetadata]:
        """Each stream, uint8 of shape (n, ...), and metadata."""
        if is_source(video):
            return decode_streams(
                video,
                choice,
                partial(self._frame_to_streams, **{**options, "input_data_format": ChannelDimension.FIRST}),
                backend=options["video_backend"],
                untrusted_input=options["untrusted_input"],
            )
        if isinstance(video, (list, tuple)) and isinstance(video[0], (str, os.PathLike)):
            if choice.samples:
                raise ValueError(
                    "A list of paths in the place of one video is its frames. Sampling frames from a list of images is not supported! Set "
                    "`do_sample_frames=False`, which takes all of them, or pass one video."
                )
            limits = options["untrusted_input"]
            num_frames, layout = len(video), ChannelDimension.LAST

            def frame_at(index: int) -> Any:
                return torch.from_numpy(np.array(read_image(video[index], limits)))

        else:
            limits = None
            frames = frames_to_array(video)
            num_frames = len(frames)
            frame_at = frames.__getitem__  # type: ignore[assignment]
            layout = options["input_data_format"] or channel_layout(frames)
        known = describe_given_frames(num_frames, metadata, choice if choice.samples else None)
        taken = known.frames_indices if choice.samples else choice.among_given(known, num_frames)
        transform = partial(self._frame_to_streams, **{**options, "input_data_format": layout})
        return _stack_streams(map(frame_at, taken), len(taken), transform, limits), known

    def _frame_to_streams(
        self,
        frame: np.ndarray | torch.Tensor,
        *,
        input_data_format: ChannelDimension,
        do_convert_rgb: bool,
        device: Any,
        **options,
    ) -> tuple[torch.Tensor, ...]:
        """What is kept of one frame, an array of three dimensions with 1, 3 or 4 channels."""
        pixels = torch.from_numpy(frame) if isinstance(frame, np.ndarray) else frame
        if input_data_format == ChannelDimension.LAST:
            pixels = pixels.permute(2, 0, 1)
        if do_convert_rgb:
            [pixels] = self.convert_to_rgb(pixels[None])
        if device is not None and not pixels.is_meta:
            pixels = pixels.to(device)
        # where there was transparency
        pixels = pixels.round().to(torch.uint8) if pixels.is_floating_point() else pixels
        streams = self.frame_streams(pixels, options)
        # what is held in the end
        return tuple(self._normalize(streams, options)) if pixels.is_meta else streams


def check_sizes(numbers: Mapping[str, int | None], size: SizeDict | None, crop_size: SizeDict | None) -> None:
    """
    Raises:
        ValueError: if a number of frames or the side of a picture that a processor makes is absurd.
    """
    limits = {name: (number, MAX_NUM_FRAMES) for name, number in numbers.items()}
    for name, sizes in {"size": size, "crop_size": crop_size}.items():
        for side, value in dict(sizes or {}).items():
            limits[f"{name}['{side}']"] = (value, MAX_SIDE)
    for name, (value, limit) in limits.items():
        if value is not None and not (_is_integer(value) and 1 <= value <= limit):
            raise ValueError(f"`{name}` ({shorten(value)}) must be a whole number from 1 to {limit:,}: correct it.")


def _is_integer(value: Any) -> bool:
    try:
        operator.index(value)
    except TypeError:
        return False
    return not isinstance(value, bool)


def _describe(video: Any) -> str:
    if isinstance(video, (str, os.PathLike)):
        return f"The video '{shorten(os.fspath(video))}'"
    if is_source(video) and not isinstance(video, (bytes, bytearray, memoryview)):
        return f"The video, a {type(video).__name__}"
    return f"A video of {len(video):,} {'bytes' if isinstance(video, bytes) else 'frames'}"


def _stack_streams(
    frames: Iterable[Any], num_frames: int, transform: FrameTransform, limits: UntrustedInput | None
) -> list[torch.Tensor]:
    """What is kept of the frames, of shape (n, ...), if that is no more than `limits` allow."""
    streams: list[torch.Tensor] = []
    shape = None
    for number, frame in enumerate(frames):
        shape = shape or tuple(frame.shape)
        if tuple(frame.shape) != shape:
            raise ValueError(
                f"The frames of a video must have one size, got {sorted({shape, tuple(frame.shape)})}: resize them first."
            )
        pixels = transform(frame)
        if number == 0:
            if limits is not None:
                _check_bytes(num_frames, transform(torch.empty_like(frame, device="meta")), limits)
            streams = [kept.new_empty((num_frames, *kept.shape)) for kept in pixels]
        for stream, kept in zip(streams, pixels, strict=True):
            stream[number] = kept
    return streams


def _fill_up(streams: list[torch.Tensor], num_frames: int, limits: UntrustedInput) -> list[torch.Tensor]:
    """As many frames as are wanted, zero frames at the end."""
    if len(streams[0]) >= num_frames:
        return streams
    _check_bytes(num_frames, [stream[0] for stream in streams], limits)
    return [_pad(stream, num_frames) for stream in streams]


def _pad(stream: torch.Tensor, num_frames: int) -> torch.Tensor:
    missing = num_frames - len(stream)
    return F.pad(stream, (0, 0) * 3 + (0, missing)) if missing else stream


def _check_bytes(num_frames: int, pixels: Sequence[torch.Tensor], limits: UntrustedInput) -> None:
    num_bytes = num_frames * sum(kept.nbytes for kept in pixels)
    if num_bytes > limits.max_decoded_bytes:
        raise ValueError(
            f"{num_frames:,} frames are {num_bytes:,} bytes of pixels; at most {limits.max_decoded_bytes:,} are held. Lower "
            "`num_frames`, or raise `max_decoded_bytes` of `untrusted_input=UntrustedInput(...)`."
        )


__all__ = ["VideoFileProcessor"]
