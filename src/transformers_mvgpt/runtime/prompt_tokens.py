# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Chats to token ids and token ids to answers, as the families' processors make them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..processing.chat_messages import map_messages, normalize_chat, texts_of
from ..processing.control_tokens import ControlTokens
from ..processing.processor_files import check_json_size
from ..video.limits import shorten
from .onnx_folder import ExportedFolder
from .prompt_text import render_prompt, template_variables


try:
    from tokenizers import Tokenizer
except ImportError as error:
    raise ImportError("Prompts need the library tokenizers: install it with `pip install tokenizers`.") from error


_SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
# What a decoder writes for bytes that are no character, or not yet.
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_BYTE_TOKEN = re.compile("<0x[0-9A-Fa-f]{2}>")


class PromptTokens:
    """
    The tokenizer of an exported model, with its chat template.

    Args:
        folder ([`ExportedFolder`]): the model's folder.

    Attributes:
        placeholder_ids (`dict[str, int]`): the model's ids of the placeholders, by modality.

    Raises:
        ValueError: if the tokenizer is damaged, or lacks a placeholder.
    """

    def __init__(self, folder: ExportedFolder) -> None:
        self._family, self._num_tokens = folder.family, folder.num_tokens
        self._chat_template = folder.chat_template
        path = folder.file("tokenizer.json")
        check_json_size(path)
        try:
            self._backend = Tokenizer.from_file(str(path))
        except Exception as error:  # the library's own kinds have no common base
            raise ValueError(
                f"{shorten(str(path))} is damaged: it is no tokenizer ({shorten(str(error))}). Copy it again."
            ) from error
        self._backend.no_padding()
        self._backend.no_truncation()
        self._special_tokens = {
            name: token for name in _SPECIAL_TOKENS if (token := _token_in(folder.tokenizer_config.get(name)))
        }
        self._control_tokens = ControlTokens(self)
        self.placeholder_ids = {}
        for modality, token in self._family.placeholders.items():
            known = self._backend.token_to_id(token)
            if known is None:
                raise ValueError(f"{shorten(str(path))} does not know {token}: export the model again.")
            id = folder.token_ids.get(modality, known)
            # of the others, texts are tokenized around placeholders, whose ids may lie outside of the vocabulary
            if id != known and not self._family.splits_at_placeholders:
                raise ValueError(
                    f"{shorten(str(folder.path / 'processor_config.json'))} has `{modality}_token_id` {id}, and the tokenizer has {known} for "
                    f"{token}: export the model again."
                )
            self.placeholder_ids[modality] = id

    def get_added_vocab(self) -> dict[str, int]:
        """The added tokens and their ids."""
        return {token.content: index for index, token in sorted(self._backend.get_added_tokens_decoder().items())}

    def vocabulary(self) -> dict[str, int]:
        """All tokens and their ids."""
        return self._backend.get_vocab(with_added_tokens=True)

    def check_variables(self, variables: Mapping[str, Any]) -> None:
        """
        Raises:
            ValueError: on a variable that the chat template does not have.
        """
        if unknown := variables.keys() - template_variables(self._chat_template):
            raise ValueError(f"The chat template of this model has no variable {min(unknown)!r}: leave it out.")

    def encode_chat(
        self, chat: list[dict[str, Any]], visual_sizes: Mapping[str, Sequence[int]], variables: Mapping[str, Any]
    ) -> list[int]:
        """
        The ids of a chat that an answer is to follow, with its placeholders expanded. Control tokens in what it says are text.

        Args:
            chat (`list[dict]`): the chat, with a part for each visual.
            visual_sizes (`Mapping[str, Sequence[int]]`):
                How many tokens each visual has, in their order, by the modality of their placeholders.
            variables (`Mapping[str, Any]`): the template's own variables.

        Raises:
            ValueError: if something in the chat would be ignored or misread, or there is no question.
        """
        kinds = ("image", "video") if "video" in self._family.placeholders else ("image",)
        chat = normalize_chat(chat, self._chat_template, kinds, (), needs_question=True)
        values = {**self._special_tokens, **variables}
        prompt, encode = render_prompt(self._chat_template, chat, values), self._encode
        said = list(texts_of(chat))
        if self._control_tokens.may_be_in(said):
            masked_text = self._control_tokens.mask(said)
            masked = render_prompt(self._chat_template, map_messages(chat, masked_text.mask), values)
            # what the template alone has written is found in both
            if not self._control_tokens.has_as_many(prompt, masked):
                renamed, ids = masked_text.rename(self._backend)
                prompt = masked

                def encode(text: str, add_special_tokens: bool) -> list[int]:
                    encoding = renamed.encode(masked_text.restore(text), add_special_tokens=add_special_tokens)
                    return [ids.get(index, index) for index in encoding.ids]

        for modality, token in self._family.placeholders.items():
            prompt = _expand(prompt, token, modality, visual_sizes.get(modality, ()))
        bos = self._special_tokens.get("bos_token")
        add_special_tokens = bos is None or not prompt.startswith(bos)
        if self._family.splits_at_placeholders:
            return self._encode_pieces(prompt, add_special_tokens, encode)
        return encode(prompt, add_special_tokens)

    def decode_answer(self, ids: Sequence[int]) -> str:
        """The text of an answer, without special tokens and what the chat template has written in front of it."""
        return self._backend.decode(list(ids), skip_special_tokens=True).removeprefix(self._family.answer_prefix)

    def is_open(self, index: int) -> bool:
        """
        Whether the text may still change that the tokens up to this one make: it is a byte of a character, as SentencePiece writes those
        that it does not know, or nothing is written for it.
        """
        if _BYTE_TOKEN.fullmatch(self._backend.id_to_token(index) or ""):
            return True
        return not self._backend.decode([index], skip_special_tokens=True)

    def _encode(self, text: str, add_special_tokens: bool) -> list[int]:
        return self._backend.encode(text, add_special_tokens=add_special_tokens).ids

    def _encode_pieces(
        self, prompt: str, add_special_tokens: bool, encode: Callable[[str, bool], list[int]]
    ) -> list[int]:
        """Pieces of text around placeholders, tokenized apart, see `text_pieces.py`."""
        placeholders = {token: self.placeholder_ids[name] for name, token in self._family.placeholders.items()}
        first, *others = re.split(f"({'|'.join(map(re.escape, placeholders))})", prompt)
        bos = self._special_tokens.get("bos_token")
        bos_id = None if bos is None else self._backend.token_to_id(bos)
        if bos is not None and bos_id is not None and first.startswith(bos):
            # the text behind it begins as a text of its own
            ids = [bos_id, *encode(first.removeprefix(bos), False)]
        else:
            ids = list(encode(first, add_special_tokens))
        for placeholder, piece in zip(others[::2], others[1::2], strict=True):
            ids.append(placeholders[placeholder])
            if piece:
                ids += encode(piece, False)
        return ids


