# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Text, images and videos to model inputs."""

from typing import Any

from transformers import CLIPImageProcessor, PreTrainedConfig
from transformers.processing_utils import ProcessingKwargs

from .video_language_processor import VideoLanguageProcessor
from .video_processing_mvgpt import MobileVideoGPTVideoProcessor, MobileVideoGPTVideoProcessorKwargs
from .visual_token_counts import CountsVisualTokens


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
    {%- elif message.content -%}
        {%- for part in message.content -%}
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


class MobileVideoGPTProcessorKwargs(ProcessingKwargs, total=False):
    videos_kwargs: MobileVideoGPTVideoProcessorKwargs


class MobileVideoGPTProcessor(CountsVisualTokens, VideoLanguageProcessor):
    r"""
    Makes the inputs of a Mobile-VideoGPT model from text, images and videos: one `<|image_pad|>` or `<|video_pad|>` in
    the text becomes as many as the model makes visual tokens of it. Batches are padded on the left, if the tokenizer was not made
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
            Visual tokens that the model makes of an image.
        num_video_tokens (`int`, defaults to 2402):
            Visual tokens that the model makes of a video.

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
    placeholders = {"image": "<|image_pad|>", "video": "<|video_pad|>"}
    tokenizer_hint = "use a Qwen2.5 tokenizer"

    def __init__(
        self,
        image_processor=None,
        video_processor=None,
        tokenizer=None,
        chat_template=None,
        num_image_tokens=144,
        num_video_tokens=2402,
    ):
        super().__init__(
            image_processor,
            video_processor,
            tokenizer,
            chat_template=chat_template or CHAT_TEMPLATE,
            num_tokens={"image": num_image_tokens, "video": num_video_tokens},
        )

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


__all__ = ["MobileVideoGPTProcessor"]
