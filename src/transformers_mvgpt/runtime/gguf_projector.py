# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
MobileVLM's image encoder and projector as llama.cpp's `mtmd` loads them, which answers questions about images with them.

The file says what the model is. llama.cpp (b11549) reads it with a fault of its own: it puts the class token behind the patches and takes
the tokens from the second on (github.com/ggml-org/llama.cpp/issues/25814), so that each patch has its neighbor's position.
"""

from typing import Any

import torch
from transformers import PreTrainedConfig

from ..conversion.loading import LoadedModel
from ..video.limits import shorten


# llama.cpp's projectors work on a grid of this size, and make a quarter of it.
_GRID_SIZE, _POOLED_SIZE = 24, 12


def projector_problem(config: PreTrainedConfig) -> str | None:
    """What llama.cpp has no projector for; None if it has one."""
    vision = config.vision_config
    grid_size, num_tokens = vision.image_size // vision.patch_size, config.num_image_tokens
    if grid_size != _GRID_SIZE or num_tokens != _POOLED_SIZE**2:
        return (
            f"{grid_size} x {grid_size} patches and {num_tokens} visual tokens, and has it for {_GRID_SIZE} x {_GRID_SIZE} and "
            f"{_POOLED_SIZE**2} alone"
        )
    if vision.hidden_act not in ("quick_gelu", "gelu"):
        return f"the activation {shorten(repr(vision.hidden_act))}"
    if _num_layers(config) >= vision.num_hidden_layers:
        return "the output of the last layer, as it takes that of the last but one"
    return None


def projector_tensors(model: Any) -> dict[str, torch.Tensor]:
    """The weights of image encoder and projector by llama.cpp's names."""
    config = model.config
    tower, projector = model.model.vision_tower, model.model.image_projector
    # llama.cpp computes all but the last one
    num_layers = _num_layers(config) + 1
    tensors = {
        "v.class_embd": tower.embeddings.class_embedding,
        "v.patch_embd.weight": tower.embeddings.patch_embedding.weight,
        "v.position_embd.weight": tower.embeddings.position_embedding.weight,
        "v.pre_ln.weight": tower.pre_layrnorm.weight,
        "v.pre_ln.bias": tower.pre_layrnorm.bias,
    }
    for number, layer in enumerate(tower.encoder.layers[:num_layers]):
        parts = {
            "attn_q": layer.self_attn.q_proj,
            "attn_k": layer.self_attn.k_proj,
            "attn_v": layer.self_attn.v_proj,
            "attn_out": layer.self_attn.out_proj,
            "ln1": layer.layer_norm1,
            "ln2": layer.layer_norm2,
            "ffn_up": layer.mlp.fc1,
            "ffn_down": layer.mlp.fc2,
        }
        for name, part in parts.items():
            tensors |= _of(f"v.blk.{number}.{name}", part)
    if config.projector_type == "ldpv2":
        tensors |= _of("mm.model.mlp.0", projector.linear_1) | _of("mm.model.mlp.2", projector.linear_2)
        tensors |= _of("mm.model.peg.0", projector.conv)
    else:
        tensors |= _of("mm.model.mlp.1", projector.fc1) | _of("mm.model.mlp.3", projector.fc2)
        for number, block in ((1, projector.block_1), (2, projector.block_2)):
            name = f"mm.model.mb_block.{number}.block"
            tensors |= _of(f"{name}.0.0", block.depthwise) | _of(f"{name}.0.1", block.norm_1)
            tensors |= _of(f"{name}.1.fc1", block.squeeze) | _of(f"{name}.1.fc2", block.excite)
            tensors |= _of(f"{name}.2.0", block.pointwise) | _of(f"{name}.2.1", block.norm_2)
    return {name: tensor.detach() for name, tensor in tensors.items()}


def _of(name: str, module: Any) -> dict[str, torch.Tensor]:
    weight = module.weight
    # a convolution of one pixel is a matrix
    tensors = {f"{name}.weight": weight.flatten(1) if weight.shape[2:] == (1, 1) else weight}
    if module.bias is not None:
        tensors[f"{name}.bias"] = module.bias
    return tensors


def _num_layers(config: PreTrainedConfig) -> int:
    """Layers of the encoder up to the one whose output is taken."""
    layer, num_layers = config.vision_feature_layer, config.vision_config.num_hidden_layers
    return layer if layer >= 0 else num_layers + 1 + layer


def add_projector(writer: Any, loaded: LoadedModel) -> None:
    """Gives a writer all but the tensors."""
    config, image_processor = loaded.model.config, loaded.processor.image_processor
    vision = config.vision_config
    writer.add_type("mmproj")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_bool("clip.has_text_encoder", False)
    writer.add_bool("clip.has_llava_projector", True)
    writer.add_clip_projector_type(config.projector_type)
    writer.add_vision_image_size(vision.image_size)
    writer.add_vision_patch_size(vision.patch_size)
    writer.add_vision_embedding_length(vision.hidden_size)
    writer.add_vision_feed_forward_length(vision.intermediate_size)
    writer.add_vision_projection_dim(config.text_config.hidden_size)
    writer.add_vision_block_count(_num_layers(config) + 1)
    writer.add_vision_head_count(vision.num_attention_heads)
    writer.add_vision_attention_layernorm_eps(vision.layer_norm_eps)
    writer.add_vision_image_mean(list(image_processor.image_mean))
    writer.add_vision_image_std(list(image_processor.image_std))
    writer.add_vision_use_gelu(vision.hidden_act == "gelu")
