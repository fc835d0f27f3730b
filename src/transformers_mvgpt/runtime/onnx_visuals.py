# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Videos and images to visual tokens, by the exported encoders."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..video.frame_request import FrameMetadata
from ..video.frame_sampling_mvgpt import sample_frame_indices
from ..video.frame_sampling_tinyllava import spread_frame_indices
from ..video.limits import UntrustedInput, shorten
from ..video.regular_files import identify_file
from ..video.sources import is_noted_file, path_of_address, resolve_source
from .frame_arrays import read_image, read_streams
from .onnx_folder import ExportedFolder
from .onnx_sessions import OnnxSessions


# Pixels that are preprocessed at a time, as floating point numbers of several copies.
_MAX_PIXELS_PER_RUN = 2_000_000
# Of the square that an image is padded to.
_MAX_PIXELS_OF_SQUARE = 100_000_000


@dataclass(frozen=True)
class EncodedVideo:
    """
    A video, or one or more images, as the language model gets it.

    Args:
        features (`np.ndarray` of shape `(num_tokens, hidden_size)`, float32): its visual tokens.
        modality (`str`): what it counts as in a prompt, `"video"` or `"image"`.
        frame_scores (`np.ndarray` of shape `(num_frames,)`, float32, *optional*): how much attention each sampled frame draws.
        selected_frames (`np.ndarray`, int64, *optional*): which of the sampled frames the video encoder saw, in time order.
        frames_indices (`list[int]`, *optional*): which frames of the video were sampled.
        timestamps (`list[float]`, *optional*): when these are shown, in seconds.
    """

    features: np.ndarray
    modality: str
    frame_scores: np.ndarray | None = None
    selected_frames: np.ndarray | None = None
    frames_indices: list[int] | None = None
    timestamps: list[float] | None = None

    def describe_frames(self) -> list[dict[str, Any]]:
        """The frames that the video encoder saw: index in the video, time in seconds, score. Zero frames of short videos are none."""
        if self.selected_frames is None or self.frame_scores is None or self.frames_indices is None:
            return []
        return [
            {
                "index": self.frames_indices[position],
                "seconds": None if self.timestamps is None else self.timestamps[position],
                "score": float(self.frame_scores[position]),
            }
            for position in self.selected_frames.tolist()
            if position < len(self.frames_indices)
        ]


@dataclass(frozen=True)
class VideoOptions:
    """Which frames of a video are looked at."""

    start_seconds: float | None = None
    end_seconds: float | None = None
    num_frames: int | None = None

    def given(self) -> list[str]:
        return [name for name, value in vars(self).items() if value is not None]


