# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""An answer in pieces, as transformers generates it. It stands apart, since transformers is not loaded for help."""

from collections.abc import Callable
from typing import Any

from transformers import TextStreamer


class PieceStreamer(TextStreamer):
    """
    Hands on the pieces of answers. None has half a word.

    Args:
        tokenizer: of the model.
        write (`Callable`): gets each piece.
    """

    def __init__(self, tokenizer: Any, write: Callable[[str], None]) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._write = write

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        self._write(text)
