# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Prompts whose pieces around a visual are tokenized apart, as the published weights of some families were trained:

    prompt   USER: <image><image><image>\\nIs it red?
    pieces   "USER: "                    "\\nIs it red?"
    tokens   <s> ▁US ER : ▁              ▁ <0x0A> Is ▁it ▁red ?
    joined   <s> ▁US ER : ▁ IMAGE IMAGE IMAGE ▁ <0x0A> Is ▁it ▁red ?

Each piece begins as a text of its own, but what the tokenizer puts in front of a text stands before the first piece only. IMAGE is
the id that the model knows, whatever the tokenizer's would be.
"""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from transformers import AddedToken, BatchEncoding
from transformers.tokenization_utils_base import PaddingStrategy, TruncationStrategy


def add_placeholders(tokenizer: Any, placeholders: list[str]) -> None:
    """Lets a tokenizer know the placeholders: they are control tokens then, which a chat cannot hold by what is said in it."""
    vocabulary = tokenizer.get_vocab()
    missing = [token for token in placeholders if token not in vocabulary]
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in missing], special_tokens=True)


def begins_with_bos(tokenizer: Any) -> bool:
    """Whether a tokenizer begins a text with BOS."""
    return tokenizer.bos_token_id is not None and tokenizer("")["input_ids"][:1] == [tokenizer.bos_token_id]


class TokenizerOfPieces:
    """
    As the tokenizer given, but for the prompts that it is called with. BOS in front of a prompt is the one that the tokenizer would put
    there: the text behind it begins as a text of its own.

    Args:
        tokenizer ([`PreTrainedTokenizerBase`]):
            Tokenizes the pieces.
        placeholder_ids (`dict[str, int]`):
            The model's ids of the placeholders.
    """

    def __init__(self, tokenizer: Any, placeholder_ids: Mapping[str, int]) -> None:
        self._tokenizer, self._placeholder_ids = tokenizer, placeholder_ids
        # text, placeholder, text, ...
        self._pattern = re.compile(f"({'|'.join(map(re.escape, placeholder_ids))})")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def __call__(
        self,
        text: str | list[str],
        add_special_tokens: bool = True,
        padding: Any = False,
        truncation: Any = None,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        padding_side: str | None = None,
        return_attention_mask: bool | None = None,
        return_token_type_ids: bool | None = None,
        return_special_tokens_mask: bool = False,
        return_offsets_mapping: bool = False,
        return_length: bool = False,
        return_tensors: Any = None,
        verbose: bool = True,
        **kwargs: Any,
    ) -> BatchEncoding:
        """
        As the call of a tokenizer.

        Raises:
            ValueError: on an option that has no meaning where a prompt is tokenized in pieces.
        """
        if refused := [name for name, value in kwargs.items() if value]:
            raise ValueError(
                f"{', '.join(map(repr, refused))} cannot be used with a prompt that is tokenized in pieces: leave it out."
            )
        padding, truncation, max_length, _ = self._tokenizer._get_padding_truncation_strategies(
            padding=padding,
            truncation=truncation,
            max_length=max_length,
            pad_to_multiple_of=pad_to_multiple_of,
            verbose=verbose,
        )
        rows = self._encode([text] if isinstance(text, str) else text, add_special_tokens, return_offsets_mapping)
        if truncation != TruncationStrategy.DO_NOT_TRUNCATE:
            kept = slice(-max_length, None) if self._tokenizer.truncation_side == "left" else slice(max_length)
            rows = [{name: values[kept] for name, values in row.items()} for row in rows]
        lengths = [len(row["input_ids"]) for row in rows]
        if padding != PaddingStrategy.DO_NOT_PAD:
            target = max(lengths, default=0) if padding == PaddingStrategy.LONGEST else max_length
            target += -target % (pad_to_multiple_of or 1)
            is_left = (padding_side or self._tokenizer.padding_side) == "left"
            rows = [self._pad(row, target - length, is_left) for row, length in zip(rows, lengths, strict=True)]

        asked_for = {
            "input_ids": True,
            "token_type_ids": return_token_type_ids,
            "attention_mask": return_attention_mask,
            "special_tokens_mask": return_special_tokens_mask,
            "offset_mapping": return_offsets_mapping,
        }
        usual = self._tokenizer.model_input_names
        names = [name for name, asked in asked_for.items() if (name in usual if asked is None else asked)]
        data: dict[str, Any] = {name: [row[name] for row in rows] for name in names}
        if return_length:
            data["length"] = [len(row["input_ids"]) for row in rows]
        if isinstance(text, str) and return_tensors is None:
            data = {name: values[0] for name, values in data.items()}
        return BatchEncoding(data, tensor_type=return_tensors)

    def _encode(self, prompts: list[str], add_special_tokens: bool, with_offsets: bool) -> list[dict[str, list[Any]]]:
        """What is known of each prompt's tokens, by its name, one entry per token."""
        split = [self._pattern.split(prompt) for prompt in prompts]
        encode = partial(
            self._tokenizer,
            return_attention_mask=True,
            return_special_tokens_mask=True,
            return_offsets_mapping=with_offsets,
        )
        firsts = self._encode_firsts([parts[0] for parts in split], encode, add_special_tokens)
        pieces = [piece for parts in split for piece in parts[2::2] if piece]
        others = encode(pieces, add_special_tokens=False) if pieces else {}
        names, number = list(firsts), 0
        rows = []
        for index, parts in enumerate(split):
            row = {name: list(firsts[name][index]) for name in names}
            position = len(parts[0])
            for placeholder, piece in zip(parts[1::2], parts[2::2], strict=True):
                start, position = position, position + len(placeholder)
                token = {
                    "input_ids": self._placeholder_ids[placeholder],
                    "attention_mask": 1,
                    "offset_mapping": (start, position),
                }
                for name in names:
                    row[name].append(token.get(name, 0))
                if not piece:
                    continue
                for name in names:
                    values = others[name][number]
                    if name == "offset_mapping":
                        values = [(position + first, position + last) for first, last in values]
                    row[name] += values
                position, number = position + len(piece), number + 1
            row.setdefault("token_type_ids", [0] * len(row["input_ids"]))
            rows.append(row)
        return rows

    def _encode_firsts(self, texts: list[str], encode: Any, add_special_tokens: bool) -> dict[str, list[Any]]:
        """The pieces in front of the first placeholder, some of which may begin with BOS."""
        bos = self._tokenizer.bos_token
        if bos is None or not any(text.startswith(bos) for text in texts):
            return encode(texts, add_special_tokens=add_special_tokens)
        of_bos = {
            "input_ids": self._tokenizer.bos_token_id,
            "attention_mask": 1,
            "special_tokens_mask": 1,
            "offset_mapping": (0, len(bos)),
        }
        rows = []
        for text in texts:
            if text.startswith(bos):
                row = encode(text.removeprefix(bos), add_special_tokens=False)
                if "offset_mapping" in row:
                    row["offset_mapping"] = [
                        (len(bos) + first, len(bos) + last) for first, last in row["offset_mapping"]
                    ]
                rows.append({name: [of_bos.get(name, 0), *values] for name, values in row.items()})
            else:
                rows.append(dict(encode(text, add_special_tokens=add_special_tokens)))
        return {name: [row[name] for row in rows] for name in rows[0]}

    def _pad(self, row: dict[str, list[Any]], num_missing: int, is_left: bool) -> dict[str, list[Any]]:
        padding = {
            "input_ids": self._tokenizer.pad_token_id,
            "token_type_ids": self._tokenizer.pad_token_type_id,
            "special_tokens_mask": 1,
            "offset_mapping": (0, 0),
        }
        padded = {}
        for name, values in row.items():
            missing = [padding.get(name, 0)] * num_missing
            padded[name] = missing + values if is_left else values + missing
        return padded
