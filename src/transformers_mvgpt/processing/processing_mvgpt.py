# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Text, images and videos to model inputs."""

from typing import Any

import numpy as np
from transformers import AutoConfig, AutoTokenizer, CLIPImageProcessor, PreTrainedConfig
from transformers.processing_utils import MultiModalData, ProcessingKwargs, ProcessorMixin

from .pipeline_video_text import VideoTextToTextPipeline  # noqa: F401  what is imported here is saved with the processor
from .saved_with_code import SavedWithCode
from .video_inputs import flatten_videos
from .video_processing_mvgpt import MobileVideoGPTVideoProcessor, MobileVideoGPTVideoProcessorKwargs


# ChatML with Qwen2's system prompt. A visual stands where it was put, followed by a newline; the published models were
# trained with the visual in front of the first question.
CHAT_TEMPLATE = """\
{%- if messages[0].role != 'system' -%}
    {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' -}}
{%- endif -%}
{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\\n' -}}
    {%- set ns = namespace(text='') -%}
    {%- if message.content is string -%}
        {%- set ns.text = message.content -%}
    {%- else -%}
        {%- for part in message.content or [] -%}
            {%- if part.type == 'image' -%}
                {%- set ns.text = ns.text + '<|image_pad|>\\n' -%}
            {%- elif part.type == 'video' -%}
                {%- set ns.text = ns.text + '<|video_pad|>\\n' -%}
            {%- elif part.type == 'text' -%}
                {%- set ns.text = ns.text + part.text -%}
            {%- else -%}
                {{- raise_exception("Unknown content type '" ~ part.type ~ "': use 'text', 'image' or 'video'.") -}}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if message.role == 'assistant' -%}
        {%- generation -%}
            {{- ns.text + '<|im_end|>' -}}
        {%- endgeneration -%}
    {%- else -%}
        {{- ns.text + '<|im_end|>' -}}
    {%- endif -%}
    {{- '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""

_HUB_OPTIONS = {"cache_dir", "force_download", "local_files_only", "revision", "subfolder", "token"}


class MobileVideoGPTProcessorKwargs(ProcessingKwargs, total=False):
    videos_kwargs: MobileVideoGPTVideoProcessorKwargs


class MobileVideoGPTProcessor(SavedWithCode, ProcessorMixin):
    r"""
    Makes the inputs of a Mobile-VideoGPT model from text, images and videos: one `<|image_pad|>` or `<|video_pad|>` in
    the text becomes as many as the model makes rows of it. Batches are padded on the left, if the tokenizer was not made
    with another `padding_side`.

    Args:
        image_processor ([`CLIPImageProcessor`]):
            For single images.
        video_processor ([`MobileVideoGPTVideoProcessor`]):
            For videos.
        tokenizer ([`Qwen2Tokenizer`]):
            Must know `<|image_pad|>` and `<|video_pad|>`.
        chat_template (`str`, *optional*):
            Jinja template of a conversation; ChatML with Qwen2's system prompt by default.
        num_image_tokens (`int`, defaults to 144):
            Rows that the model makes of an image.
        num_video_tokens (`int`, defaults to 2402):
            Rows that the model makes of a video.

    Raises:
        ValueError: if the tokenizer does not know the placeholders.

    Example:

    ```python
    >>> from transformers import AutoProcessor
    >>> import transformers_mvgpt

    >>> processor = AutoProcessor.from_pretrained("Amshaker/Mobile-VideoGPT-0.5B")
    >>> content = [{"type": "video", "path": "clip.mp4"}, {"type": "text", "text": "What is happening?"}]
    >>> inputs = processor.apply_chat_template(
    ...     [{"role": "user", "content": content}],
    ...     add_generation_prompt=True,
    ...     tokenize=True,
    ...     return_dict=True,
    ...     return_tensors="pt",
    ...     processor_kwargs={"start_seconds": 2, "end_seconds": 7.5},
    ... )
    >>> sorted(inputs)
    ['attention_mask', 'context_pixel_values_videos', 'input_ids', 'pixel_values_videos']
    ```"""

    valid_processor_kwargs = MobileVideoGPTProcessorKwargs
    text_kwargs = {"padding_side": "left"}

    def __init__(
        self,
        image_processor=None,
        video_processor=None,
        tokenizer=None,
        chat_template=None,
        num_image_tokens=144,
        num_video_tokens=2402,
    ):
        super().__init__(image_processor, video_processor, tokenizer, chat_template=chat_template or CHAT_TEMPLATE)
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        vocabulary = tokenizer.get_vocab()
        for token in (self.image_token, self.video_token):
            if token not in vocabulary:
                raise ValueError(
                    f"The tokenizer does not know {token}: use a Qwen2.5 tokenizer, or add the token and set its id in "
                    "the model's config."
                )
        self.image_token_id = vocabulary[self.image_token]
        self.video_token_id = vocabulary[self.video_token]
        self.num_image_tokens = num_image_tokens
        self.num_video_tokens = num_video_tokens

    @classmethod
    def from_config(cls, config: PreTrainedConfig, tokenizer: Any) -> "MobileVideoGPTProcessor":
        """The processor of a model with this config ([`MobileVideoGPTConfig`]), for checkpoints that have none."""
        size = config.vision_config.image_size
        if config.video_config.image_size != size:
            raise ValueError(
                f"`video_config.image_size` ({config.video_config.image_size}) and `vision_config.image_size` ({size}) "
                "must be equal: make the processor from its parts where they are not."
            )
        sizes = {"size": {"shortest_edge": size}, "crop_size": {"height": size, "width": size}}
        return cls(
            image_processor=CLIPImageProcessor(**sizes),
            video_processor=MobileVideoGPTVideoProcessor(num_frames=config.num_frames, **sizes),
            tokenizer=tokenizer,
            num_image_tokens=config.num_image_tokens,
            num_video_tokens=config.num_video_tokens,
        )

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, **kwargs) -> "MobileVideoGPTProcessor":
        """
        As [`~ProcessorMixin.from_pretrained`]. A published repository, which has a tokenizer but no processor files,
        gives the processor that fits its config.
        """
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

    def validate_inputs(self, images=None, text=None, videos=None, audio=None, **kwargs):
        known = set(self.valid_processor_kwargs.__annotations__) | {"common_kwargs"}
        for options in self.valid_processor_kwargs.__annotations__.values():
            known |= set(getattr(options, "__annotations__", ()))
        for processor in (self.image_processor, self.video_processor):
            known |= set(processor.valid_kwargs.__annotations__)
        if unknown := sorted(set(kwargs) - known):
            raise ValueError(
                f"Unknown option {', '.join(map(repr, unknown))}; the options of {type(self).__name__} are "
                f"{', '.join(sorted(known))}."
            )
        if videos is not None:
            # the base class counts videos in fewer forms than there are: give it as many stand-ins
            videos = [np.zeros((1, 1, 1, 3), dtype=np.uint8)] * len(flatten_videos(videos))
        super().validate_inputs(images=images, text=text, videos=videos, audio=audio, **kwargs)

    def _process_videos(self, videos: Any, **kwargs) -> tuple[dict[str, Any], list[str]]:
        features = self.video_processor(videos, **kwargs)
        replacement = self.replace_video_token(features, 0)
        return features, [replacement] * len(features["pixel_values_videos"])

    def replace_image_token(self, image_inputs: dict, image_idx: int, **kwargs) -> str:
        return self.image_token * self.num_image_tokens

    def replace_video_token(self, video_inputs: dict, video_idx: int, **kwargs) -> str:
        return self.video_token * self.num_video_tokens

    def _get_num_multimodal_tokens(self, image_sizes=None, video_sizes=None, **kwargs) -> MultiModalData:
        """Rows per visual, whatever their sizes."""
        data = {}
        if image_sizes is not None:
            data["num_image_tokens"] = [self.num_image_tokens] * len(image_sizes)
            data["num_image_patches"] = [1] * len(image_sizes)
        if video_sizes is not None:
            data["num_video_tokens"] = [self.num_video_tokens] * len(video_sizes)
        return MultiModalData(**data)


__all__ = ["MobileVideoGPTProcessor"]
