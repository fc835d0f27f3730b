# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Questions about the last seconds of a stream, of which each frame goes through the image encoder once."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import PreTrainedModel
from transformers.generation import StoppingCriteriaList
from transformers.image_utils import ChannelDimension

from ..modeling.outputs import VideoFeatures
from ..processing.pipeline_answers import describe_selection
from ..processing.video_file_processor import MAX_NUM_FRAMES
from ..processing.video_inputs import channel_layout
from ..processing.vision_language_processor import VisionLanguageProcessor
from ..video.frame_times import SAMPLINGS
from ..video.limits import shorten
from ..video.pictures import to_rgb_array
from ..video.video_metadata import SampledVideoMetadata
from .answer_text import StopsWhen
from .conversation import Conversation
from .fair_lock import FairLock
from .frame_window import FrameWindow
from .video_chat import VideoChat


# Of times and rates: products of two are finite, and so exact that frames have an order.
_LARGEST = 1e12


@dataclass(frozen=True)
class LiveSnapshot:
    """
    What the window showed at one moment. Later frames do not change it.

    Args:
        video ([`VideoFeatures`]): The encoded video, as [`VideoChat`] takes it.
        metadata ([`SampledVideoMetadata`]): Of the frames in the window, and which of them were sampled.
        frame_selection (`dict[str, Any]`): The sampled frames with their scores and times, as `FrameSelection.from_description` takes
            them, with [`images`].
        pixels (`torch.Tensor` of shape `(num_sampled, 3, height, width)`): The sampled frames as the model sees them, uint8.
        sizes (`tuple[tuple[int, int], ...]`): Width and height in which these came.
        start_seconds, end_seconds (`float`): When the oldest and the newest frame in the window are shown.
    """

    video: VideoFeatures
    metadata: SampledVideoMetadata
    frame_selection: dict[str, Any]
    pixels: torch.Tensor
    sizes: tuple[tuple[int, int], ...]
    start_seconds: float
    end_seconds: float

    @property
    def images(self) -> list[Image.Image]:
        """The sampled frames as pictures: in the shape in which they came, and no larger than the model sees them."""
        return [_in_shape(frame, size) for frame, size in zip(self.pixels, self.sizes, strict=True)]


