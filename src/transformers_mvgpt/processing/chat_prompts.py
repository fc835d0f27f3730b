# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Chats to prompts and token ids: what the processors of all families do."""

import copy
from collections.abc import Mapping
from typing import Any

from transformers.processing_utils import ProcessorMixin

from ..compat.chat_processors import ChatProcessorMethods
from .chat_messages import map_messages, map_texts, normalize_chat, split_batch, texts_of
from .chat_parts import PART_OPTIONS
from .control_tokens import ControlTokens


# Variables that a template is always given, or that transformers has arguments for.
_OF_ALL_TEMPLATES = frozenset(
    {"messages", "tools", "documents", "add_generation_prompt", "raise_exception", "strftime_now"}
)


class ChatPrompts(ProcessorMixin, ChatProcessorMethods):
    """What a [`VisionLanguageProcessor`] does with chats."""

    def apply_chat_template(
        self,
        conversation: Any,
        chat_template: str | None = None,
        tools: list[Any] | None = None,
        documents: list[dict[str, str]] | None = None,
        add_generation_prompt: bool = False,
        continue_final_message: bool | str = False,
        return_assistant_tokens_mask: bool = False,
        tokenize: bool = False,
        return_tensors: Any = "auto",
        return_dict: bool = False,
        processor_kwargs: dict[str, Any] | None = None,
        raw_prompt: bool = False,
        **kwargs: Any,
    ) -> Any:
        r"""
        As [`~ProcessorMixin.apply_chat_template`], but control tokens such as `<|im_end|>` or `<|video_pad|>` in what the messages
        say are tokenized as the characters that they are.

        Args:
            conversation:
                A chat, or a list of chats. A video part may bring `num_frames`, `fps`, `start_seconds` and `end_seconds` for this
                video; OpenAI's parts `image_url`, `video_url`, `input_image`, `input_video` and `input_text` are read too.
            raw_prompt (`bool`, defaults to `False`):
                Take control tokens in the messages as control tokens. Not for questions of people whom you do not trust.
            kwargs:
                The template's own variables; any other name is an option of the processor, as in `processor_kwargs`.

        Returns:
            The prompt; with `tokenize=True` the ids, and with `return_dict=True` all inputs of the model.

        Raises:
            ValueError: if something in the chat would be ignored or misread, there is no question, or, with `tokenize=False`, a
                message holds a control token, which nobody could tell from the template's.
        """
        # jinja2 is needed for chats only
        from .chat_rendering import template_variables

        template = self._resolve_chat_template(chat_template)
        variables = template_variables(template)
        options = {**(processor_kwargs or {}), **{name: kwargs.pop(name) for name in kwargs.keys() - variables}}
        # what transformers' own pipelines pass, and means nothing here
        for name in ("load_audio_from_video", "sanitize_control_tokens"):
            options.pop(name, None)
        self._refuse_unknown(options)
        if continue_final_message and (add_generation_prompt or return_assistant_tokens_mask):
            other = "add_generation_prompt" if add_generation_prompt else "return_assistant_tokens_mask"
            raise ValueError(f"`continue_final_message` and `{other}` exclude each other: pass one of them.")
        chats, is_batched = split_batch(conversation)
        video_processor = getattr(self, "video_processor", None)
        known = () if video_processor is None else video_processor.valid_kwargs.__annotations__
        part_options = [name for name in PART_OPTIONS if name in known]
        chats = [
            normalize_chat(chat, template, self._kinds_in_chats, part_options, add_generation_prompt) for chat in chats
        ]
        prompts, spans, tokenizer = self._render(
            template,
            chats,
            raw_prompt,
            tools=tools,
            documents=documents,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=continue_final_message,
            return_assistant_tokens_mask=return_assistant_tokens_mask,
            **{**self.tokenizer.special_tokens_map, **kwargs},
        )
        if not tokenize:
            if tokenizer is not self.tokenizer:
                found = next(filter(None, map(ControlTokens(self.tokenizer).pattern.search, texts_of(chats))), None)
                raise ValueError(
                    f"The chat holds {found[0] if found else 'pieces of a control token'}, which would be a control token in the "
                    "prompt: pass `tokenize=True`, which keeps it text, take it out, or pass `raw_prompt=True` if it is meant."
                )
            return prompts if is_batched else prompts[0]

        bos = self.tokenizer.bos_token
        if bos is not None and prompts[0].startswith(bos):
            options["add_special_tokens"] = False
        if options.get("fps") is not None or options.get("num_frames") is not None:
            options.setdefault("do_sample_frames", True)
        if return_tensors != "auto":
            options["return_tensors"] = return_tensors
        if return_assistant_tokens_mask:
            options |= {"return_offsets_mapping": True, "return_text_replacement_offsets": True}
        visuals = {name: given for name, given in self._visuals_of(chats).items() if any(given)}
        processor = self
        if tokenizer is not self.tokenizer:
            processor = copy.copy(self)
            processor.tokenizer = tokenizer
        inputs = processor(text=prompts if is_batched else prompts[0], **visuals, **options)
        if not return_dict:
            return inputs["input_ids"]
        if return_assistant_tokens_mask:
            inputs = self._adjust_assistant_masks_indices(inputs, spans)
            inputs.convert_to_tensors(None if return_tensors == "auto" else return_tensors)
        return inputs

    def encode_chat(
        self,
        chat: list[dict[str, Any]],
        add_generation_prompt: bool = True,
        num_tokens: Mapping[str, int] | None = None,
        **kwargs: Any,
    ) -> list[int]:
        """
        The ids of a chat with its placeholders expanded, as [`apply_chat_template`] makes them, for visuals that are encoded already.

        Args:
            chat (`list[dict]`):
                The chat.
            add_generation_prompt (`bool`, defaults to `True`):
                Whether an answer is to follow.
            num_tokens (`Mapping[str, int]`, *optional*):
                Visual tokens behind each placeholder, by modality, where they are not those of one visual.
            kwargs:
                The template's own variables.

        Raises:
            ValueError: as [`apply_chat_template`], and on a variable that the template does not have.
        """
        # jinja2 is needed for chats only
        from .chat_rendering import template_variables

        template = self._resolve_chat_template(None)
        if unknown := kwargs.keys() - template_variables(template):
            raise ValueError(f"The chat template of this model has no variable {min(unknown)!r}: leave it out.")
        chats = [normalize_chat(chat, template, self._kinds_in_chats, (), add_generation_prompt)]
        [prompt], _, tokenizer = self._render(
            template,
            chats,
            add_generation_prompt=add_generation_prompt,
            **{**self.tokenizer.special_tokens_map, **kwargs},
        )
        for modality, token in self.placeholders.items():
            count = (num_tokens or {}).get(modality, getattr(self, f"num_{modality}_tokens"))
            prompt = prompt.replace(token, token * count)
        bos = self.tokenizer.bos_token
        return self._of_prompts(tokenizer)(prompt, add_special_tokens=bos is None or not prompt.startswith(bos))[
            "input_ids"
        ]

    def chat_variables(self) -> frozenset[str]:
        """Names of the chat template's own variables, which [`apply_chat_template`] takes."""
        # jinja2 is needed for chats only
        from .chat_rendering import template_variables

        return (
            template_variables(self._resolve_chat_template(None))
            - _OF_ALL_TEMPLATES
            - self.tokenizer.special_tokens_map.keys()
        )

    @property
    def _kinds_in_chats(self) -> tuple[str, ...]:
        """Kinds of visuals that a chat may hold."""
        return tuple(self.placeholders)

    def _visuals_of(self, chats: list[list[dict[str, Any]]]) -> dict[str, list[list[Any]]]:
        """The visuals of each chat in its order, as the processor is called with them."""
        return {
            f"{kind}s": [[part[kind] for part in visual_parts(chat) if part["type"] == kind] for chat in chats]
            for kind in self.placeholders
        }

    def _render(
        self, template: str, chats: list[list[dict[str, Any]]], raw_prompt: bool = False, **options: Any
    ) -> tuple[list[str], list[list[tuple[int, int]]], Any]:
        """Prompts, spans of the assistant's words, and the tokenizer for them: another one where control tokens are text."""
        rendered = _render_all(template, chats, options)
        control_tokens = ControlTokens(self.tokenizer)
        said = list(texts_of([chats, options.get("tools"), options.get("documents")]))
        if raw_prompt or not control_tokens.may_be_in(said):
            return (*rendered, self.tokenizer)
        masked_text = control_tokens.mask(said)
        for name in ("tools", "documents"):
            options[name] = map_texts(options.get(name), masked_text.mask)
        masked = _render_all(template, [map_messages(chat, masked_text.mask) for chat in chats], options)
        # what the template alone has written is found in both
        if all(map(control_tokens.has_as_many, rendered[0], masked[0])):
            return (*rendered, self.tokenizer)
        return (*masked, masked_text.tokenizer())


def _render_all(
    template: str, chats: list[list[dict[str, Any]]], options: dict[str, Any]
) -> tuple[list[str], list[list[tuple[int, int]]]]:
    from .chat_rendering import render_chat

    rendered = [render_chat(template, chat, **options) for chat in chats]
    return [prompt for prompt, _ in rendered], [spans for _, spans in rendered]


def visual_parts(chat: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts of a chat that bring an image or a video, in its order."""
    contents = [message.get("content") for message in chat]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return [part for part in parts if part["type"] in ("image", "video") and part["type"] in part]


__all__ = ["ChatPrompts"]
