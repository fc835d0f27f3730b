# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
From transformers 5.23 on, `ProcessorMixin.validate_inputs` compares the number of placeholders with that of the visuals.

Remove when transformers 5.22 is no longer supported.
"""

from typing import Any

from transformers.image_utils import make_flat_list_of_images


class WithPlaceholderCounts:
    """A processor that takes as many visuals as its prompts have placeholders. Where transformers compares too, it says the same."""

    def validate_inputs(
        self, images: Any = None, text: Any = None, videos: Any = None, audio: Any = None, **kwargs: Any
    ):
        """
        Args:
            images, text, audio, kwargs: as for [`~ProcessorMixin.validate_inputs`].
            videos (`list`, *optional*): one entry for each video.

        Raises:
            ValueError: if a kind of visuals has more or fewer placeholders than visuals.
        """
        super().validate_inputs(images=images, text=text, videos=videos, audio=audio, **kwargs)  # type: ignore[misc]
        if text is None:
            return
        prompts = [text] if isinstance(text, str) else text
        given = {
            "image": None if images is None else len(make_flat_list_of_images(images)),
            "video": None if videos is None else len(videos),
        }
        for kind, number in given.items():
            if (token := getattr(self, f"{kind}_token", None)) is None:
                continue
            count = sum(prompt.count(token) for prompt in prompts)
            if number is None and count:
                raise ValueError(f"Found {count} {token} tokens in the text but no {kind}s were passed.")
            if number is not None and count != number:
                raise ValueError(
                    f"The total number of {token} tokens in the prompts should be the same as the number of {kind}s passed. "
                    f"Found total {count} {token} tokens and {number} {kind}s."
                )


__all__ = ["WithPlaceholderCounts"]