class LiveVideo:
    r"""
    Answers questions about the last seconds of a stream. Each frame goes through the image encoder once, when it is added, and what
    this makes of it is kept while it is in the window. For a question, frames are sampled of the window by the model's own rule; frame
    scoring, video encoder and projectors run on what was kept.

    An answer is the one that the pipeline gives to the same frames with their times, but for rounding: the image encoder sees frames one
    by one here, and together there.

    Frames may be added in one thread and questions asked in others. A question is about the window as it is when the question comes.
    Between the tokens of its answer frames are encoded, for up to half of the time. One answer is made at a time, others wait for it; one
    that [`stream`] has begun is made also while nobody reads it.

    - A frame that is earlier than the newest one begins the stream anew: the window is emptied. (A decoder that is opened again counts
      from zero.)
    - After a gap the window has what is left of its last seconds, down to one frame.
    - Frames may change their size. Each is resized by itself. (An array of frames, in the pipeline, has one size.)
    - While there are fewer frames than the model takes, they are what a short video is: Mobile-VideoGPT sees zero frames behind them,
      TinyLLaVA-Video repeats some.

    Memory does not grow: the window's is taken with the first frame. A frame is 750 KB in float32 with Mobile-VideoGPT's published sizes
    and 3.8 MB with TinyLLaVA-Video's, half as much in bfloat16.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]):
            A model for videos.
        processor ([`VisionLanguageProcessor`]):
            Its processor.
        window_seconds (`float`, defaults to 30):
            How long a frame stays.
        frames_per_second (`float`, defaults to 4):
            How many frames of a second are taken. Others are skipped before anything is done with them.
        frame_selection (`str`, *optional*):
            How the frames that go on to the video encoder are chosen of the sampled ones, as for `get_video_features`.
        sampling (`str`, *optional*):
            What sampled frames are spread over: `"frames"`, the published rule, or `"time"`, which differs where frames are missing. The
            processor's by default.

    Raises:
        ValueError: if the model takes images alone, or an option does not fit.

    Example:

    ```python
    >>> live = LiveVideo(model, processor, window_seconds=30)
    >>> for frame, seconds in frames:  # in one thread
    ...     live.add_frame(frame, seconds)
    >>> live.ask("What is happening?")  # in any other, at any time
    '...'
    >>> snapshot = live.snapshot()  # to ask several questions about one moment, or to look at its frames
    >>> plot_frame_selection(FrameSelection.from_description(snapshot.frame_selection, snapshot.images))
    ```"""

    def __init__(
        self,
        model: PreTrainedModel,
        processor: VisionLanguageProcessor,
        *,
        window_seconds: float = 30.0,
        frames_per_second: float = 4.0,
        frame_selection: str | None = None,
        sampling: str | None = None,
    ) -> None:
        if "video" not in processor.placeholders:
            raise ValueError(
                f"A {type(model).__name__} takes images, no videos: `LiveVideo` needs a model for videos, of Mobile-VideoGPT or "
                "TinyLLaVA-Video."
            )
        for name, value in (("window_seconds", window_seconds), ("frames_per_second", frames_per_second)):
            if not (_is_number(value) and value > 0):
                raise ValueError(f"`{name}` ({shorten(value)}) must be a number above 0.")
        if window_seconds * frames_per_second > MAX_NUM_FRAMES:
            raise ValueError(
                f"A window of {window_seconds:g} seconds with {frames_per_second:g} frames per second has more than {MAX_NUM_FRAMES:,} "
                "frames: lower one of them."
            )
        if sampling not in (None, *SAMPLINGS):
            raise ValueError(f"`sampling` ({shorten(sampling)}) must be one of: {', '.join(SAMPLINGS)}.")
        if frame_selection is not None:
            model.check_frame_selection(frame_selection)
        self.model, self.processor, self.frame_selection = model, processor, frame_selection
        self._options = {} if sampling is None else {"sampling": sampling}
        names = processor.video_processor.model_input_names
        # The image encoder's is the last. What is kept beside its features is the first: the video encoder's where there is one.
        self._first_stream, self._image_stream = names[0], names[-1]
        self._window = FrameWindow(window_seconds, frames_per_second)
        self._window_lock = threading.Lock()
        self._model_turn, self._answering_turn = FairLock(), FairLock()
        # how long the last frame took, and since when the model works on an answer
        self._encoding_seconds = self._resumed = 0.0

    @property
    def window_seconds(self) -> float:
        """How long a frame stays."""
        return self._window.window_seconds

    @property
    def frames_per_second(self) -> float:
        """How many frames of a second are taken."""
        return self._window.rate.frames_per_second

    @property
    def num_frames(self) -> int:
        """Frames in the window."""
        return len(self._window.frames)

    @property
    def num_bytes(self) -> int:
        """Memory of the window, which is taken with the first frame."""
        return self._window.num_bytes

    def wants(self, seconds: float) -> bool:
        """
        Whether a frame that is shown then would be taken: where decoding it to pixels can be saved, ask before.

        Raises:
            ValueError: if this is no time, as for [`add_frame`].
        """
        if not _is_number(seconds):
            raise ValueError(
                f"`seconds` ({shorten(seconds)}) must be the time at which the frame is shown, a finite number of seconds."
            )
        with self._window_lock:
            return self._window.rate.wants(seconds)

    @torch.no_grad()
    def add_frame(self, frame: Any, seconds: float) -> bool:
        r"""
        Encodes a frame and puts it into the window. It returns when that is done.

        Args:
            frame (`PIL.Image.Image`, `np.ndarray` or `torch.Tensor`):
                A picture, or uint8 pixels of shape `(height, width, 3)`; `(3, height, width)` is taken too, unless the width is 3.
            seconds (`float`):
                When it is shown, on the clock of the stream.

        Returns:
            `bool`: Whether it was taken. It is skipped if one was taken less than `1 / frames_per_second` before.

        Raises:
            ValueError: if it is no frame, its dtype or shape does not fit, or its time is no number. The window stays as it is.
        """
        if not self.wants(seconds):
            return False
        seconds, frame = float(seconds), _unambiguous(frame)
        processor = self.processor.video_processor
        held = processor.hold_frame(frame)
        pixels = processor.normalize_held(self._image_stream, held[self._image_stream][None])
        with self._model_turn:
            began = time.monotonic()
            features = self.model.encode_frames(pixels.to(self.model.device, self.model.dtype))[0]
            self._encoding_seconds = time.monotonic() - began
        with self._window_lock:
            if not self._window.rate.wants(seconds):  # another thread was faster
                return False
            self._window.add(seconds, _size_of(frame), (held[self._first_stream], features))
        return True

    def clear(self) -> None:
        """Empties the window."""
        with self._window_lock:
            self._window.clear()

    def snapshot(self) -> LiveSnapshot:
        """
        The window as it is now, sampled and encoded: what [`ask`] and [`stream`] answer from, and take for several questions about the
        same moment.

        Raises:
            ValueError: if there is no frame yet.
        """
        with self._window_lock:
            frames = list(self._window.frames)
            if not frames:
                raise ValueError("There is no frame in the window yet: add one with `add_frame` before asking.")
            metadata = _describe([frame.seconds for frame in frames])
            indices = self.processor.video_processor.choose_frames(metadata, **self._options)
            held, features = self._window.copy_of(indices)
        metadata.frames_indices = indices
        metadata.timestamps_seconds = [frames[index].seconds for index in indices]
        video = self._encode(held, features)
        return LiveSnapshot(
            video=video,
            metadata=metadata,
            frame_selection=self._describe_selection(video, metadata),
            pixels=held,
            sizes=tuple(frames[index].size for index in indices),
            start_seconds=frames[0].seconds,
            end_seconds=frames[-1].seconds,
        )

    def ask(self, question: str, *, snapshot: LiveSnapshot | None = None, **generate_kwargs: Any) -> str:
        r"""
        Answers a question about the window.

        Args:
            question (`str`):
                The question, or a chat of text messages that ends with it.
            snapshot ([`LiveSnapshot`], *optional*):
                The moment that it is about, now by default.
            generate_kwargs:
                As [`VideoChat.ask`] takes them.

        Returns:
            `str`: The answer.

        Raises:
            ValueError: if there is no frame yet, or as [`VideoChat.ask`].
        """
        chat = self._chat(snapshot)
        goes_on = StopsWhen(self._let_frames_in)
        criteria = StoppingCriteriaList([*generate_kwargs.pop("stopping_criteria", []), goes_on])
        return chat.ask(question, stopping_criteria=criteria, **generate_kwargs)

    def stream(
        self,
        question: str,
        *,
        snapshot: LiveSnapshot | None = None,
        is_cancelled: Any = lambda: False,
        **generate_kwargs: Any,
    ) -> Iterator[str]:
        r"""
        As [`ask`], in pieces as the answer is made.

        Args:
            question (`str`), snapshot ([`LiveSnapshot`], *optional*), generate_kwargs:
                As [`ask`] takes them.
            is_cancelled (`Callable[[], bool]`):
                Is asked after each token, in the thread that makes them, whether the answer is to end.

        Returns:
            `Iterator[str]`: The pieces. The answer is begun with the first one that is read; closing the iterator ends it.

        Raises:
            ValueError: as [`ask`]. What goes wrong while the answer is made is raised where it is read.
            RuntimeError: there, if `is_cancelled` asks another question or adds a frame.
        """
        return Conversation(self._chat(snapshot)).stream(
            question, is_cancelled=lambda: self._let_frames_in() or is_cancelled(), **generate_kwargs
        )

    def _chat(self, snapshot: LiveSnapshot | None) -> VideoChat:
        chat = _ChatInTurn(self.model, self.processor, (snapshot or self.snapshot()).video)
        chat.answering_turn, chat.model_turn = self._answering_turn, self._model_turn
        return chat

    def _let_frames_in(self) -> bool:
        """
        Between two tokens: frames that wait are encoded, if the answer has had as much time as one of them takes. No answer ends by it.
        """
        if time.monotonic() - self._resumed >= self._encoding_seconds:
            self._model_turn.let_others()
            self._resumed = time.monotonic()
        return False

    @torch.no_grad()
    def _encode(self, held: torch.Tensor, features: torch.Tensor) -> VideoFeatures:
        """The video of kept frames: uint8 (n, 3, H, W) and what the image encoder made of them, (n, P, D)."""
        inputs: dict[str, Any] = {} if self.frame_selection is None else {"frame_selection": self.frame_selection}
        if self._first_stream != self._image_stream:
            pixels = self.processor.video_processor.normalize_held(self._first_stream, held)
            inputs[self._first_stream] = pixels[None].to(self.model.device, self.model.dtype)
        with self._model_turn:
            return self.model.get_video_features(**inputs, image_features=features[None], return_dict=True)

    def _describe_selection(self, video: VideoFeatures, metadata: SampledVideoMetadata) -> dict[str, Any]:
        num_frames = len(metadata.frames_indices)
        if video.frame_scores is None or video.selected_frames is None:
            return describe_selection(metadata, range(num_frames), [None] * num_frames, None, None)
        config = self.model.config
        method = config.resolve_frame_selection(self.frame_selection)
        scores, selected = video.frame_scores[0].tolist(), video.selected_frames[0].tolist()
        return describe_selection(metadata, selected, scores, config.frames_per_chunk, method)


