# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Conversations to a batch that the model takes. It runs where samples are loaded: in the workers of a DataLoader."""

from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch.nn.utils.rnn import pad_sequence

from ..processing.image_inputs import read_image
from ..processing.video_file_processor import MAX_NUM_FRAMES
from ..video.limits import shorten
from .chat_encoding import IGNORED, encode_captions, encode_chats, placeholder_ids, visual_kinds


# What decoders raise for files that are missing, damaged, or so large that they must be an attack.
_MEDIA_ERRORS = (
    EOFError,
    IndexError,
    MemoryError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    Image.DecompressionBombError,
)


class DataCollator:
    r"""
    Makes batches of what [`InstructionDataset`] has. The loss looks at what the assistant says and at the token that ends
    it. Logits are only asked for where one of the samples has something to learn: for most of a prompt, which is a visual,
    nobody needs them.

    Args:
        processor ([`ProcessorMixin`]):
            Of the model.
        max_length (`int`, *optional*):
            Longer samples are cut to it, which is reported.
        num_frame_tokens (`int`, *optional*):
            Give it to send images through the video encoder, as videos of one frame: the visual tokens that its projector
            makes of one. They become `pixel_values_videos` of shape `(num_images, 1, 3, height, width)`.
        pad_images (`bool`, defaults to `False`):
            Whether images for the image encoder become squares, with borders of the mean color, so that nothing is cropped;
            the image processors of some families do that anyway.
        on_unreadable (`str`, defaults to `"stop"`):
            `"stop"` raises on a sample that cannot be used. `"report"` puts why into the batch, as `"problems"`; what stands
            for the sample has zeros as pixels and no label, so that nothing is learned of it.
        text (`str`, defaults to `"chat"`):
            `"chat"` is the processor's chat template, `"caption"` one visual and its caption, without a question
            ([`encode_captions`]).

    Returns:
        `dict[str, torch.Tensor]`: `input_ids`, `attention_mask` and `labels`, int64 of shape `(batch_size, length)`, padded on
        the right; `logits_to_keep`, the positions n that predict a label, and `shift_labels`, `(batch_size, n)`, what they
        predict; `pixel_values`, `pixel_values_videos` and `context_pixel_values_videos` where there are visuals. To a model that takes
        videos alone, an image is a video of one frame; its videos of different lengths come as all frames joined, `(num_frames, 3,
        height, width)`, with `num_frames_per_video`, int64 of shape `(num_videos,)`.

    Raises:
        ValueError: on a sample that cannot be used, where that is not to be reported.
    """

    def __init__(
        self,
        processor: Any,
        max_length: int | None = None,
        num_frame_tokens: int | None = None,
        pad_images: bool = False,
        on_unreadable: Literal["stop", "report"] = "stop",
        text: Literal["chat", "caption"] = "chat",
    ):
        self.processor = processor
        self.max_length = max_length
        self.num_frame_tokens = num_frame_tokens
        self.pad_images = pad_images
        self.on_unreadable = on_unreadable
        self.text = text

    def __call__(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        problems: list[str] = []
        chats = [sample["messages"] for sample in samples]
        texts = self._encode(chats)
        sequences: list[tuple[torch.Tensor, torch.Tensor]] = []
        visuals: list[dict[str, torch.Tensor]] = []
        for sample, text in zip(samples, texts, strict=True):
            name = sample.get("name", "a sample")
            own = self._read_visuals(sample["messages"]) if not isinstance(text, str) else text
            if isinstance(own, str):
                self._report(f"{name} cannot be used: {own}", problems)
                text, own = self._stand_in(sample["messages"], text)
            sequence = torch.from_numpy(text[0]), torch.from_numpy(text[1])
            if self.max_length is not None and len(sequence[0]) > self.max_length:
                sequence = self._cut(name, *sequence, self.max_length, problems)
            sequences.append(sequence)
            visuals += own

        ids, labels = [pair[0] for pair in sequences], [pair[1] for pair in sequences]
        padding_id = self.processor.tokenizer.pad_token_id
        batch: dict[str, Any] = {
            "input_ids": pad_sequence(ids, batch_first=True, padding_value=padding_id or 0),
            "attention_mask": pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
            "labels": pad_sequence(labels, batch_first=True, padding_value=IGNORED),
            **self._join(visuals),
        }
        following = batch["labels"][:, 1:]
        kept = (following != IGNORED).any(0).nonzero().flatten()
        kept = kept if len(kept) else torch.zeros(1, dtype=torch.long)
        batch |= {"logits_to_keep": kept, "shift_labels": following[:, kept].contiguous()}
        if problems:
            batch["problems"] = problems
        return batch

    def _encode(self, chats: list[list[dict[str, Any]]]) -> list[tuple[np.ndarray, np.ndarray] | str]:
        encode = encode_captions if self.text == "caption" else encode_chats
        return encode(self.processor, chats, self.num_frame_tokens)

    def _report(self, problem: str, problems: list[str]) -> None:
        if self.on_unreadable == "stop":
            raise ValueError(problem)
        problems.append(problem)

    def _cut(
        self, name: str, ids: torch.Tensor, labels: torch.Tensor, max_length: int, problems: list[str]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Its end is cut off. Visuals stand at the start; one that is cut would not fit its visual tokens."""
        tokens = torch.tensor(list(placeholder_ids(self.processor).values()))
        what = f"{name} has {len(ids)} tokens, but `max_length` is {max_length}"
        if torch.isin(ids[max_length:], tokens).any():
            self._report(f"{what}, which cuts a visual: raise it, or shorten the text before the visual", problems)
            return ids, torch.full_like(labels, IGNORED)
        problems.append(f"{what}: its end is cut off")
        return ids[:max_length], labels[:max_length]

    def _read_visuals(self, messages: list[dict[str, Any]]) -> list[dict[str, torch.Tensor]] | str:
        """The pixels of each visual, by the names that the model gives them; or, if one cannot be read, why."""
        visuals = []
        read = {"image": self._read_image, "video": self._read_video}
        for part in (part for message in messages for part in message["content"] if part["type"] != "text"):
            kind = part["type"]
            source = part[kind]
            try:
                visuals.append(read[kind](source))
            except _MEDIA_ERRORS as error:
                where = f"{shorten(source)}: " if isinstance(source, str) and shorten(source) not in str(error) else ""
                return where + (str(error).rstrip(".") or type(error).__name__)
        return visuals

    def _read_image(self, source: Any) -> dict[str, torch.Tensor]:
        image = read_image(source, getattr(self.processor, "untrusted_input", None))
        if not self._images_are_videos:
            processor = self.processor.image_processor
            image = _pad_to_square(image, processor.image_mean) if self.pad_images else image
            return {"pixel_values": processor(images=[image], return_tensors="pt")["pixel_values"]}
        frame = np.array(image)[None]  # (1, height, width, 3)
        features = self.processor.video_processor([frame], do_sample_frames=False, return_tensors="pt")
        return {"pixel_values_videos": features["pixel_values_videos"]}

    def _read_video(self, source: Any) -> dict[str, torch.Tensor]:
        if self.num_frame_tokens is not None:
            raise ValueError(
                "this stage is trained on images, and it is a video: train on it in the stage 'instruction'"
            )
        processor = self.processor.video_processor
        # the cap on a video at one frame per second is for answers alone
        has_cap = "max_frames" in processor.valid_kwargs.__annotations__ and processor.num_frames is None
        options = {"max_frames": MAX_NUM_FRAMES} if has_cap else {}
        return dict(processor([source], return_tensors="pt", **options))

    @property
    def _images_are_videos(self) -> bool:
        return self.num_frame_tokens is not None or "image" not in placeholder_ids(self.processor)

    def _join(self, visuals: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        """The pixels of a batch."""
        names = {name for pixels in visuals for name in pixels}
        if "pixel_values_videos" in names and self.num_frame_tokens is None:
            joined = self.processor.video_processor.join(visuals)
            names -= joined.keys()
        else:
            joined = {}
        return joined | {name: torch.cat([pixels[name] for pixels in visuals if name in pixels]) for name in names}

    def _stand_in(
        self, messages: list[dict[str, Any]], text: tuple[np.ndarray, np.ndarray] | str
    ) -> tuple[tuple[np.ndarray, np.ndarray], list[dict[str, torch.Tensor]]]:
        """Zeros of the right kinds, so that all processes still run the same parts of the model."""
        known = visual_kinds(self.processor)
        visuals = [part for message in messages for part in message["content"] if part["type"] in known]
        if isinstance(text, str):
            empty = [{"role": "user", "content": visuals}, {"role": "assistant", "content": []}]
            [text] = encode_chats(self.processor, [empty], self.num_frame_tokens)
            assert not isinstance(text, str)
        ids, labels = text
        return (ids, np.full_like(labels, IGNORED)), [self._blank(part["type"]) for part in visuals]

    def _blank(self, kind: str) -> dict[str, torch.Tensor]:
        """An image or a video of zeros."""
        if kind == "image" and not self._images_are_videos:
            return {"pixel_values": torch.zeros(1, *_pixel_shape(self.processor.image_processor))}
        processor = self.processor.video_processor
        shape = _pixel_shape(processor)
        if self.num_frame_tokens is not None:
            return {"pixel_values_videos": torch.zeros(1, 1, *shape)}
        num_frames = processor.num_frames or 1 if kind == "video" else 1
        return {name: torch.zeros(1, num_frames, *shape) for name in processor.model_input_names}


def _pixel_shape(processor: Any) -> tuple[int, int, int]:
    """Channels, height and width of an image or frame that this processor has prepared."""
    size = processor.crop_size or processor.size
    return 3, size["height"], size["width"]


def _pad_to_square(image: Image.Image, mean: list[float]) -> Image.Image:
    """The image in the middle of a square of the mean color, floor(255 * mean)."""
    side = max(image.size)
    square = Image.new("RGB", (side, side), tuple(int(255 * value) for value in mean))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square
