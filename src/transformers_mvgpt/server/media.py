# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Videos and images of requests: fetched within limits, named by their content, and read to pixels."""

import copy
import dataclasses
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import BatchFeature
from transformers.video_utils import VideoMetadata

from ..chat.visual_encoding import read_visual
from ..processing.vision_language_processor import VisionLanguageProcessor
from ..video.error_text import describe_error
from ..video.limits import UntrustedInput, shorten
from ..video.memory_errors import is_memory_error
from ..video.regular_files import identify_file
from ..video.sources import path_of_address, resolve_source
from .message_parts import Visual
from .request_errors import RequestError


logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FetchedVisual:
    """
    Args:
        visual ([`Visual`]): What the request says of it.
        content (`bytes` or `str`): The bytes of the file, or the path of one that may be read.
        key (`str`): Of its content and options: the same for what is encoded alike.
    """

    visual: Visual
    content: bytes | str
    key: str

    @property
    def num_bytes(self) -> int:
        """What it takes in memory."""
        return len(self.content) if isinstance(self.content, bytes) else 0


class MediaReader:
    """
    Args:
        processor ([`VisionLanguageProcessor`]): Of the model.
        limits ([`UntrustedInput`]): How much is taken from addresses and files, and where addresses may lead.
        media_folders (`Sequence[str]`): Folders below which `file:` addresses are read. Without one, none is.
    """

    def __init__(
        self, processor: VisionLanguageProcessor, limits: UntrustedInput, media_folders: Sequence[str | os.PathLike]
    ) -> None:
        # with the limits of the server, which are not those of the processor that was given
        self.processor, self.limits = copy.copy(processor), limits
        if hasattr(processor, "video_processor"):
            self.processor.video_processor = copy.copy(processor.video_processor)
        self.processor.untrusted_input = limits
        self.media_folders = [os.path.realpath(folder) for folder in media_folders]
        self.takes_videos = "video" in processor.placeholders

    def check(self, visual: Visual) -> None:
        """
        What can be told of a visual before it is fetched.

        Raises:
            RequestError: if the model does not take it, or its address leads where nothing is read from.
        """
        if visual.kind == "video" and not self.takes_videos:
            raise RequestError(
                f"`{visual.param}` is a video, and this model takes images: send frames of it as `image_url` parts.",
                visual.param,
            )
        scheme = visual.url.partition(":")[0].lower()
        if scheme not in ("http", "https", "data", "file"):
            raise RequestError(
                f"`{visual.param}` ({shorten(visual.url)}) must be an address with http:, https:, data: or file:.",
                visual.param,
            )
        if scheme == "file":
            self._allowed_path(visual)

    def fetch(self, visual: Visual, seconds_left: float, num_bytes_before: int = 0) -> FetchedVisual:
        """
        An address is fetched anew for each request: what is behind it may have changed.

        Args:
            visual ([`Visual`]): What to fetch.
            seconds_left (`float`): How long it may take.
            num_bytes_before (`int`): What was fetched for the same request, which counts as one download.

        Raises:
            RequestError: if it cannot be had, or is more than the limits allow.
        """
        limits = dataclasses.replace(
            self.limits,
            max_download_seconds=max(min(self.limits.max_download_seconds, seconds_left), 1),
            max_download_bytes=max(self.limits.max_download_bytes - num_bytes_before, 1),
        )
        try:
            if visual.url[:5].lower() == "file:":
                path = self._allowed_path(visual)
                content: bytes | str = path
                identity = f"{path}\0{identify_file(path)}".encode()
            else:
                content = resolve_source(visual.url, limits, visual.kind).content
                assert isinstance(content, bytes)
                identity = content
        except (ValueError, OSError) as error:
            raise self._refusal(error, visual) from error
        digest = hashlib.sha256(identity).hexdigest()
        return FetchedVisual(visual, content, f"{visual.kind} {digest} {json.dumps(visual.options, sort_keys=True)}")

    def read(self, fetched: FetchedVisual) -> tuple[str, BatchFeature]:
        """
        Decodes and preprocesses.

        Returns:
            As [`read_visual`], of videos with `video_metadata`.

        Raises:
            RequestError: if it is damaged, of no kind that is read, or an option does not fit it.
        """
        visual = fetched.visual
        processor, options = self.processor, dict(visual.options)
        if visual.kind == "video":
            options["return_metadata"] = True
            processor = _with_frame_limit(processor, options.pop("max_frames", None), "fps" in options)
        try:
            return read_visual(processor, fetched.content, visual.kind == "image", **options)
        except (ValueError, OSError) as error:
            raise self._refusal(error, visual) from error
        except Exception as error:
            if is_memory_error(error):
                raise
            # a decoder's, which is about this file all the same
            logger.warning("%s could not be read", visual.param, exc_info=error)
            message = (
                f"`{visual.param}`: The {visual.kind} could not be read ({type(error).__name__}). Check that it plays."
            )
            raise RequestError(message, visual.param, code="unusable_media") from error

    def _allowed_path(self, visual: Visual) -> str:
        """The path of a `file:` address, without links."""
        try:
            path = path_of_address(visual.url)
            real = None if path is None else os.path.realpath(path)
        except (ValueError, OSError) as error:  # a zero in a path
            raise RequestError(
                f"`{visual.param}` ({shorten(visual.url)}) is no address of a file.", visual.param
            ) from error
        if real is None or not any(Path(real).is_relative_to(folder) for folder in self.media_folders):
            # nothing is said about what is there, and what is not
            why = "is not below a folder that the server reads from" if self.media_folders else "is not read"
            raise RequestError(
                f"`{visual.param}` ({shorten(visual.url)}) {why}: `--allow-media FOLDER` of the server allows it. Or send the file as a "
                "`data:` address.",
                visual.param,
                code="file_not_allowed",
            )
        if not os.path.isfile(real):
            raise RequestError(f"`{visual.param}` ({shorten(visual.url)}) is no file.", visual.param)
        return real

    def _refusal(self, error: Exception, visual: Visual) -> RequestError:
        """Options of the processor, and paths, as the client calls them."""
        named = re.search(r"`(fps|num_frames|start_seconds|end_seconds)`", str(error))
        param = visual.option_params.get(named[1], visual.param) if named else visual.param
        return RequestError(f"`{param}`: {describe_error(error, _with_limits)}", param, code="unusable_media")