class _ChatInTurn(VideoChat):
    """Whose answers are made one after another, while nothing else is done with the model, whether somebody reads them or not."""

    answering_turn: FairLock
    model_turn: FairLock

    def answer_turn(self, *args: Any, **kwargs: Any) -> Any:
        with self.answering_turn, self.model_turn:
            return super().answer_turn(*args, **kwargs)


def _describe(times: list[float]) -> SampledVideoMetadata:
    """Metadata of frames as of a whole video."""
    rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else None
    return SampledVideoMetadata(total_num_frames=len(times), fps=rate, frame_times=np.asarray(times, dtype=np.float64))


def _is_number(value: Any) -> bool:
    is_real = isinstance(value, Real)
    return is_real and abs(value) < _LARGEST


def _unambiguous(frame: Any) -> Any:
    """
    A frame as `hold_frame` takes it. Pixels whose first and last dimension are 3 have the documented shape: they are turned to one that
    can be no other.

    Raises:
        ValueError: if it is no frame.
    """
    if isinstance(frame, Image.Image):
        if frame.height != 3:
            return frame
        frame = to_rgb_array(frame)
    if not isinstance(frame, (np.ndarray, torch.Tensor)):
        raise ValueError(
            f"A frame must be a picture (`PIL.Image.Image`) or an array of uint8 pixels of shape (height, width, 3), got {shorten(frame)}."
        )
    if frame.ndim == 3 and frame.shape[0] == frame.shape[2] == 3:
        return frame.transpose(2, 0, 1) if isinstance(frame, np.ndarray) else frame.permute(2, 0, 1)
    return frame


def _size_of(frame: Any) -> tuple[int, int]:
    """Width and height of what `hold_frame` takes."""
    if isinstance(frame, Image.Image):
        return frame.size
    shape = tuple(frame.shape)
    is_channels_first = len(shape) == 3 and channel_layout(frame[None]) == ChannelDimension.FIRST
    height, width = shape[1:] if is_channels_first else shape[:2]
    return width, height


def _in_shape(pixels: torch.Tensor, size: tuple[int, int]) -> Image.Image:
    """A picture of pixels (3, H, W) that were stretched from another size, in the shape of that size."""
    _, height, width = pixels.shape
    scale = min(1.0, height / size[1], width / size[0])
    shape = [max(1, round(side * scale)) for side in size]
    return Image.fromarray(pixels.permute(1, 2, 0).cpu().numpy()).resize(shape, Image.Resampling.BILINEAR)
