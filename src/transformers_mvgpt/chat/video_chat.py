# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Many questions about one visual. All prompts begin alike, and nearly all of a prompt is its beginning:

    system prompt | visual tokens | question | answer
    ------------------------------
    one prefill, kept as keys and values
"""

import copy
from typing import Any

import torch
from transformers import DynamicCache, GenerationConfig, PreTrainedModel
from transformers.generation import GenerationMode
from transformers.modeling_outputs import BaseModelOutputWithPooling

from ..compat.cache_name import CACHE_NAME
from ..processing.vision_language_processor import VisionLanguageProcessor
from ..processing.visual_questions import place_visuals
from .turn_cache import TurnCache
from .visual_encoding import encode_visual, is_image_for, read_visual


MAX_NEW_TOKENS = 1024  # as in the pipeline

_NOT_TAKEN = {
    *("inputs", "input_ids", "inputs_embeds", "attention_mask", "position_ids"),
    "mm_encoder_outputs",
    *("cache", "past_key_values", "use_cache", "cache_implementation"),
    *("num_return_sequences", "return_dict_in_generate"),
}


class VideoChat:
    r"""
    Answers questions about one video, or with a model that takes images alone, about one image or frames that belong
    together. It is decoded and encoded once, and what the language model makes of it is kept: for a question, only its own
    tokens go through it.

    An answer depends on nothing but the arguments of [`ask`]: it is the one that `model.generate` gives to the same chat
    with the video in front of its first question.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]):
            The model.
        processor ([`VisionLanguageProcessor`]):
            Its processor.
        video:
            A video in any form that the processor takes, or one that `model.get_video_features` has encoded. With a model
            that takes images alone, an image, a list of images that are shown behind each other, or what
            `model.get_image_features` has made of them.
        frame_selection (`str`, *optional*):
            How the frames that go on to the video encoder are chosen, as for `get_video_features`: `"scores"`, `"uniform"` or
            `"rarest"`. By default as the config says.
        processor_kwargs:
            Options of the processor, such as `start_seconds` and `end_seconds`.

    Attributes:
        video ([`VideoFeatures`] or [`~modeling_outputs.BaseModelOutputWithPooling`]): The encoded video or images.
        modality (`str`): Which of both it is, `"video"` or `"image"`.

    Raises:
        ValueError, OSError: if the video cannot be read, is not one video or was encoded by another model.

    Example:

    ```python
    >>> from transformers import AutoModelForImageTextToText, AutoProcessor
    >>> from transformers_mvgpt import VideoChat

    >>> model = AutoModelForImageTextToText.from_pretrained("Amshaker/Mobile-VideoGPT-0.5B")
    >>> processor = AutoProcessor.from_pretrained("Amshaker/Mobile-VideoGPT-0.5B")
    >>> chat = VideoChat(model, processor, "clip.mp4", start_seconds=2, end_seconds=7.5)
    >>> chat.ask("What is happening?")
    '...'
    >>> chat.ask("Who is in the video?", max_new_tokens=32, do_sample=True)
    '...'
    ```"""

    def __init__(
        self,
        model: PreTrainedModel,
        processor: VisionLanguageProcessor,
        video: Any,
        *,
        frame_selection: str | None = None,
        **processor_kwargs: Any,
    ) -> None:
        self.model = model
        self.processor = processor
        self.modality = "video" if "video" in processor.placeholders else "image"
        if isinstance(video, BaseModelOutputWithPooling):
            options = processor_kwargs | ({} if frame_selection is None else {"frame_selection": frame_selection})
            if options:
                raise ValueError(
                    f"{', '.join(map(repr, sorted(options)))} cannot be applied to a {self.modality} that is "
                    f"encoded already: give the options to the processor when it is encoded, or pass the {self.modality} itself."
                )
            self.video = video
        else:
            self.video = self._encode(video, frame_selection, processor_kwargs)
        self._check_visual_tokens()
        self._prefix: tuple[torch.device, list[int]] | None = None  # what the cache holds, and where
        self._prefix_cache = DynamicCache()

    @property
    def num_cached_bytes(self) -> int:
        """What the keys and values of the prefill take in memory, beside the encoded video; 0 before the first question."""
        layers = [layer for layer in self._prefix_cache.layers if layer.is_initialized]
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)

    def ask(self, question: str | list[dict[str, Any]], **generate_kwargs: Any) -> str:
        r"""
        Answers a question. Each call stands for itself: questions and answers of earlier calls are not part of it.
        To go on from them, pass them as a chat.

        Args:
            question (`str` or `list[dict]`):
                The question, or a chat of text messages that ends with it. The video is put in front of the chat's first
                question.
            generate_kwargs:
                Arguments of `model.generate`, such as `max_new_tokens`, `do_sample` or `streamer`, and variables of the chat template,
                such as `think`. If neither they nor the
                model's generation config limit the length, up to 1024 tokens are generated. With prompt lookup or an
                assistant model, each question has a prefill of the whole prompt; the video is still encoded once.

        Returns:
            `str`: The answer, without special tokens.

        Raises:
            ValueError: if the question is empty or brings a visual, or an argument is one that `ask` sets itself.
        """
        return self.answer_turn(question, None, **generate_kwargs)

    def num_prompt_tokens(self, question: str | list[dict[str, Any]], **template_variables: Any) -> int:
        """
        Tokens of the prompt of a question or chat, those of the visual among them.

        Raises:
            ValueError: as [`ask`].
        """
        return self._tokenize(question, template_variables).shape[1]

    @torch.no_grad()
    def answer_turn(
        self, question: str | list[dict[str, Any]], turns: TurnCache | None, **generate_kwargs: Any
    ) -> str:
        """
        As [`ask`]. What is kept in `turns` of the conversation that the chat goes on with has no prefill, and the answer is kept there too.
        """
        pixels = {name for names in self.model.pixel_inputs.values() for name in names}
        if refused := sorted((_NOT_TAKEN | pixels) & generate_kwargs.keys()):
            raise ValueError(
                f"`ask` does not take {', '.join(map(repr, refused))}: it makes the prompt and the cache itself and "
                f"returns one answer. Use `model.generate` with `mm_encoder_outputs={{{self.modality!r}: chat.video}}` instead."
            )
        variables = {
            name: generate_kwargs.pop(name) for name in self.processor.chat_variables() & generate_kwargs.keys()
        }
        input_ids = self._tokenize(question, variables)
        config, inputs = self._resolve_options(generate_kwargs)
        cache = None
        if config.get_generation_mode(inputs.get("assistant_model")) == GenerationMode.ASSISTED_GENERATION:
            # in this mode, transformers reads the whole prompt, whatever is in the cache
            inputs["mm_encoder_outputs"] = {self.modality: self.video}
        else:
            cache = self._prefilled_cache(input_ids, turns)
            cache.batch_repeat_interleave(config.num_beams or 1)
            inputs[CACHE_NAME] = cache
        sequences = self.model.generate(
            input_ids=input_ids, attention_mask=torch.ones_like(input_ids), generation_config=config, **inputs
        )
        if turns is not None and cache is not None:
            turns.keep(sequences, cache)
        [answer] = self.processor.decode_answers(sequences[:, input_ids.shape[1] :], skip_special_tokens=True)
        return answer

    def _encode(
        self, visual: Any, frame_selection: str | None, processor_kwargs: dict[str, Any]
    ) -> BaseModelOutputWithPooling:
        if frame_selection is not None:
            self.model.check_frame_selection(frame_selection)
        is_image = is_image_for(self.processor, visual)
        modality, features = read_visual(self.processor, visual, is_image, **processor_kwargs)
        return encode_visual(self.model, modality, features, frame_selection)

    def _check_visual_tokens(self) -> None:
        visual_tokens = self.video.pooler_output
        shape = None if visual_tokens is None else tuple(visual_tokens.shape)
        num_tokens = getattr(self.processor, f"num_{self.modality}_tokens")
        # images may belong together
        num_visuals = shape[0] if self.modality == "image" and shape else 1
        expected = (num_visuals, num_tokens, self.model.config.text_config.hidden_size)
        if shape != expected:
            raise ValueError(
                f"The encoded {self.modality} has visual tokens (`pooler_output`) of shape {shape}, but one {self.modality} of this "
                f"model and processor has {expected}: encode one {self.modality}, with this model's "
                f"`get_{self.modality}_features`."
            )

    def _tokenize(self, question: str | list[dict[str, Any]], variables: dict[str, Any]) -> torch.Tensor:
        """The ids (1, L) of the prompt, as the processor makes them."""
        num_visuals, num_tokens, _ = self.video.pooler_output.shape
        ids = self.processor.encode_chat(
            place_visuals(question, [self.modality], "VideoChat"),
            num_tokens={self.modality: num_visuals * num_tokens},
            **variables,
        )
        return torch.tensor([ids], device=self.model.device)

    def _prefilled_cache(self, input_ids: torch.Tensor, turns: TurnCache | None) -> DynamicCache:
        """The keys and values of the prompt up to the last visual token, or further; `generate` may write to them."""
        is_visual = input_ids[0] == getattr(self.processor, f"{self.modality}_token_id")
        prefix_length = int(is_visual.nonzero()[-1]) + 1
        kept = None if turns is None else turns.take(input_ids, prefix_length)
        return self._prefill_prefix(input_ids[:, :prefix_length]) if kept is None else kept

    def _prefill_prefix(self, prefix_ids: torch.Tensor) -> DynamicCache:
        """A copy of the keys and values of the prompt up to the last visual token."""
        prefix = (prefix_ids.device, prefix_ids[0].tolist())
        if prefix != self._prefix:  # the first question, or another system prompt
            cache = DynamicCache(config=self.model.config.text_config)
            self.model(
                input_ids=prefix_ids,
                mm_encoder_outputs={self.modality: self.video},
                use_cache=True,
                logits_to_keep=1,
                **{CACHE_NAME: cache},
            )
            self._prefix, self._prefix_cache = prefix, cache
        return copy.deepcopy(self._prefix_cache)

    def _resolve_options(self, generate_kwargs: dict[str, Any]) -> tuple[GenerationConfig, dict[str, Any]]:
        """All options as `generate` would resolve them, and the arguments that are none."""
        others = {"tokenizer": self.processor.tokenizer, **generate_kwargs}  # which stop strings need
        config = copy.deepcopy(others.pop("generation_config", None) or self.model.generation_config)
        others = config.update(**others)
        config.update(defaults_only=True, **self.model.generation_config.to_dict())
        config.use_cache = True
        config.num_return_sequences, config.return_dict_in_generate = 1, False
        if config.max_new_tokens is None and config.max_length is None:
            config.max_new_tokens = MAX_NEW_TOKENS
        return config, others