def _with_frame_limit(
    processor: VisionLanguageProcessor, max_frames: int | None, at_rate: bool
) -> VisionLanguageProcessor:
    """
    The processor, which takes at most `max_frames` of the frames that it would look at, spread evenly over them. At a rate, there are
    also no more than the family makes of a video by itself.
    """
    video_processor = copy.copy(processor.video_processor)
    most = getattr(video_processor, "max_frames", None) or video_processor.num_frames
    if at_rate:
        max_frames = min(max_frames or most, most)
    if max_frames is None:
        return processor
    video_processor.sample_frames = _limited(video_processor.sample_frames, max_frames)
    processor = copy.copy(processor)
    processor.video_processor = video_processor
    return processor


def _limited(sample_frames: Callable[..., np.ndarray], max_frames: int) -> Callable[..., np.ndarray]:
    def sample(metadata: VideoMetadata, *args: Any, fps: float | None = None, **kwargs: Any) -> np.ndarray:
        if fps is not None and metadata.fps is not None:
            fps = min(fps, metadata.fps)  # a video has no more
        indices = np.asarray(sample_frames(metadata, *args, fps=fps, **kwargs))
        if len(indices) <= max_frames:
            return indices
        # the middle of each of as many equal parts
        places = (np.arange(max_frames) + 0.5) * len(indices) / max_frames
        return indices[places.astype(int)]

    return sample


def _with_limits(message: str) -> str:
    """Limits as options of the command."""
    return re.sub(r"`(\w+)` of `untrusted_input=UntrustedInput\(\.\.\.\)`", r"`--limit \1=...` of the server", message)
