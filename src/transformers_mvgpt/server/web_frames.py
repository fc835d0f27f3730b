# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The strip of frames on the web page, as HTML: what is chosen has a mark, a frame and a word, not a color alone."""

import base64
import html
import io

from PIL import Image

from ..viewing.frame_selection import FrameSelection, SampledFrame
from ..viewing.shown_times import format_seconds


# On the page a frame is about half as wide, so that it is sharp on fine screens.
_SIDE = 224
_QUALITY = 80


def frame_strip(selection: FrameSelection) -> str:
    """
    Args:
        selection ([`FrameSelection`]): The frames that the model was given.

    Returns:
        `str`: HTML.
    """
    frames = selection.frames
    selects = selection.frames_per_chunk is not None
    items = "".join(_item(number, len(frames), frame, selects) for number, frame in enumerate(frames, 1))
    return f'<p class="mv-caption">{_caption(selection)}</p><ol class="mv-frames">{items}</ol>'


def _caption(selection: FrameSelection) -> str:
    number = len(selection.frames)
    if number == 1 and selection.frames[0].seconds is None:
        return "The image as the model sees it."
    if selection.frames_per_chunk is None:
        return (
            f"The model sees these <b>{number} frames</b>." if number > 1 else "The model sees this <b>one frame</b>."
        )
    chosen = sum(frame.is_selected for frame in selection.frames)
    how = {"scores": "with the highest scores", "uniform": "evenly spread", "rarest": "with the lowest scores"}
    if number == 1:
        return "The model sees this <b>one frame</b>, and its video encoder looks closer at it."
    return (
        f"The model sees these <b>{number} frames</b>. Its video encoder looks closer at <b>{chosen}</b> of them, "
        f'{how.get(selection.method or "scores", "")}, marked <span class="mv-mark">✓</span>.'
    )


def _item(number: int, total: int, frame: SampledFrame, selects: bool) -> str:
    kind = "mv-seen" if not selects else "mv-chosen" if frame.is_selected else "mv-plain"
    time = "" if frame.seconds is None else format_seconds(frame.seconds)
    chosen = selects and frame.is_selected
    words = f"Frame {number} of {total}" if total > 1 else "The image"
    words += f", at {time}" if time else ""
    words += ", chosen for the video encoder" if chosen else ""
    score = "" if frame.score is None else f' title="{html.escape(f"score {frame.score:.1f}")}"'
    mark = '<span class="mv-mark" aria-hidden="true">✓</span>' if chosen else ""
    return (
        f'<li class="{kind}"{score}><figure>'
        f'<img src="{_picture(frame.image)}" alt="{html.escape(words)}">{mark}'
        f'<figcaption aria-hidden="true">{time or "&nbsp;"}</figcaption></figure></li>'
    )


def _picture(image: Image.Image | None) -> str:
    assert image is not None, "which is missing only where frames were read from a record"
    image = image.convert("RGB")
    image.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