class AnswerStream:
    """
    The text of an answer, in pieces, as its tokens come. No piece has half a character, and all of them together are what
    [`PromptTokens.decode_answer`] makes of all tokens.
    """

    def __init__(self, tokens: PromptTokens) -> None:
        self._tokens = tokens
        self._ids: list[int] = []
        self._shown = ""

    def put(self, index: int) -> str:
        """The text that is certain now, and was not before this token."""
        self._ids.append(index)
        if self._tokens.is_open(index):
            return ""
        return self._show(self._tokens.decode_answer(self._ids).rstrip(_REPLACEMENT))

    def finish(self) -> str:
        """The rest of it."""
        return self._show(self._tokens.decode_answer(self._ids))

    def _show(self, text: str) -> str:
        if not text.startswith(self._shown):
            return ""
        piece, self._shown = text[len(self._shown) :], text
        return piece


def _expand(prompt: str, token: str, modality: str, sizes: Sequence[int]) -> str:
    """Each placeholder as often as its visual has tokens."""
    count = prompt.count(token)
    if count != len(sizes):
        raise ValueError(
            f"The chat template writes {count} {token} for {len(sizes)} {modality}s: use another one (`chat_template.jinja`)."
        )
    left: Iterator[int] = iter(sizes)
    return re.sub(re.escape(token), lambda found: found[0] * next(left), prompt)


def _token_in(value: Any) -> str | None:
    """A special token, which a tokenizer's configuration may have with its properties."""
    content = value.get("content") if isinstance(value, dict) else value
    return content if isinstance(content, str) else None
