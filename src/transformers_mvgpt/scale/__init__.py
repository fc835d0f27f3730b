# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Questions about many videos."""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names


if TYPE_CHECKING:
    from .captioner import Captioner
    from .captioning import CaptionCounts, CaptioningStopped, caption
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "CaptionCounts": ".captioning",
            "Captioner": ".captioner",
            "CaptioningStopped": ".captioning",
            "caption": ".captioning",
        },
    )

__all__ = ["CaptionCounts", "Captioner", "CaptioningStopped", "caption"]