class OnnxVisuals:
    """
    The encoders of an exported folder.

    Args:
        folder ([`ExportedFolder`]): the folder.
        sessions ([`OnnxSessions`]): its files.
        untrusted_input ([`UntrustedInput`], *optional*): the limits on files and addresses.
    """

    def __init__(
        self, folder: ExportedFolder, sessions: OnnxSessions, untrusted_input: UntrustedInput | None = None
    ) -> None:
        self._folder, self._sessions = folder, sessions
        self._limits = untrusted_input or UntrustedInput()
        self._takes_videos = "video" in folder.family.placeholders

    def fetch(self, source: Any, what: str) -> Any:
        """
        What is behind an address with `http:` or `https:`, its bytes and name; anything else as it is.

        Args:
            source: in any form that `read_streams` or `read_image` takes.
            what (`str`): `"video"` or `"image"`.

        Raises:
            ValueError, OSError: if it cannot be had.
        """
        if not isinstance(source, str) or not source[:6].lower().startswith(("http:", "https:")):
            return source
        return {"bytes": resolve_source(source, self._limits, what).content, "path": source}

    def encode_video(self, video: Any, options: VideoOptions) -> EncodedVideo:
        """
        Args:
            video: In any form that `read_streams` takes, or frames as an array (num_frames, height, width, 3) uint8.
            options ([`VideoOptions`]): which frames.

        Raises:
            ValueError, OSError: if it cannot be read, or an option does not fit.
        """
        sampling = self._folder.frame_sampling
        assert sampling is not None  # as of a family that takes videos
        self._check_num_frames(options.num_frames)

        def choose(metadata: FrameMetadata) -> list[int]:
            return self._sample(metadata, options)

        if isinstance(video, np.ndarray):
            frames, metadata = _frames_of_array(video, self._limits)
            metadata.frames_indices = choose(metadata)
            pixels = self._preprocess(frames[metadata.frames_indices])
        else:
            streams, metadata = read_streams(video, choose, self._preprocess_frame, self._limits)
            pixels = dict(zip(self._output_names("preprocess"), streams, strict=True))
        if self._folder.family.fills_up:
            pixels = {name: _fill_up(values, sampling.num_frames or len(values)) for name, values in pixels.items()}
        return self._encode_pixels(pixels, metadata)

    def encode_images(self, images: Sequence[Any]) -> EncodedVideo:
        """
        One visual of one image, or of several that belong together where the family has that.

        Args:
            images (`Sequence`): each in any form that `read_image` takes, or an array (height, width, 3) uint8.

        Raises:
            ValueError, OSError: if one cannot be read.
        """
        features = []
        for image in images:
            pixels = self._preprocess(self._read_image(image)[None])
            if self._folder.family.placeholders.keys() == {"video"}:
                return self._encode_pixels(pixels, None)
            name, encoder = "pixel_values", "vision_encoder"
            if self._takes_videos:
                name, encoder = "context_pixel_values_videos", "image_encoder"
            features.append(self._run(encoder, {"pixel_values": pixels[name]})["image_features"][0])
        return EncodedVideo(np.concatenate(features), "image")

    def num_tokens(self, modality: str, num_images: int = 1) -> int:
        """Visual tokens of a visual."""
        return self._folder.num_tokens[modality] * num_images

    def _check_num_frames(self, num_frames: Any) -> None:
        sampling = self._folder.frame_sampling
        if num_frames is None or sampling is None:
            return
        highest = max(sampling.max_frames, sampling.num_frames or 1)
        if self._folder.family.fills_up:
            if num_frames == sampling.num_frames:
                return
            raise ValueError(
                f"`num_frames` ({shorten(repr(num_frames))}): this model takes {sampling.num_frames} frames of a video. Leave it out."
            )
        is_number = isinstance(num_frames, int) and not isinstance(num_frames, bool)
        if not is_number or not 1 <= num_frames <= highest:
            raise ValueError(
                f"`num_frames` ({shorten(repr(num_frames))}) must be a whole number from 1 to {highest}, which this model takes."
            )

    def _sample(self, metadata: FrameMetadata, options: VideoOptions) -> list[int]:
        sampling = self._folder.frame_sampling
        assert sampling is not None
        number = options.num_frames or sampling.num_frames
        if not self._folder.family.fills_up:
            if metadata.total_num_frames == 1 and metadata.fps is None and number == sampling.num_frames:
                number = 1  # a picture, which is a video of one frame
            return spread_frame_indices(
                metadata.total_num_frames,
                metadata.fps,
                number,
                sampling.max_frames,
                options.start_seconds,
                options.end_seconds,
                frame_times=metadata.frame_times,
                sampling=sampling.sampling,
            ).tolist()
        assert number is not None
        return sample_frame_indices(
            metadata.total_num_frames,
            metadata.fps,
            number,
            options.start_seconds,
            options.end_seconds,
            frame_times=metadata.frame_times,
            sampling=sampling.sampling,
        ).tolist()

    def _read_image(self, image: Any) -> np.ndarray:
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3 or 0 in image.shape:
                raise ValueError(
                    f"An image must be uint8 of shape (height, width, 3), got {image.dtype} of shape {image.shape}: convert it."
                )
            self._limits.check_size(f"The image, an array of shape {image.shape},", image.shape[1], image.shape[0])
            pixels = image
        else:
            pixels = read_image(image, self._limits)
        height, width = pixels.shape[:2]
        if not self._takes_videos and max(height, width) ** 2 > _MAX_PIXELS_OF_SQUARE:
            raise ValueError(
                f"The image is {width}x{height}, and would be padded to a square of {max(height, width) ** 2:,} pixels; at most "
                f"{_MAX_PIXELS_OF_SQUARE:,} are made. Crop it, or scale it down."
            )
        return pixels

    def _preprocess(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        """What the encoders take of frames (n, height, width, 3) uint8, by name."""
        step = max(1, _MAX_PIXELS_PER_RUN // (frames.shape[1] * frames.shape[2]))
        parts = [
            self._run("preprocess", {"frames": np.ascontiguousarray(frames[start : start + step])})
            for start in range(0, len(frames), step)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _preprocess_frame(self, frame: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(values[0] for values in self._run("preprocess", {"frames": frame[None]}).values())

    def _encode_pixels(self, pixels: dict[str, np.ndarray], metadata: FrameMetadata | None) -> EncodedVideo:
        outputs = self._run("vision_encoder", {name: values[None] for name, values in pixels.items()})
        has_scores = "frame_scores" in outputs
        return EncodedVideo(
            outputs["video_features"][0],
            "video",
            frame_scores=outputs["frame_scores"][0] if has_scores else None,
            selected_frames=outputs["selected_frames"][0] if has_scores else None,
            frames_indices=None if metadata is None else metadata.frames_indices,
            timestamps=None if metadata is None else metadata.timestamps,
        )

    def _run(self, name: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return dict(zip(self._output_names(name), self._sessions.run(name, inputs), strict=True))

    def _output_names(self, name: str) -> list[str]:
        return [entry.name for entry in self._sessions.open(name).get_outputs()]


def source_key(source: Any) -> Any:
    """What tells whether a source, as [`OnnxVisuals.fetch`] returned it, is the one of before, unchanged; `None` where nothing does."""
    if is_noted_file(source) and source.get("bytes") is not None:
        source = source["bytes"]
    if isinstance(source, (bytes, bytearray, memoryview)):
        return hashlib.sha256(source).digest()
    if not isinstance(source, (str, os.PathLike)):
        return None
    path: Any = os.fspath(source)
    scheme = path[:5].lower() if isinstance(source, str) else ""
    if scheme == "data:":
        return path
    if scheme == "file:":
        path = path_of_address(path)
    # a folder may change in many ways
    return (path, identify_file(path)) if path is not None and os.path.isfile(path) else None


def _frames_of_array(frames: np.ndarray, limits: UntrustedInput) -> tuple[np.ndarray, FrameMetadata]:
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
        raise ValueError(
            f"Frames must be uint8 of shape (num_frames, height, width, 3), got {frames.dtype} of shape {frames.shape}: convert them."
        )
    num_frames, height, width, _ = frames.shape
    limits.check_size(f"The video, an array of shape {frames.shape},", width, height)
    return frames, FrameMetadata(total_num_frames=num_frames, width=width, height=height)


def _fill_up(pixels: np.ndarray, num_frames: int) -> np.ndarray:
    """As many frames as the model takes, zero frames at the end."""
    missing = num_frames - len(pixels)
    return np.concatenate([pixels, np.zeros((missing, *pixels.shape[1:]), pixels.dtype)]) if missing > 0 else pixels
