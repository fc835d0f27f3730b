# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Text and images to model inputs."""

from typing import Any

from transformers import PreTrainedConfig

from .image_groups import group_images
from .image_processing_mobilevlm import MobileVLMImageProcessor
from .square_padding import shrink_large_squares
from .text_pieces import begins_with_bos
from .vicuna_template import vicuna_template
from .vision_language_processor import VisionLanguageProcessor
from .visual_token_counts import CountsVisualTokens


CHAT_TEMPLATE_WITHOUT_BOS = vicuna_template(("image",), answer="ns.text | trim + eos_token")
# Of tokenizers that begin a text with BOS, as Llama's do. Trainers and servers that render a chat tokenize it without special tokens.
CHAT_TEMPLATE = "{{- bos_token -}}\n" + CHAT_TEMPLATE_WITHOUT_BOS


class MobileVLMProcessor(CountsVisualTokens, VisionLanguageProcessor):
    r"""
    Makes the inputs of a MobileVLM model from text and images: one `<image>` in the text becomes as many as the model makes visual
    tokens of it. Text before and after an image is tokenized apart, as the published models were trained. Batches are padded on the
    left, if the tokenizer was not made with another `padding_side`.

    A list of images, or an array of shape `(frames, height, width, 3)`, in the place of an image is one visual: its images follow each
    other behind one `<image>`, as frames of a video may.

    Args:
        image_processor ([`MobileVLMImageProcessor`]):
            For images.
        tokenizer ([`LlamaTokenizer`]):
            Gets `<image>` as a token of its own if it lacks it.
        chat_template (`str`, *optional*):
            Jinja template of a conversation; Vicuna's by default, with BOS where the tokenizer begins texts with it.
        num_image_tokens (`int`, defaults to 144):
            Visual tokens that the model makes of an image.
        image_token_id (`int`, *optional*):
            What the model knows `<image>` as; the tokenizer's id by default.

    Example:

    ```python
    >>> from transformers import AutoProcessor
    >>> import transformers_mvgpt

    >>> processor = AutoProcessor.from_pretrained("mtgv/MobileVLM_V2-1.7B")
    >>> content = [{"type": "image", "path": "photo.jpg"}, {"type": "text", "text": "What is in the picture?"}]
    >>> inputs = processor.apply_chat_template(
    ...     [{"role": "user", "content": content}],
    ...     add_generation_prompt=True,
    ...     tokenize=True,
    ...     return_dict=True,
    ...     return_tensors="pt",
    ... )
    >>> sorted(inputs)
    ['attention_mask', 'input_ids', 'pixel_values']
    ```"""

    placeholders = {"image": "<image>"}
    tokenizer_hint = "use a Llama tokenizer"
    splits_at_placeholders = True
    answer_prefix = " "

    def __init__(
        self,
        image_processor=None,
        tokenizer=None,
        chat_template=None,
        num_image_tokens=144,
        image_token_id=None,
    ):
        super().__init__(
            image_processor,
            tokenizer,
            chat_template=chat_template
            or (CHAT_TEMPLATE if begins_with_bos(tokenizer) else CHAT_TEMPLATE_WITHOUT_BOS),
            num_tokens={"image": num_image_tokens},
            token_ids={"image": image_token_id},
        )

    @classmethod
    def from_config(cls, config: PreTrainedConfig, tokenizer: Any) -> "MobileVLMProcessor":
        """The processor of a model with this config ([`MobileVLMConfig`]), for checkpoints that have none."""
        size = config.vision_config.image_size
        return cls(
            image_processor=MobileVLMImageProcessor(
                size={"shortest_edge": size}, crop_size={"height": size, "width": size}
            ),
            tokenizer=tokenizer,
            num_image_tokens=config.num_image_tokens,
            image_token_id=config.image_token_id,
        )

    def __call__(self, images: Any = None, text: Any = None, **kwargs: Any) -> Any:
        """
        As [`VisionLanguageProcessor.__call__`].

        Raises:
            ValueError: on an unknown option, on videos, and if placeholders and visuals are not as many.
        """
        return super().__call__(images=images, text=text, **kwargs)

    def prepare_inputs_layout(self, images=None, text=None, videos=None, audio=None, **kwargs):
        images, text, videos, audio = super().prepare_inputs_layout(images, text, videos, audio, **kwargs)
        if images is not None:
            num_visuals = None if text is None else [prompt.count(self.image_token) for prompt in text]
            images = group_images(images, num_visuals)
        return images, text, videos, audio

    def validate_inputs(self, images=None, text=None, videos=None, audio=None, **kwargs):
        firsts = None if images is None else [group[0] for group in images]
        super().validate_inputs(images=firsts, text=text, videos=videos, audio=audio, **kwargs)

    def _process_images(self, images: Any, **kwargs) -> tuple[dict[str, Any], list[str]]:
        flat = [image for group in images for image in group]
        features = self.image_processor(shrink_large_squares(flat, self.image_processor, kwargs), **kwargs)
        numbers = {"num_images": [len(group) for group in images]}
        return features, [self.replace_image_token(numbers, index) for index in range(len(images))]

    def replace_image_token(self, image_inputs: dict, image_idx: int, **kwargs) -> str:
        """What stands for a visual; `image_inputs` may say as `num_images` how many images each visual has, else each has one."""
        num_images = image_inputs.get("num_images")
        return self.image_token * self.num_image_tokens * (1 if num_images is None else num_images[image_idx])


__all__ = ["MobileVLMProcessor"]
