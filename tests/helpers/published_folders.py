# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Small checkpoints as MobileVLM and TinyLLaVA-Video are published: names, shapes and configs are those of the measured layouts in
`tests/data`, with narrower image encoders.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from piece_processors import llama_tokenizer
from release_layout import make_tokenizer
from seeded_weights import seeded_weight


DATA = Path(__file__).parents[1] / "data"
LDP, LDPV2, GROUP, NAIVE, PHI = "ldpnet", "ldpnetv2", "group", "naive", "phi"
KINDS = (LDP, LDPV2, GROUP, NAIVE, PHI)
# `model_type` in these models
MODEL_TYPES = {
    LDP: "mobilevlm",
    LDPV2: "mobilevlm",
    GROUP: "tinyllava_video",
    NAIVE: "tinyllava_video",
    PHI: "tinyllava_video",
}
ENCODER_PREFIXES = {
    "mobilevlm": "model.vision_tower.vision_tower.vision_model.",
    "tinyllava_video": "vision_tower._vision_tower.vision_model.",
}
FOLDERS = {"language_model": "language_model.", "vision_tower": "vision_tower.", "connector": "connector."}

# What is narrower than measured: width and positions of CLIP and SigLIP, the tokens of a frame.
_NARROW = {"mobilevlm": {1024: 32, 577: 17}, "tinyllava_video": {1152: 48, 3456: 144, 729: 16}}
VISION_SIZES = {
    "mobilevlm": {"hidden_size": 32, "num_attention_heads": 4, "image_size": 56},
    "tinyllava_video": {"hidden_size": 48, "num_attention_heads": 4, "image_size": 56},
}
_PHI_SIZES = {
    "model_type": "phi",
    "vocab_size": 2048,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "bos_token_id": 2047,
    "eos_token_id": 2047,
    "tie_word_embeddings": False,
}


def published_config(kind: str) -> dict[str, Any]:
    """Its `config.json`."""
    vision = VISION_SIZES[MODEL_TYPES[kind]]
    if kind in (LDP, LDPV2):
        layout = _layout("mobilevlm_layout")
        config = layout["projectors"][kind]["config_saved_diff"]
        grid = {"image_grid_size": 2} if kind == LDPV2 else {}  # of 4 x 4 patches
        return {**config, **grid, "vision_config": {**layout["vision"], **vision}}
    config = _layout(f"tinyllava_video_layout_{GROUP if kind == GROUP else NAIVE}")["config_saved"]
    config = {**config, "vision_config": {**config["vision_config"], **vision}}
    return {**config, "text_config": _PHI_SIZES} if kind == PHI else config


@cache
def published_weights(kind: str) -> dict[str, torch.Tensor]:
    """All weights by the release's names, each of which depends on its name and shape only. A tied head is left out."""
    if kind in (LDP, LDPV2):
        shapes = _layout("mobilevlm_layout")["projectors"][kind]["state_dict"]
    else:
        shapes = _layout(f"tinyllava_video_layout_{GROUP if kind == GROUP else NAIVE}")["state_dict"]
    if kind == PHI:
        shapes = {name: shape for name, shape in shapes.items() if not name.startswith("language_model.")}
        shapes |= _phi_shapes()
    if kind == NAIVE:
        shapes = {name: shape for name, shape in shapes.items() if name != "language_model.lm_head.weight"}
    narrow = _NARROW[MODEL_TYPES[kind]]
    in_encoder = ("vision_tower", "mm_projector.mlp", "mm_projector.model.mlp", "connector._connector.linear")
    return {
        name: seeded_weight(name, tuple(narrow.get(n, n) if any(p in name for p in in_encoder) else n for n in shape))
        for name, shape in shapes.items()
    }


