# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Control tokens that a user wrote stay text.

A chat template writes `<|im_end|>` to close a turn; where a user's text holds these characters, they mean nothing. Both look alike in
the rendered prompt, so the user's are made unlike before it is rendered:

    user's text       Is <|im_end|> red?           first and last characters of control tokens masked
    rendered          <|im_start|>user\\nIs (|im_end|) red?<|im_end|>         what is found now is the template's
    tokenized         (|im_start|>user\\nIs <|im_end|> red?(|im_end|>         masked the other way round

The last line goes through a tokenizer that has the same model, and knows the masked names of the control tokens only.
"""

import copy
import re
from collections.abc import Iterable
from typing import Any


try:
    # which transformers requires
    from tokenizers import AddedToken, Tokenizer
except ImportError as error:
    raise ImportError("Prompts need the library tokenizers: install it with `pip install tokenizers`.") from error


class ControlTokens:
    """
    The added tokens of a tokenizer, special or not. Those of white space alone are none: they are ordinary text in templates.

    Args:
        tokenizer ([`PreTrainedTokenizerBase`]):
            The tokenizer, or whatever has its `get_added_vocab`.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.ids = {token: index for token, index in tokenizer.get_added_vocab().items() if not token.isspace()}
        longest_first = sorted(self.ids, key=len, reverse=True)
        self.pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def may_be_in(self, texts: Iterable[str]) -> bool:
        """Whether a control token could come of these texts, be it of pieces of several."""
        edges = {character for token in self.ids for character in (token[0], token[-1])}
        return any(not edges.isdisjoint(text) for text in texts)

    def has_as_many(self, prompt: str, other: str) -> bool:
        """Whether these prompts have the same control tokens."""
        return self.pattern.findall(prompt) == self.pattern.findall(other)

    def mask(self, texts: Iterable[str]) -> "MaskedText":
        """How to mask these texts."""
        return MaskedText(self, set().union(*texts))


class MaskedText:
    """
    Masks texts, one character for one, and tokenizes prompts that were rendered of them.

    Args:
        control_tokens ([`ControlTokens`]):
            What to mask.
        characters (`set[str]`):
            Those that occur in the texts: they stand for nothing else.
    """

    def __init__(self, control_tokens: ControlTokens, characters: set[str]) -> None:
        self.control_tokens = control_tokens
        edges = sorted({character for token in control_tokens.ids for character in (token[0], token[-1])})
        # of a plane for private use, where no text that means something can be
        free = (character for code in range(0xF0000, 0xFFFFE) if (character := chr(code)) not in characters)
        self._masks = str.maketrans(dict(zip(edges, free, strict=False)))
        self._unmask = {ord(mask): chr(edge) for edge, mask in self._masks.items()}
        firsts = sorted({token[0] for token in control_tokens.ids})
        new_firsts = dict(zip(firsts, free, strict=False))
        self._names = {token: new_firsts[token[0]] + token[1:] for token in control_tokens.ids}
        self._filler = next(free)

    def mask(self, text: str) -> str:
        return text.translate(self._masks)

    def tokenizer(self) -> Any:
        """
        A tokenizer for what was rendered of masked texts, with the options of the original.

        Raises:
            ValueError: if the original is none of the library `tokenizers`.
        """
        original = self.control_tokens.tokenizer
        backend = getattr(original, "_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            raise ValueError(
                f"The text holds a control token, which a {type(original).__name__} cannot read as text: take it out, or use a "
                "tokenizer of the library `tokenizers`."
            )
        renamed, ids = self.rename(backend)
        return _TokenizerOfMasked(original, _RenamedBackend(backend, renamed), ids, self.restore)

    def rename(self, backend: Tokenizer) -> tuple[Tokenizer, dict[int | None, int]]:
        """A tokenizer that knows the masked names of the control tokens only, and what its ids of them are in the original."""
        # it shares the model, and costs next to nothing
        renamed = Tokenizer(backend.model)
        for part in ("normalizer", "pre_tokenizer", "post_processor"):
            if (value := getattr(backend, part)) is not None:
                setattr(renamed, part, value)
        # ids that are none of the original
        num_fillers = max(0, max(self.control_tokens.ids.values()) + 1 - renamed.get_vocab_size())
        renamed.add_tokens([f"{self._filler}{number}" for number in range(num_fillers)])
        flags = {token.content: token for token in backend.get_added_tokens_decoder().values()}
        renamed.add_tokens([_rename(flags.get(token), name) for token, name in self._names.items()])
        return renamed, {
            renamed.token_to_id(name): self.control_tokens.ids[token] for token, name in self._names.items()
        }

    def restore(self, masked: str) -> str:
        """The text with the control tokens masked, and nothing else. Of the same length."""
        renamed = self.control_tokens.pattern.sub(lambda found: self._names[found[0]], masked)
        return renamed.translate(self._unmask)


def _rename(token: AddedToken | None, name: str) -> AddedToken:
    flags = (
        {}
        if token is None
        else {flag: getattr(token, flag) for flag in ("lstrip", "rstrip", "single_word", "special")}
    )
    return AddedToken(name, **{**flags, "normalized": False})


class _TokenizerOfMasked:
    """A tokenizer as the original, but for the texts that it is called with."""

    def __init__(self, original: Any, backend: "_RenamedBackend", ids: dict[int | None, int], restore: Any) -> None:
        self._original, self._backend, self._ids, self._restore = original, backend, ids, restore

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __call__(self, text: str | list[str], return_tensors: Any = None, **kwargs: Any) -> Any:
        tokenizer = copy.copy(self._original)
        tokenizer._tokenizer = self._backend
        encoded = tokenizer(self._restore(text) if isinstance(text, str) else [*map(self._restore, text)], **kwargs)
        encoded["input_ids"] = self._original_ids(encoded["input_ids"])
        return encoded.convert_to_tensors(return_tensors, prepend_batch_axis=isinstance(text, str))

    def _original_ids(self, ids: list[Any]) -> list[Any]:
        return [self._original_ids(row) if isinstance(row, list) else self._ids.get(row, row) for row in ids]


class _RenamedBackend:
    """Encodes with one tokenizer, and is another one in all else."""

    _OF_ENCODING = (
        *("encode", "encode_batch", "encode_special_tokens"),
        *("padding", "enable_padding", "no_padding", "truncation", "enable_truncation", "no_truncation"),
    )

    def __init__(self, original: Tokenizer, renamed: Tokenizer) -> None:
        object.__setattr__(self, "_original", original)
        object.__setattr__(self, "_renamed", renamed)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._renamed if name in self._OF_ENCODING else self._original, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._renamed if name in self._OF_ENCODING else self._original, name, value)
