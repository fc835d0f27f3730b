# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Videos and images that one chats about, with PyTorch or with an exported model."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..chat.turns import ContextFullError, Turns
from .chat_loop import OpenedVisual
from .progress import step
from .saved_chat import SavedVisual
from .shown_frames import show_selection, write_frames
from .terminal_text import write_note


if TYPE_CHECKING:
    from ..runtime import OnnxVideoChat
    from ..viewing import FrameSelection

# Options that a part of a chat has too.
_OF_PARTS = ("start_seconds", "end_seconds", "sampling")


class OpensVisuals:
    """
    With PyTorch.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]), processor ([`VisionLanguageProcessor`]): What looks.
        video_options (`dict`): Options for reading any video, such as `video_backend`.
        frame_selection (`str`, *optional*): How frames are chosen.
        sees_earlier_turns (`bool`): Whether the model sees earlier questions and answers.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        video_options: dict[str, Any],
        *,
        frame_selection: str | None,
        sees_earlier_turns: bool,
    ) -> None:
        self._model, self._processor, self._video_options = model, processor, video_options
        self._frame_selection, self._sees_earlier_turns = frame_selection, sees_earlier_turns

    def __call__(self, source: str, **options: Any) -> OpenedVisual:
        """
        Args:
            source (`str`): Path or address.
            options: Which part of this video is looked at.

        Raises:
            ValueError, OSError: if it cannot be read.
        """
        from ..chat import Conversation, VideoChat
        from ..viewing import encode_with_frames

        with step(f"Looking at {source}"):
            features, selection = encode_with_frames(
                self._model,
                self._processor,
                source,
                frame_selection=self._frame_selection,
                **self._video_options,
                **options,
            )
            chat = VideoChat(self._model, self._processor, features)
        kept = {name: value for name, value in options.items() if name in _OF_PARTS}
        return OpenedVisual(
            SavedVisual(source, chat.modality, kept),
            Conversation(chat, sees_earlier_turns=self._sees_earlier_turns),
            lambda: _show(selection),
        )


def _show(selection: "FrameSelection") -> None:
    # answers alone go to stdout
    with contextlib.redirect_stdout(sys.stderr):
        show_selection(selection, "dark")


class OpensVisualsExported:
    """
    With an exported model, which needs no torch.

    Args:
        chat ([`OnnxVideoChat`]): The model.
        sees_earlier_turns (`bool`): Whether the model sees earlier questions and answers.
    """

    def __init__(self, chat: "OnnxVideoChat", *, sees_earlier_turns: bool) -> None:
        self._chat, self._sees_earlier_turns = chat, sees_earlier_turns

    def __call__(self, source: str, **options: Any) -> OpenedVisual:
        """As [`OpensVisuals`]."""
        with step(f"Looking at {source}"):
            encoded = self._chat.encode(source, **options)

        def show_frames() -> None:
            frames = encoded.describe_frames()
            if frames:
                write_frames(frames)
            else:
                write_note("This model selects no frames: it looks at all that it is given.")

        return OpenedVisual(
            SavedVisual(source, encoded.modality, options),
            ExportedConversation(self._chat, encoded, sees_earlier_turns=self._sees_earlier_turns),
            show_frames,
        )


class ExportedConversation(Turns):
    """
    As [`Conversation`], with an exported model. There is no thread: the model works while the next piece is waited for.

    Args:
        chat ([`OnnxVideoChat`]): The model.
        encoded ([`EncodedVideo`]): What it has made of the video.
        sees_earlier_turns (`bool`): Whether the model sees earlier questions and answers.
    """

    def __init__(self, chat: "OnnxVideoChat", encoded: Any, *, sees_earlier_turns: bool) -> None:
        super().__init__(sees_earlier_turns=sees_earlier_turns)
        self._chat, self._encoded = chat, encoded

    def stream(self, question: str, *, is_cancelled: Callable[[], bool], **options: Any) -> Iterator[str]:
        """As that of [`Conversation`]. How an answer was cut off is not told."""
        from ..runtime.onnx_video_chat import PromptTooLongError

        answer, self.finish_reason = "", None
        try:
            for piece in self._chat.stream(self._encoded, self._chat_with(question), **options):
                answer += piece
                yield piece
                if is_cancelled():
                    self.finish_reason = "cancelled"
                    break
            else:
                self.finish_reason = "stop"
        except PromptTooLongError as error:
            raise ContextFullError(str(error)) from error
        self._add(question, answer)