def write_published(
    folder: Path,
    kind: str,
    *,
    form: str = "safetensors",
    without: str | None = None,
    more: dict[str, torch.Tensor] | None = None,
    **config: Any,
) -> Path:
    """
    Writes a checkpoint as it is published.

    Args:
        folder (`Path`): where.
        kind (`str`): one of `KINDS`.
        form (`str`): `"safetensors"`, `"bin"`, `"shards"` (of safetensors) or `"folders"`.
        without (`str`, *optional*): weights whose names begin so are left out.
        more (`dict[str, torch.Tensor]`, *optional*): leftovers beside the weights.
        config: what else `config.json` says.
    """
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({**published_config(kind), **config}))
    generation = {"do_sample": False, "eos_token_id": 2, "pad_token_id": 0, "max_new_tokens": 5}
    (folder / "generation_config.json").write_text(json.dumps(generation))
    tokenizer = llama_tokenizer() if MODEL_TYPES[kind] == "mobilevlm" else make_tokenizer()
    tokenizer.save_pretrained(folder)
    weights = {
        name: tensor
        for name, tensor in {**published_weights(kind), **(more or {})}.items()
        if without is None or not name.startswith(without)
    }
    if form == "safetensors":
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    elif form == "bin":
        torch.save(weights, folder / "pytorch_model.bin")
    elif form == "folders":
        for name, prefix in FOLDERS.items():
            (folder / name).mkdir()
            part = {key.removeprefix(prefix): tensor for key, tensor in weights.items() if key.startswith(prefix)}
            torch.save(part, folder / name / "pytorch_model.bin")
    else:
        names = list(weights)
        weight_map = {}
        for number, part in enumerate((names[::2], names[1::2]), start=1):
            file = f"model-{number:05}-of-00002.safetensors"
            save_file({name: weights[name] for name in part}, folder / file, metadata={"format": "pt"})
            weight_map |= dict.fromkeys(part, file)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder


def write_image_encoder(folder: Path, model_type: str, with_text: bool = True) -> Path:
    """CLIP or SigLIP as their repositories have them: with the text side, and with configs of both."""
    kind = LDPV2 if model_type == "mobilevlm" else GROUP
    name = "clip" if model_type == "mobilevlm" else "siglip"
    folder.mkdir(parents=True)
    vision = {**published_config(kind)["vision_config"], "model_type": f"{name}_vision_model"}
    config = {"model_type": name, "vision_config": vision, "text_config": {"model_type": f"{name}_text_model"}}
    (folder / "config.json").write_text(json.dumps(config if with_text else vision))
    prefix = ENCODER_PREFIXES[model_type]
    weights = {
        f"vision_model.{key.removeprefix(prefix)}": tensor
        for key, tensor in published_weights(kind).items()
        if key.startswith(prefix)
    }
    if with_text:
        text = {key.replace("vision_model", "text_model"): torch.zeros(2) for key in weights}
        weights = {**text, **weights, "logit_scale": torch.zeros(1)}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def write_language_model(folder: Path, kind: str) -> Path:
    """What is the language model of a published checkpoint, as its own repository has it."""
    folder.mkdir()
    config = published_config(kind)
    if MODEL_TYPES[kind] == "mobilevlm":
        config = {name: value for name, value in config.items() if "mm_" not in name and name != "vision_config"}
        config = {**config, "model_type": "llama"}
    else:
        config = config["text_config"]
    (folder / "config.json").write_text(json.dumps(config))
    (llama_tokenizer() if MODEL_TYPES[kind] == "mobilevlm" else make_tokenizer()).save_pretrained(folder)
    weights = {
        name.removeprefix("language_model."): tensor
        for name, tensor in published_weights(kind).items()
        if not any(part in name for part in ("vision_tower", "connector", "mm_projector"))
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@cache
def _layout(name: str) -> dict[str, Any]:
    return json.loads((DATA / f"{name}.json").read_text("utf-8"))


def _phi_shapes() -> dict[str, tuple[int, ...]]:
    vocab_size, width, mlp = (_PHI_SIZES[name] for name in ("vocab_size", "hidden_size", "intermediate_size"))
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocab_size, width),
        "lm_head.weight": (vocab_size, width),
        "lm_head.bias": (vocab_size,),
        "model.final_layernorm.weight": (width,),
        "model.final_layernorm.bias": (width,),
    }
    for layer in range(_PHI_SIZES["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        linears = {f"self_attn.{name}": (width, width) for name in ("q_proj", "k_proj", "v_proj", "dense")}
        linears |= {"mlp.fc1": (mlp, width), "mlp.fc2": (width, mlp)}
        for name, shape in linears.items():
            shapes |= {f"{prefix}{name}.weight": shape, f"{prefix}{name}.bias": shape[:1]}
        shapes |= {f"{prefix}input_layernorm.{name}": (width,) for name in ("weight", "bias")}
    return {f"language_model.{name}": shape for name, shape in shapes.items()}
