# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Text and videos to the inputs of TinyLLaVA-Video."""

from typing import Any

from transformers import PreTrainedConfig
from transformers.processing_utils import ProcessingKwargs

from .vicuna_template import vicuna_template
from .video_language_processor import ImagesAsVideos, VideoLanguageProcessor
from .video_processing_tinyllava import TinyLlavaVideoVideoProcessor, TinyLlavaVideoVideoProcessorKwargs
from .visual_token_counts import CountsVisualTokens


# With the variable `think`, questions have the suffix of TinyLLaVA-Video-R1.
_THINK = """\
        {%- if think is defined and think -%}
            {{- '\\nOutput the thinking process in <think> </think> and final answer (option) in <answer> </answer> tags.' -}}
        {%- endif -%}
"""
# Qwen2.5-3B, the base model, ends an answer so; Phi-2 too.
CHAT_TEMPLATE = vicuna_template(("image", "video"), answer="ns.text | trim + '<|endoftext|>'", suffix=_THINK)


class TinyLlavaVideoProcessorKwargs(ProcessingKwargs, total=False):
    videos_kwargs: TinyLlavaVideoVideoProcessorKwargs


class TinyLlavaVideoProcessor(CountsVisualTokens, ImagesAsVideos, VideoLanguageProcessor):  # type: ignore[misc]
    r"""
    Makes the inputs of a TinyLLaVA-Video model from text and videos: one `<image>` in the text stands for a video, or for an image as a
    video of one frame, and becomes as many as the model makes visual tokens of it. The text around it is tokenized in pieces, as the
    published models were trained. Batches are padded on the left, if the tokenizer was not made with another `padding_side`.

    Args:
        video_processor ([`TinyLlavaVideoVideoProcessor`]):
            For videos.
        tokenizer ([`PreTrainedTokenizerBase`]):
            Of the language model. `<image>` is added to it where it lacks it.
        chat_template (`str`, *optional*):
            Jinja template of a conversation; the published models' by default. With its variable `think`, a question has the suffix of
            TinyLLaVA-Video-R1, whose answer [`answer_of`] reads.
        num_video_tokens (`int`, defaults to 512):
            Visual tokens that the model makes of a video.
        video_token_id (`int`, *optional*):
            The model's id of `<image>`; the tokenizer's by default.

    Example:

    ```python
    >>> from transformers import AutoProcessor
    >>> import transformers_mvgpt

    >>> processor = AutoProcessor.from_pretrained("Zhang199/TinyLLaVA-Video-Qwen2.5-3B-Group-16-512")
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
    ['attention_mask', 'input_ids', 'pixel_values_videos']
    ```"""

    valid_processor_kwargs = TinyLlavaVideoProcessorKwargs
    placeholders = {"video": "<image>"}
    splits_at_placeholders = True
    answer_prefix = " "

    def __init__(
        self, video_processor=None, tokenizer=None, chat_template=None, num_video_tokens=512, video_token_id=None
    ):
        super().__init__(
            video_processor,
            tokenizer,
            chat_template=chat_template or CHAT_TEMPLATE,
            num_tokens={"video": num_video_tokens},
            token_ids={"video": video_token_id},
        )

    @classmethod
    def from_config(cls, config: PreTrainedConfig, tokenizer: Any) -> "TinyLlavaVideoProcessor":
        """The processor of a model with this config ([`TinyLlavaVideoConfig`]), for checkpoints that have none."""
        side = config.vision_config.image_size
        return cls(
            video_processor=TinyLlavaVideoVideoProcessor(
                num_frames=config.num_frames, max_frames=config.max_frames, size={"height": side, "width": side}
            ),
            tokenizer=tokenizer,
            num_video_tokens=config.num_video_tokens,
            video_token_id=config.video_token_id,
        )


__all__ = ["TinyLlavaVideoProcessor"]
