# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Text and images to model inputs: what the processors of all families do."""

import copy
import os
from collections.abc import Iterable
from typing import Any, ClassVar

from transformers import AutoConfig, PreTrainedConfig
from transformers.processing_utils import ProcessingKwargs, Unpack, VideosKwargs

from ..compat.option_defaults import WithOptionDefaults
from ..compat.placeholder_counts import WithPlaceholderCounts
from ..video.limits import UntrustedInput
from .center_resize import center_images
from .chat_messages import check_text
from .chat_prompts import ChatPrompts
from .image_inputs import read_images
from .labeled_inputs import LabeledInputs
from .option_types import NOT_FOR_IMAGES, VIDEO_OPTIONS, checked_options
from .processor_files import check_json_files
from .saved_with_code import SavedWithCode
from .sentencepiece_files import load_tokenizer
from .text_pieces import TokenizerOfPieces, add_placeholders


_HUB_OPTIONS = {"cache_dir", "force_download", "local_files_only", "revision", "subfolder", "token"}

_OF_TRL = (
    " TRL's collators pass no videos of prompts and completions: give its trainer `data_collator=RowCollator(processor)` of "
    "`transformers_mvgpt.training`."
)


class VisionLanguageProcessor(SavedWithCode, WithOptionDefaults, WithPlaceholderCounts, ChatPrompts):
    r"""
    Makes model inputs from text and images, and in a [`VideoLanguageProcessor`] from videos: one placeholder in the text becomes as many
    as the model makes visual tokens of it. Batches are padded on the left, if the tokenizer was not made with another `padding_side`.

    A family names its parts in `__init__`, where transformers looks for them.

    In a chat ([`ChatPrompts.apply_chat_template`]), what people say is text, whatever it looks like. `processor(text=...)` takes a prompt as it is:
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
    # what the chat template writes between a prompt and its answer, so that a model says it first
    answer_prefix: ClassVar[str] = ""
    _untrusted_input: UntrustedInput | None = None

    def __init__(
        self,
        *parts: Any,
        chat_template: str,
        num_tokens: dict[str, int],
        token_ids: dict[str, int | None] | None = None,
    ):
        super().__init__(*parts, chat_template=chat_template)
        # as Llama's and Phi's were trained, which have none
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.unk_token
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
        tokenizer = load_tokenizer(pretrained_model_name_or_path, **{"padding_side": "left", **kwargs})
        return cls.from_config(config, tokenizer)

    def __call__(self, images: Any = None, text: Any = None, **kwargs: Unpack[ProcessingKwargs]) -> Any:
        """
        As [`~ProcessorMixin.__call__`]. Control tokens in the text are control tokens.

        Raises:
            ValueError: on an unknown option, and if placeholders and visuals are not as many.
        """
        if kwargs.pop("videos", None) is not None:
            raise ValueError(
                f"A {type(self).__name__} takes images, no videos: pass frames of the video as images, or use a model for videos."
            )
        return self._call(images=images, text=text, **kwargs)

    def _call(self, **inputs: Any) -> Any:
        processor = self
        if self.splits_at_placeholders:
            processor = copy.copy(self)
            processor.tokenizer = self._of_prompts(self.tokenizer)
        features = super(VisionLanguageProcessor, processor).__call__(**inputs)
        ids = (getattr(self, f"{modality}_token_id") for modality in self.placeholders)
        return LabeledInputs(features, placeholder_ids=ids, skip_tensor_conversion=features.skip_tensor_conversion)

    def _of_prompts(self, tokenizer: Any) -> Any:
        """The tokenizer, as prompts with placeholders need it."""
        if not self.splits_at_placeholders:
            return tokenizer
        ids = {token: getattr(self, f"{modality}_token_id") for modality, token in self.placeholders.items()}
        return TokenizerOfPieces(tokenizer, ids)

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
        of_parts = {"images_kwargs": "image_processor", "videos_kwargs": "video_processor"}
        for name, options in self.valid_processor_kwargs.__annotations__.items():
            if hasattr(self, of_parts.get(name, "tokenizer")):
                known |= set(getattr(options, "__annotations__", ()))
        for name in of_parts.values():
            if (processor := getattr(self, name, None)) is not None:
                known |= set(processor.valid_kwargs.__annotations__)
        return known

    def _refuse_unknown(self, options: Iterable[str]) -> None:
        # transformers' own code passes options of videos to all processors
        known = self.known_options() | set(VideosKwargs.__annotations__)
        if unknown := sorted(set(options) - known):
            if "video" not in self.placeholders and (of_videos := VIDEO_OPTIONS & set(unknown)):
                raise ValueError(f"Unknown option {', '.join(map(repr, sorted(of_videos)))}: {NOT_FOR_IMAGES}.")
            raise ValueError(
                f"Unknown option {', '.join(map(repr, unknown))}; the options of {type(self).__name__} are "
                f"{', '.join(sorted(known))}."
            )

    def validate_inputs(self, images=None, text=None, videos=None, audio=None, **kwargs):
        self._refuse_unknown(kwargs)
        if _is_empty(images) or _is_empty(videos):
            raise ValueError(
                "No video or image was given: the list of them is empty. Leave it out if the prompt has none."
            )
        prompts = [prompt for prompt in ([text] if isinstance(text, str) else text or ()) if isinstance(prompt, str)]
        for prompt in prompts:
            check_text("The text", prompt)
        for modality, given in {"image": images, "video": videos}.items():
            token = self.placeholders.get(modality)
            if given is None and token is not None and (count := sum(prompt.count(token) for prompt in prompts)):
                raise ValueError(
                    f"Found {count} {token} tokens in the text but no {modality}s were passed: pass them as `{modality}s`, or leave the "
                    f"tokens out.{_OF_TRL if modality == 'video' else ''}"
                )
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

    def decode_answers(self, new_ids: Any, **options: Any) -> list[str]:
        """As `batch_decode`, of answers to chats: without what the chat template has written in front of an answer."""
        return [text.removeprefix(self.answer_prefix) for text in self.batch_decode(new_ids, **options)]

    def replace_image_token(self, image_inputs: dict, image_idx: int, **kwargs) -> str:
        return self.image_token * self.num_image_tokens


def _is_empty(visuals: Any) -> bool:
    """Whether this is a list without visuals, such as one of an empty list for each prompt."""
    return isinstance(visuals, (list, tuple)) and all(map(_is_empty, visuals))


__all__ = ["VisionLanguageProcessor"]
