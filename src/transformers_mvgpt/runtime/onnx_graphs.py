# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The encoders and projectors as modules that `torch.onnx.export` takes: tensors in, tensors out.

Symbols in the shape comments: V videos, F frames, L tokens of a video, G groups of n queries, h width of the language model.
"""

import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx_ir
import torch
from torch import nn
from transformers import PreTrainedModel

from ..modeling.image_features import encode_images
from ..modeling.resampler_tinyllava import HEAD_DIM, NaiveResampler, Resampler, _split_heads, position_table
from .onnx_nodes import MAX_FILE_BYTES, OPSET


@dataclass(frozen=True)
class Traced:
    """
    A module that becomes a file.

    Args:
        module (`nn.Module`): takes the inputs in their order, and returns the outputs.
        inputs (`Mapping[str, tuple[int | str, ...]]`): by name their shapes; sizes that are text may differ from call to call.
        outputs (`tuple[str, ...]`): their names.
    """

    module: nn.Module
    inputs: Mapping[str, tuple[int | str, ...]]
    outputs: tuple[str, ...]

    @property
    def free_sizes(self) -> list[str]:
        """The names of the sizes that may differ from call to call."""
        return sorted({size for shape in self.inputs.values() for size in shape if isinstance(size, str)})

    def example(self, sizes: Mapping[str, int], seed: int = 0) -> dict[str, torch.Tensor]:
        """Random inputs, with a size for each that may differ."""
        generator = torch.Generator().manual_seed(seed)
        return {
            name: torch.randn([sizes[size] if isinstance(size, str) else size for size in shape], generator=generator)
            for name, shape in self.inputs.items()
        }


class VideoEncoder(nn.Module):
    """Mobile-VideoGPT's, of a video: both streams to visual tokens, scores and selected frames."""

    def __init__(self, model: Any):
        super().__init__()
        self.model = model.model

    def forward(self, frames: torch.Tensor, context: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = self.model._encode_videos(frames, context)
        return features.pooler_output, features.frame_scores, features.selected_frames


class ImageEncoder(nn.Module):
    """CLIP and the projector of images."""

    def __init__(self, model: Any):
        super().__init__()
        self.model = model.model

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        features = self.model._encode_images(pixels).last_hidden_state
        return self.model.image_projector(features)


class ResampledVideoEncoder(nn.Module):
    """TinyLLaVA-Video's, of a video with any number of frames."""

    positions: torch.Tensor

    def __init__(self, model: Any):
        super().__init__()
        self.tower = model.model.vision_tower
        self.feature_layer = model.config.vision_feature_layer
        self.resampler = model.model.video_projector
        if not isinstance(self.resampler, NaiveResampler):
            shape = (model.config.num_queries, model.config.text_config.hidden_size)
            self.register_buffer("positions", position_table(0, *shape, torch.device("cpu")).float(), persistent=False)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        features = encode_images(self.tower, frames.flatten(0, 1), self.feature_layer).last_hidden_state
        tokens = resample(self.resampler, features.flatten(0, 1))
        if not isinstance(self.resampler, NaiveResampler):
            tokens = tokens + self.positions
        return tokens[None]


def resample(resampler: Resampler, tokens: torch.Tensor) -> torch.Tensor:
    """
    The resampler on any number of tokens, (L, input_size) -> (G * n, h), in operators that do not depend on how many there are: the
    shorter chunks are filled up, and what fills them is masked. The positions of a group resampler's answers are not added yet.
    """
    num_groups = resampler.num_groups
    num_tokens = tokens.shape[0]
    projected = resampler.linear(tokens)  # (L, h)
    if isinstance(resampler, NaiveResampler):
        projected = projected + position_table(0, num_tokens, projected.shape[1], projected.device).to(projected.dtype)
    group = torch.arange(num_groups)
    length, num_longer = num_tokens // num_groups, num_tokens % num_groups
    lengths = length + (group < num_longer).long()  # (G,)
    firsts = group * length + torch.clamp(group, max=num_longer)
    places = torch.arange((num_tokens + num_groups - 1) // num_groups)
    chosen = torch.clamp(firsts[:, None] + places, max=num_tokens - 1)
    media = projected[chosen]  # (G, t, h)
    layers: Iterable[Any] = resampler.layers
    is_own = places < lengths[:, None]  # (G, t)

    latents = resampler.latents.expand(num_groups, -1, -1)  # (G, n, h)
    is_seen = torch.cat([is_own, torch.ones(latents.shape[:2], dtype=torch.bool)], dim=1)
    mask = torch.where(is_seen, 0.0, -1e9)[:, None, None]  # (G, 1, 1, t + n)
    for layer in layers:
        latents = latents + _attend(layer.attention, latents, media, mask)
        latents = latents + layer.mlp(latents)
    return resampler.norm(latents).flatten(0, 1)


def _attend(attention: Any, latents: torch.Tensor, media: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    latents = attention.norm_latents(latents)
    tokens = torch.cat([attention.norm_media(media), latents], dim=1)  # (G, t + n, h)
    queries = _split_heads(attention.to_q(latents) * HEAD_DIM**-0.5)
    keys, values = (_split_heads(part) for part in attention.to_kv(tokens).chunk(2, dim=-1))
    weights = (queries @ keys.transpose(-1, -2) + mask).softmax(-1)
    return attention.to_out((weights @ values).transpose(1, 2).flatten(2))


def encoder_graphs(model: PreTrainedModel) -> dict[str, Traced]:
    """
    The encoders of a model, by the stem of their files.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]): of any family, in float32.
    """
    config = model.config
    side = config.vision_config.image_size
    image = Traced(ImageEncoder(model), {"pixel_values": ("num_images", 3, side, side)}, ("image_features",))
    if config.model_type == "mobilevlm":
        return {"vision_encoder": image}
    if config.model_type == "tinyllava_video":
        shape = (1, "num_frames", 3, side, side)
        return {
            "vision_encoder": Traced(ResampledVideoEncoder(model), {"pixel_values_videos": shape}, ("video_features",))
        }
    video_side = config.video_config.image_size
    video = Traced(
        VideoEncoder(model),
        {
            "pixel_values_videos": (1, config.num_frames, 3, video_side, video_side),
            "context_pixel_values_videos": (1, config.num_frames, 3, side, side),
        },
        ("video_features", "frame_scores", "selected_frames"),
    )
    return {"vision_encoder": video, "image_encoder": image}


def write_traced(traced: Traced, file: Path) -> None:
    """
    Traces a module and writes it.

    Raises:
        OSError: if it cannot be written.
    """
    example = traced.example(dict.fromkeys(traced.free_sizes, 2))
    free = [
        {axis: size for axis, size in enumerate(shape) if isinstance(size, str)} for shape in traced.inputs.values()
    ]
    dims = {name: torch.export.Dim(name) for name in traced.free_sizes}
    with _quiet(), torch.no_grad():
        # Of a module itself, `torch.onnx.export` would look twice where it does not get along with a loop at first
        exported = torch.export.export(
            traced.module.eval(),
            tuple(example.values()),
            dynamic_shapes=tuple({axis: dims[size] for axis, size in axes.items()} for axes in free),
        )
        program = torch.onnx.export(
            exported,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(traced.inputs),
            output_names=list(traced.outputs),
            dynamic_shapes=tuple(free),
            verbose=False,
        )
    assert program is not None
    _save(program.model, file)


def _save(model: onnx_ir.Model, file: Path) -> None:
    """Writes a graph, with its weights in a file beside it if there are 2 GB of them."""
    weights = [value.const_value for value in model.graph.initializers.values() if value.const_value is not None]
    is_large = sum(weight.nbytes for weight in weights) >= MAX_FILE_BYTES
    # where in which file of this computer each node comes from
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
    onnx_ir.save(model, file, external_data=f"{file.name}_data" if is_large else None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch and onnxscript warn of and log: it is about how they are called, and nothing that a user could change."""
    loggers = [logging.getLogger(name) for name in ("onnxscript", "onnx_ir", "torch.onnx", "torch.export")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
