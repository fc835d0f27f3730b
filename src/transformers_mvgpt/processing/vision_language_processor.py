# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Text, images and videos to model inputs: what the processors of all families do."""

import copy
import os
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import torch
from torch.nn import functional as F
from transformers import AutoConfig, AutoTokenizer, PreTrainedConfig
from transformers.processing_utils import MultiModalData, ProcessorMixin
from transformers.video_utils import make_batched_metadata

from ..video.limits import UntrustedInput
from .center_resize import center_images
from .chat_messages import PART_OPTIONS, check_text, map_texts, normalize_chat, split_batch, texts_of
from .control_tokens import ControlTokens
from .image_inputs import read_images
from .option_types import checked_options
from .pipeline_video_text import VideoTextToTextPipeline  # noqa: F401  what is imported here is saved with the processor
from .processor_files import check_json_files
from .saved_with_code import SavedWithCode
from .text_pieces import TokenizerOfPieces, add_placeholders
from .video_inputs import VideoWithOptions, flatten_videos


_HUB_OPTIONS = {"cache_dir", "force_download", "local_files_only", "revision", "subfolder", "token"}


class VisionLanguageProcessor(SavedWithCode, ProcessorMixin):
    r"""
    Makes model inputs from text, images and videos: one placeholder in the text becomes as many as the model makes visual
    tokens of it. Batches are padded on the left, if the tokenizer was not made with another `padding_side`.

    A family names its parts in `__init__`, where transformers looks for them.

    In a chat ([`apply_chat_template`]), what people say is text, whatever it looks like. `processor(text=...)` takes a prompt as it is:
    control tokens in it are control tokens, and questions of others do not belong there.

    Args:
        parts:
            Image processor, video processor and tokenizer, those that the family has.
        chat_template (`str`):
            Jinja template of a conversation.
        num_tokens (`dict[str, int]`):
            Visual tokens that the model makes of an `"image"` or a `"video"`.
        token_ids (`dict[str, int | None]`, *optional*):
            The model's ids of the placeholders, by modality, where they are not the tokenizer's.

    Raises:
        ValueError: if the tokenizer does not know the placeholders.
    """

    text_kwargs = {"padding_side": "left"}
    # what stands for a visual in the text, by modality
    placeholders: ClassVar[dict[str, str]] = {}
    # which tokenizer has them, for messages
    tokenizer_hint: ClassVar[str] = ""
    # whether the text around a placeholder is tokenized in pieces; placeholders that the tokenizer lacks are added to it then
    splits_at_placeholders: ClassVar[bool] = False
    _untrusted_input: UntrustedInput | None = None

    def __init__(
        self,
        *parts: Any,
        chat_template: str,
        num_tokens: dict[str, int],
        token_ids: dict[str, int | None] | None = None,
    ):
        super().__init__(*parts, chat_template=chat_template)
        if self.splits_at_placeholders:
            add_placeholders(self.tokenizer, list(self.placeholders.values()))
        vocabulary = self.tokenizer.get_vocab()
        for modality, token in self.placeholders.items():
            if token not in vocabulary:
                raise ValueError(
                    f"The tokenizer does not know {token}: {self.tokenizer_hint}, or add the token and set its id in the "
                    "model's config."
                )
            # under the names that transformers reads and saves
            setattr(self, f"{modality}_token", token)
            known_id = (token_ids or {}).get(modality)
            setattr(self, f"{modality}_token_id", vocabulary[token] if known_id is None else known_id)
            setattr(self, f"num_{modality}_tokens", num_tokens[modality])

    @classmethod
    def from_config(cls, config: PreTrainedConfig, tokenizer: Any) -> "VisionLanguageProcessor":
        """The processor of a model with this config, for checkpoints that have none."""
        raise NotImplementedError

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, **kwargs) -> "VisionLanguageProcessor":
        """
        As [`~ProcessorMixin.from_pretrained`]. A published repository, which has a tokenizer but no processor files,
        gives the processor that fits its config.

        Raises:
            ValueError: if a JSON file of a local folder is damaged.
        """
        if os.path.isdir(pretrained_model_name_or_path):
            check_json_files(pretrained_model_name_or_path)
        processor_dict, _ = cls.get_processor_dict(pretrained_model_name_or_path, **kwargs)
        if processor_dict.keys() - {"chat_template"}:  # a template beside a tokenizer is for text alone
            processor = super().from_pretrained(pretrained_model_name_or_path, **kwargs)
            if "auto_map" in processor_dict:  # which the base class forgets
                processor.auto_map = processor_dict["auto_map"]
            return processor
        hub_options = {name: kwargs[name] for name in _HUB_OPTIONS & kwargs.keys()}
        config = AutoConfig.from_pretrained(pretrained_model_name_or_path, **hub_options)
        tokenizer = AutoTokenizer.from_pretrained(pretrained_model_name_or_path, **{"padding_side": "left", **kwargs})
        return cls.from_config(config, tokenizer)

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
                video; OpenAI's `image_url` and `video_url` parts are read too.
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
            normalize_chat(chat, template, self.placeholders, part_options, add_generation_prompt) for chat in chats
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
        visuals = {kind: [_visuals(chat, kind) for chat in chats] for kind in ("image", "video")}
        processor = self
        if tokenizer is not self.tokenizer:
            processor = copy.copy(self)
            processor.tokenizer = tokenizer
        inputs = processor(
            text=prompts if is_batched else prompts[0],
            images=options.pop("images", None) or (visuals["image"] if any(visuals["image"]) else None),
            videos=visuals["video"] if any(visuals["video"]) else None,
            **options,
        )
        if not return_dict:
            return inputs["input_ids"]
        if return_assistant_tokens_mask:
            inputs = self._adjust_assistant_masks_indices(inputs, spans)
            inputs.convert_to_tensors(None if return_tensors == "auto" else return_tensors)
        return inputs

    def encode_chat(self, chat: list[dict[str, Any]], add_generation_prompt: bool = True) -> list[int]:
        """
        The ids of a chat with its placeholders expanded, as [`apply_chat_template`] makes them, for visuals that are encoded already.

        Raises:
            ValueError: as [`apply_chat_template`].
        """
        template = self._resolve_chat_template(None)
        chats = [normalize_chat(chat, template, self.placeholders, (), add_generation_prompt)]
        [prompt], _, tokenizer = self._render(
            template, chats, add_generation_prompt=add_generation_prompt, **self.tokenizer.special_tokens_map
        )
        for modality, token in self.placeholders.items():
            prompt = prompt.replace(token, token * getattr(self, f"num_{modality}_tokens"))
        bos = self.tokenizer.bos_token
        return self._of_prompts(tokenizer)(prompt, add_special_tokens=bos is None or not prompt.startswith(bos))[
            "input_ids"
        ]

    def __call__(
        self, images: Any = None, text: Any = None, videos: Any = None, audio: Any = None, **kwargs: Any
    ) -> Any:
        """
        As [`~ProcessorMixin.__call__`]. Control tokens in the text are control tokens.

        Raises:
            ValueError: on an unknown option, and if placeholders and visuals are not as many.
        """
        processor = self
        if self.splits_at_placeholders:
            processor = copy.copy(self)
            processor.tokenizer = self._of_prompts(self.tokenizer)
        return super(VisionLanguageProcessor, processor).__call__(
            images=images, text=text, videos=videos, audio=audio, **kwargs
        )

    def _of_prompts(self, tokenizer: Any) -> Any:
        """The tokenizer, as prompts with placeholders need it."""
        if not self.splits_at_placeholders:
            return tokenizer
        ids = {token: getattr(self, f"{modality}_token_id") for modality, token in self.placeholders.items()}
        return TokenizerOfPieces(tokenizer, ids)

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
        masked_chats = [
            [
                {key: value if key == "role" else map_texts(value, masked_text.mask) for key, value in message.items()}
                for message in chat
            ]
            for chat in chats
        ]
        masked = _render_all(template, masked_chats, options)
        # what the template alone has written is found in both
        if all(map(control_tokens.has_as_many, rendered[0], masked[0])):
            return (*rendered, self.tokenizer)
        return (*masked, masked_text.tokenizer())

    @property
    def untrusted_input(self) -> UntrustedInput | None:
        """The limits on files and addresses where a call has none. Never saved."""
        return getattr(getattr(self, "video_processor", None), "untrusted_input", self._untrusted_input)

    @untrusted_input.setter
    def untrusted_input(self, limits: UntrustedInput | None) -> None:
        self._untrusted_input = limits
        if getattr(self, "video_processor", None) is not None:
            self.video_processor.untrusted_input = limits

    def prepare_inputs_layout(self, images=None, text=None, videos=None, audio=None, **kwargs):
        if images is not None and hasattr(self, "image_processor"):
            # before the base class fetches them without limits
            images = read_images(images, kwargs.get("untrusted_input") or self.untrusted_input)
        return super().prepare_inputs_layout(images=images, text=text, videos=videos, audio=audio, **kwargs)

    def known_options(self) -> set[str]:
        """Names of all options that a call takes."""
        known = set(self.valid_processor_kwargs.__annotations__) | {"common_kwargs"}
        for options in self.valid_processor_kwargs.__annotations__.values():
            known |= set(getattr(options, "__annotations__", ()))
        for name in ("image_processor", "video_processor"):
            if (processor := getattr(self, name, None)) is not None:
                known |= set(processor.valid_kwargs.__annotations__)
        return known

    def _refuse_unknown(self, options: Iterable[str]) -> None:
        known = self.known_options()
        if unknown := sorted(set(options) - known):
            raise ValueError(
                f"Unknown option {', '.join(map(repr, unknown))}; the options of {type(self).__name__} are "
                f"{', '.join(sorted(known))}."
            )

    def validate_inputs(self, images=None, text=None, videos=None, audio=None, **kwargs):
        self._refuse_unknown(kwargs)
        if videos is not None:
            # the base class counts videos in fewer forms than there are: give it as many stand-ins
            videos = [np.zeros((1, 1, 1, 3), dtype=np.uint8)] * len(flatten_videos(videos))
        for prompt in [text] if isinstance(text, str) else text or ():
            if isinstance(prompt, str):
                check_text("The text", prompt)
        super().validate_inputs(images=images, text=text, videos=videos, audio=audio, **kwargs)

    def _process_images(self, images: Any, **kwargs) -> tuple[dict[str, Any], list[str]]:
        return super()._process_images(center_images(images, self.image_processor, kwargs), **kwargs)

    def _merge_kwargs(self, *args, **kwargs):
        kinds = [kind for kind in self.valid_processor_kwargs.__annotations__.values() if hasattr(kind, "__total__")]
        for name in ("image_processor", "video_processor"):
            if (processor := getattr(self, name, None)) is not None:
                kinds.append(processor.valid_kwargs)
        for kind in kinds:
            kwargs = {
                name: checked_options(kind, value) if isinstance(value, dict) else value
                for name, value in checked_options(kind, kwargs).items()
            }
        return super()._merge_kwargs(*args, **kwargs)

    def _process_videos(self, videos: Any, **kwargs) -> tuple[dict[str, Any], list[str]]:
        flat = flatten_videos(videos)
        if any(isinstance(video, VideoWithOptions) for video in flat):
            features = self._process_each_video(flat, **kwargs)
        else:
            features = self.video_processor(videos, **kwargs)
        replacement = self.replace_video_token(features, 0)
        return features, [replacement] * len(features["pixel_values_videos"])

    def _process_each_video(
        self, videos: list[Any], video_metadata: Any = None, return_tensors: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Videos with options of their own. The shorter ones are followed by zero frames, as in every batch."""
        known = [None] * len(videos) if video_metadata is None else make_batched_metadata(videos, video_metadata)
        each = []
        for video, metadata in zip(videos, known, strict=True):
            options = dict(kwargs, return_tensors="pt", **({} if metadata is None else {"video_metadata": [metadata]}))
            if isinstance(video, VideoWithOptions):
                if options.get("do_sample_frames") is False:
                    raise ValueError(
                        f"{', '.join(map(repr, video.options))} of a video need `do_sample_frames=True`: leave one of them out."
                    )
                video, options = video.video, options | video.options
            # nested as in a chat, where a list of paths is one video
            each.append(self.video_processor([[video]], **options))
        features: dict[str, Any] = {
            "video_metadata": [entry for one in each for entry in one.get("video_metadata", ())]
        }
        for name in self.video_processor.model_input_names:
            pixels = [one[name] for one in each]  # (1, n, 3, H, W) each
            length = max(video.shape[1] for video in pixels)
            features[name] = torch.cat([F.pad(video, (0, 0) * 3 + (0, length - video.shape[1])) for video in pixels])
        return features

    def replace_image_token(self, image_inputs: dict, image_idx: int, **kwargs) -> str:
        return self.image_token * self.num_image_tokens

    def replace_video_token(self, video_inputs: dict, video_idx: int, **kwargs) -> str:
        return self.video_token * self.num_video_tokens

    def _get_num_multimodal_tokens(self, image_sizes=None, video_sizes=None, **kwargs) -> MultiModalData:
        """Visual tokens per visual, whatever their sizes."""
        data = {}
        if image_sizes is not None:
            data["num_image_tokens"] = [self.num_image_tokens] * len(image_sizes)
            data["num_image_patches"] = [1] * len(image_sizes)
        if video_sizes is not None:
            data["num_video_tokens"] = [self.num_video_tokens] * len(video_sizes)
        return MultiModalData(**data)


def _render_all(
    template: str, chats: list[list[dict[str, Any]]], options: dict[str, Any]
) -> tuple[list[str], list[list[tuple[int, int]]]]:
    from .chat_rendering import render_chat

    rendered = [render_chat(template, chat, **options) for chat in chats]
    return [prompt for prompt, _ in rendered], [spans for _, spans in rendered]


def _visuals(chat: list[dict[str, Any]], kind: str) -> list[Any]:
    """The images or videos that come with a chat, in its order."""
    contents = [message.get("content") for message in chat]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return [part[kind] for part in parts if part["type"] == kind and kind in part]


__all__ = ["VisionLanguageProcessor"]
