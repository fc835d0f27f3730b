# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Many questions about one video. All prompts begin alike, and nearly all of a prompt is its beginning:

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
from ..modeling.outputs import VideoFeatures
from ..processing.vision_language_processor import VisionLanguageProcessor
from .messages import place_video


_MAX_NEW_TOKENS = 1024  # as in the pipeline

_NOT_TAKEN = {
    *("inputs", "input_ids", "inputs_embeds", "attention_mask", "position_ids"),
    "mm_encoder_outputs",
    *("cache", "past_key_values", "use_cache", "cache_implementation"),
    *("num_return_sequences", "return_dict_in_generate"),
}


class VideoChat:
    r"""
    Answers questions about one video. It is decoded and encoded once, and what the language model makes of it is kept:
    for a question, only its own tokens go through it.

    An answer depends on nothing but the arguments of [`ask`]: it is the one that `model.generate` gives to the same chat
    with the video in front of its first question.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]):
            The model.
        processor ([`VisionLanguageProcessor`]):
            Its processor.
        video:
            A video in any form that the processor takes, or one that `model.get_video_features` has encoded.
        processor_kwargs:
            Options of the processor, such as `start_seconds` and `end_seconds`.

    Attributes:
        video ([`VideoFeatures`]): The encoded video.

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
        self, model: PreTrainedModel, processor: VisionLanguageProcessor, video: Any, **processor_kwargs: Any
    ) -> None:
        self.model = model
        self.processor = processor
        if isinstance(video, BaseModelOutputWithPooling):
            if processor_kwargs:
                raise ValueError(
                    f"{', '.join(map(repr, sorted(processor_kwargs)))} cannot be applied to a video that is encoded "
                    "already: give the options to the processor when it is encoded, or pass the video itself."
                )
            self.video = video
        else:
            self.video = self._encode(video, processor_kwargs)
        self._check_visual_tokens()
        self._prefix: tuple[torch.device, list[int]] | None = None  # what the cache holds, and where
        self._prefix_cache = DynamicCache()

    @torch.no_grad()
    def ask(self, question: str | list[dict[str, Any]], **generate_kwargs: Any) -> str:
        r"""
        Answers a question. Each call stands for itself: questions and answers of earlier calls are not part of it.
        To go on from them, pass them as a chat.

        Args:
            question (`str` or `list[dict]`):
                The question, or a chat of text messages that ends with it. The video is put in front of the chat's first
                question.
            generate_kwargs:
                Arguments of `model.generate`, such as `max_new_tokens`, `do_sample` or `streamer`. If neither they nor the
                model's generation config limit the length, up to 1024 tokens are generated. With prompt lookup or an
                assistant model, each question has a prefill of the whole prompt; the video is still encoded once.

        Returns:
            `str`: The answer, without special tokens.

        Raises:
            ValueError: if the question is empty or brings a visual, or an argument is one that `ask` sets itself.
        """
        pixels = {name for names in self.model.pixel_inputs.values() for name in names}
        if refused := sorted((_NOT_TAKEN | pixels) & generate_kwargs.keys()):
            raise ValueError(
                f"`ask` does not take {', '.join(map(repr, refused))}: it makes the prompt and the cache itself and "
                "returns one answer. Use `model.generate` with `mm_encoder_outputs={'video': chat.video}` instead."
            )
        input_ids = self._tokenize(question)
        config, inputs = self._resolve_options(generate_kwargs)
        if config.get_generation_mode(inputs.get("assistant_model")) == GenerationMode.ASSISTED_GENERATION:
            # in this mode, transformers reads the whole prompt, whatever is in the cache
            inputs["mm_encoder_outputs"] = {"video": self.video}
        else:
            cache = self._prefill_prefix(input_ids)
            cache.batch_repeat_interleave(config.num_beams or 1)
            inputs[CACHE_NAME] = cache
        sequences = self.model.generate(
            input_ids=input_ids, attention_mask=torch.ones_like(input_ids), generation_config=config, **inputs
        )
        return self.processor.decode(sequences[0, input_ids.shape[1] :], skip_special_tokens=True)

    @torch.no_grad()
    def _encode(self, video: Any, processor_kwargs: dict[str, Any]) -> VideoFeatures:
        inputs = self.processor(
            text=self.processor.video_token, videos=[video], **{**processor_kwargs, "return_tensors": "pt"}
        )
        streams = {name: inputs[name] for name in self.processor.video_processor.model_input_names}
        streams = {name: pixels.to(self.model.device, self.model.dtype) for name, pixels in streams.items()}
        return self.model.get_video_features(**streams, return_dict=True)

    def _check_visual_tokens(self) -> None:
        visual_tokens = self.video.pooler_output
        shape = None if visual_tokens is None else tuple(visual_tokens.shape)
        expected = (1, self.processor.num_video_tokens, self.model.config.text_config.hidden_size)
        if shape != expected:
            raise ValueError(
                f"The encoded video has visual tokens (`pooler_output`) of shape {shape}, but one video of this model and "
                f"processor has {expected}: encode one video, with this model's `get_video_features`."
            )

    def _tokenize(self, question: str | list[dict[str, Any]]) -> torch.Tensor:
        """The ids (1, L) of the prompt, as the processor makes them."""
        ids = self.processor.encode_chat(place_video(question))
        return torch.tensor([ids], device=self.model.device)

    def _prefill_prefix(self, input_ids: torch.Tensor) -> DynamicCache:
        """A copy of the keys and values of the prompt up to the video's last visual token, which `generate` may write to."""
        is_visual = input_ids[0] == self.processor.video_token_id
        prefix_ids = input_ids[:, : int(is_visual.nonzero()[-1]) + 1]
        prefix = (prefix_ids.device, prefix_ids[0].tolist())
        if prefix != self._prefix:  # the first question, or another system prompt
            cache = DynamicCache(config=self.model.config.text_config)
            self.model(
                input_ids=prefix_ids,
                mm_encoder_outputs={"video": self.video},
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
            config.max_new_tokens = _MAX_NEW_TOKENS
        return config, others
