# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
A small checkpoint as the release publishes them, and its encoders on their own. Names and shapes are written out here,
so that they do not depend on the code under test.
"""

import json
import math
import string
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers.pre_tokenizers import ByteLevel
from transformers import Qwen2Tokenizer


VIDEOMAMBA_FILE = "videomamba_m16_25M_f8_res224.pth"
IMAGE_PREFIX = "model.image_vision_tower.vision_tower.vision_model."
VIDEO_PREFIX = "model.vision_tower.vision_encoder."
SPECIAL_TOKENS = [
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"),
    *("<|image_pad|>", "<|video_pad|>"),
]

WIDTH = 32
MLP_WIDTH = 64
VOCAB_SIZE = 272  # 256 bytes, 8 special tokens, and some rows that no token uses
NUM_LAYERS = 2
IMAGE_SIZE, PATCH_SIZE = 32, 8
NUM_PATCHES = (IMAGE_SIZE // PATCH_SIZE) ** 2
NUM_SELECTED_FRAMES = 2  # of a video
CHANNELS, STATES, RANK = 2 * WIDTH, 16, 2  # of VideoMamba

CLIP_CONFIG = {
    "hidden_size": WIDTH,
    "intermediate_size": MLP_WIDTH,
    "num_hidden_layers": NUM_LAYERS,
    "num_attention_heads": 2,
    "image_size": IMAGE_SIZE,
    "patch_size": PATCH_SIZE,
    "hidden_act": "quick_gelu",
}
RELEASE_CONFIG = {
    "model_type": "MobileVideoGPT_qwen",
    "architectures": ["MobileVideoGPTQwenForCausalLM"],
    "vocab_size": VOCAB_SIZE,
    "hidden_size": WIDTH,
    "intermediate_size": MLP_WIDTH,
    "num_hidden_layers": NUM_LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "max_window_layers": NUM_LAYERS,
    "rope_theta": 1000000.0,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
    "bos_token_id": 256,
    "eos_token_id": 257,
    "mm_projector_type": "etp",
    "image_mm_projector_type": "etp",
    "mm_vision_select_layer": -2,
    "mm_vision_select_feature": "patch",
    "mm_hidden_size": 768,
    "image_mm_hidden_size": 768,
    "mm_use_im_start_end": False,
    "mm_use_im_patch_token": False,
    "use_mm_proj": True,
    "torch_dtype": "float32",
    "vision_config": CLIP_CONFIG,
    "video_config": {
        "hidden_size": WIDTH,
        "num_hidden_layers": NUM_LAYERS,
        "state_size": STATES,
        "image_size": IMAGE_SIZE,
        "patch_size": PATCH_SIZE,
        "num_frames": NUM_SELECTED_FRAMES,
        "clip_decoder_size": 16,
    },
    "num_frames": 4,
    "frames_per_chunk": 2,
    "num_selected_frames": 1,
    "image_grid_size": 2,
    "video_grid_size": 2,
    "image_token_id": 262,
    "video_token_id": 263,
}


def make_release(
    folder: Path,
    *,
    image_encoder: bool = True,
    video_encoder: bool = True,
    weights_format: str = "safetensors",
    **config: Any,
) -> Path:
    """
    Writes `folder`/release, a checkpoint in the release's layout, and its encoders: the CLIP folder `folder`/clip and
    `folder`/videomamba with VideoMamba's `.pth` file, which the checkpoint's config points to.

    Args:
        folder (`Path`): where.
        image_encoder, video_encoder (`bool`): whether the checkpoint has the encoder's weights.
        weights_format (`str`): `"safetensors"`, or `"bin"` for two shards that torch saved.
        config: what else `config.json` says.

    Returns:
        `Path`: `folder`/release.
    """
    write_clip(folder / "clip")
    write_videomamba(folder / "videomamba" / VIDEOMAMBA_FILE)
    release = folder / "release"
    release.mkdir(parents=True, exist_ok=True)
    sources = {"image_mm_vision_tower": str(folder / "clip"), "mm_vision_tower": str(folder / "videomamba")}
    (release / "config.json").write_text(json.dumps({**RELEASE_CONFIG, **sources, **config}))
    generation_config = {"do_sample": False, "eos_token_id": [257, 256], "pad_token_id": 256, "max_new_tokens": 7}
    (release / "generation_config.json").write_text(json.dumps(generation_config))
    make_tokenizer().save_pretrained(release)

    weights = release_weights()
    left_out = [prefix for prefix, kept in ((IMAGE_PREFIX, image_encoder), (VIDEO_PREFIX, video_encoder)) if not kept]
    weights = {name: tensor for name, tensor in weights.items() if not name.startswith(tuple(left_out))}
    if weights_format == "safetensors":
        save_file(weights, release / "model.safetensors", metadata={"format": "pt"})
    else:
        _save_shards(weights, release)
    return release


def make_release_of_letters(folder: Path) -> Path:
    """A release that answers in letters: of most other bytes there is nothing to compare in a text."""
    folder = make_release(folder)
    tokens = make_tokenizer().get_vocab()
    file = folder / "generation_config.json"
    config = json.loads(file.read_text())
    suppressed = sorted({*range(VOCAB_SIZE)} - {tokens[letter] for letter in string.ascii_letters})
    file.write_text(json.dumps({**config, "suppress_tokens": suppressed, "repetition_penalty": 1.5}))
    return folder


def make_language_model(folder: Path) -> Path:
    """Writes `folder`, a plain Qwen2 language model of the same sizes, with its tokenizer."""
    folder.mkdir(parents=True)
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    names += ("num_key_value_heads", "rope_theta", "tie_word_embeddings", "bos_token_id", "eos_token_id")
    config = {"model_type": "qwen2", **{name: RELEASE_CONFIG[name] for name in names}}
    (folder / "config.json").write_text(json.dumps(config))
    make_tokenizer().save_pretrained(folder)
    weights = {name: seeded(name, shape) for name, shape in _language_model_shapes().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def make_tokenizer() -> Qwen2Tokenizer:
    """Bytes and Qwen2.5's special tokens, no merges."""
    vocabulary = {symbol: index for index, symbol in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = Qwen2Tokenizer(
        vocab={**vocabulary, SPECIAL_TOKENS[0]: 256},
        merges=[],
        eos_token="<|im_end|>",
        extra_special_tokens=SPECIAL_TOKENS,
    )
    return tokenizer


def write_clip(folder: Path, **config: Any) -> None:
    """A CLIP checkpoint as transformers has long written it, of which only the vision model is there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "clip_vision_model", **CLIP_CONFIG, **config}))
    weights = {
        "vision_model." + name.removeprefix(IMAGE_PREFIX): tensor
        for name, tensor in release_weights().items()
        if name.startswith(IMAGE_PREFIX)
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def write_videomamba(file: Path, key: str | None = "model", prefix: str = "") -> None:
    """VideoMamba's `.pth`: the weights under a top-level key, with a prefix before their names."""
    file.parent.mkdir(parents=True, exist_ok=True)
    weights = {
        prefix + name.removeprefix(VIDEO_PREFIX): tensor
        for name, tensor in release_weights().items()
        if name.startswith(VIDEO_PREFIX)
    }
    torch.save(weights if key is None else {key: weights, "epoch": 3}, file)


def release_weights() -> dict[str, torch.Tensor]:
    """All weights by the release's names. Each depends on its name and shape only."""
    shapes = {
        **_language_model_shapes(),
        **_with_prefix("model.mm_projector.", _projector_shapes()),
        **_with_prefix("model.image_mm_projector.", _projector_shapes()),
        **_with_prefix(VIDEO_PREFIX, _videomamba_shapes()),
        **_with_prefix(IMAGE_PREFIX, _clip_shapes()),
    }
    return {name: seeded(name, shape) for name, shape in shapes.items()}


def seeded(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Values of a size that a trained weight of this name could have."""
    z = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape, dtype=np.float32)
    last = name.rpartition(".")[2]
    if last in ("A_log", "A_b_log"):
        z = np.log(np.arange(1, shape[1] + 1, dtype=np.float32)) + np.float32(0.1) * z
    elif last in ("D", "D_b") or (len(shape) == 1 and last == "weight"):
        z = 1 + np.float32(0.1) * z
    elif name.endswith(("dt_proj.bias", "dt_proj_b.bias")):
        z = np.float32(-4.6) + np.float32(0.5) * z
    elif len(shape) == 1 or "embed" in last or "embedding" in name or last == "cls_token":
        z = np.float32(0.1) * z
    else:
        z = z / np.float32(math.sqrt(math.prod(shape[1:])))
    return torch.from_numpy(z)


def _with_prefix(prefix: str, shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    return {prefix + name: shape for name, shape in shapes.items()}


def _language_model_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (VOCAB_SIZE, WIDTH),
        "model.norm.weight": (WIDTH,),
    }
    for layer in range(NUM_LAYERS):
        prefix = f"model.layers.{layer}."
        for name, width in (("q_proj", WIDTH), ("k_proj", WIDTH // 2), ("v_proj", WIDTH // 2)):
            shapes[f"{prefix}self_attn.{name}.weight"] = (width, WIDTH)
            shapes[f"{prefix}self_attn.{name}.bias"] = (width,)
        shapes[f"{prefix}self_attn.o_proj.weight"] = (WIDTH, WIDTH)
        shapes[f"{prefix}mlp.gate_proj.weight"] = (MLP_WIDTH, WIDTH)
        shapes[f"{prefix}mlp.up_proj.weight"] = (MLP_WIDTH, WIDTH)
        shapes[f"{prefix}mlp.down_proj.weight"] = (WIDTH, MLP_WIDTH)
        shapes[f"{prefix}input_layernorm.weight"] = (WIDTH,)
        shapes[f"{prefix}post_attention_layernorm.weight"] = (WIDTH,)
    return shapes


def _projector_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"peg.peg.0.weight": (WIDTH, 1, 3, 3), "peg.peg.0.bias": (WIDTH,)}
    for index in (0, 2):
        shapes |= {f"mlp.mlp.{index}.weight": (WIDTH, WIDTH), f"mlp.mlp.{index}.bias": (WIDTH,)}
    return shapes


def _videomamba_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, WIDTH),
        "pos_embed": (1, NUM_PATCHES + 1, WIDTH),
        "temporal_pos_embedding": (1, NUM_SELECTED_FRAMES, WIDTH),
        "patch_embed.proj.weight": (WIDTH, 3, 1, PATCH_SIZE, PATCH_SIZE),
        "patch_embed.proj.bias": (WIDTH,),
        "norm.weight": (WIDTH,),
        "clip_decoder.0.head.weight": (16, WIDTH),
        "clip_decoder.0.head.bias": (16,),
        "clip_decoder.0.norm.weight": (16,),
        "clip_decoder.0.norm.bias": (16,),
    }
    for layer in range(NUM_LAYERS):
        mixer = f"layers.{layer}.mixer."
        shapes[f"layers.{layer}.norm.weight"] = (WIDTH,)
        shapes[f"{mixer}in_proj.weight"] = (2 * CHANNELS, WIDTH)
        shapes[f"{mixer}out_proj.weight"] = (WIDTH, CHANNELS)
        for direction, A_log in (("", "A_log"), ("_b", "A_b_log")):
            shapes[mixer + A_log] = (CHANNELS, STATES)
            shapes[f"{mixer}D{direction}"] = (CHANNELS,)
            shapes[f"{mixer}conv1d{direction}.weight"] = (CHANNELS, 1, 4)
            shapes[f"{mixer}conv1d{direction}.bias"] = (CHANNELS,)
            shapes[f"{mixer}x_proj{direction}.weight"] = (RANK + 2 * STATES, CHANNELS)
            shapes[f"{mixer}dt_proj{direction}.weight"] = (CHANNELS, RANK)
            shapes[f"{mixer}dt_proj{direction}.bias"] = (CHANNELS,)
    return shapes


def _clip_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.class_embedding": (WIDTH,),
        "embeddings.patch_embedding.weight": (WIDTH, 3, PATCH_SIZE, PATCH_SIZE),
        "embeddings.position_embedding.weight": (NUM_PATCHES + 1, WIDTH),
    }
    norms = ["pre_layrnorm", "post_layernorm"]
    linears: dict[str, tuple[int, int]] = {}
    for layer in range(NUM_LAYERS):
        prefix = f"encoder.layers.{layer}."
        norms += [prefix + "layer_norm1", prefix + "layer_norm2"]
        linears |= {f"{prefix}self_attn.{name}_proj": (WIDTH, WIDTH) for name in ("q", "k", "v", "out")}
        linears |= {prefix + "mlp.fc1": (MLP_WIDTH, WIDTH), prefix + "mlp.fc2": (WIDTH, MLP_WIDTH)}
    for name in norms:
        shapes |= {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}
    for name, shape in linears.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def _save_shards(weights: dict[str, torch.Tensor], folder: Path) -> None:
    weight_map = {}
    for index, names in enumerate((list(weights)[::2], list(weights)[1::2]), start=1):
        file = f"pytorch_model-{index:05}-of-00002.bin"
        torch.save({name: weights[name] for name in names}, folder / file)
        weight_map |= dict.fromkeys(names, file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
