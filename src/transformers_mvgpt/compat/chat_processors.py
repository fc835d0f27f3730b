# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
transformers 5.23 cut `ProcessorMixin.apply_chat_template` into methods; the processors of this package call two of them.

Remove when transformers 5.22 is no longer supported: `ProcessorMixin` then has them.
"""

from bisect import bisect_right
from typing import Any


class ChatProcessorMethods:
    """Stands behind `ProcessorMixin` among the bases of a class: where that one has the methods, they are its own."""

    chat_template: str | dict[str, str] | None

    def _resolve_chat_template(self, chat_template: str | None) -> str:
        """
        The template of this name, or this template; without either, the default one.

        Raises:
            ValueError: if there is no default one.
        """
        known = self.chat_template
        templates = known if isinstance(known, dict) else {} if known is None else {"default": known}
        if chat_template is not None:
            return templates.get(chat_template, chat_template) if isinstance(known, dict) else chat_template
        if "default" not in templates:
            named = f"; its templates are {', '.join(templates)}" if templates else ""
            raise ValueError(f"This processor has no default chat template: pass `chat_template`{named}.")
        return templates["default"]

    def _adjust_assistant_masks_indices(self, inputs: Any, spans: list[list[tuple[int, int]]]) -> Any:
        """
        Adds `assistant_masks`, by token 1 in what the assistant says and 0 elsewhere, and drops the offsets that this takes.

        Args:
            inputs (`BatchFeature`): with `offset_mapping` and `text_replacement_offsets`.
            spans (`list[list[tuple[int, int]]]`): by prompt, where the assistant's words begin and end, before placeholders are expanded.
        """
        offsets, replaced = inputs.pop("offset_mapping"), inputs.pop("text_replacement_offsets", None)
        masks = []
        for row, prompt_spans in enumerate(spans):
            of_row = replaced[row] if replaced else []
            ends = [entry["span"][1] for entry in of_row]
            gained = [0, *(entry["new_span"][1] - entry["span"][1] for entry in of_row)]
            said = [tuple(at + gained[bisect_right(ends, at)] for at in span) for span in prompt_spans]
            masks.append(
                [int(any(start < end and stop > begin for begin, end in said)) for start, stop in offsets[row]]
            )
        inputs["assistant_masks"] = masks
        return inputs


__all__ = ["ChatProcessorMethods"]
