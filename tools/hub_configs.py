# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What is in `hub_configs/`: of a Hub repository of each model, all but weights, tokenizer and code. `make hub-configs` writes it
anew.
"""

import json
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedConfig

from transformers_mvgpt.conversion import export_hub
from transformers_mvgpt.conversion.card_metadata import CARD_FILE, read_metadata
from transformers_mvgpt.conversion.hub_export import prepare
from transformers_mvgpt.conversion.loading import LoadedModel
from transformers_mvgpt.conversion.model_card import make_card
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.evaluation.random_models import make_processor, published_size
from transformers_mvgpt.families import family_of


HUB_CONFIGS = Path(__file__).parents[1] / "hub_configs"
FILES = ("README.md", "chat_template.jinja", "config.json", "generation_config.json", "processor_config.json")
SMALL = "mobile-videogpt-shapes"


@dataclass(frozen=True)
class Published:
    """
    Args:
        repository (`str`): its Hub id.
        size (`str`): the published size that it is like.
        fields (`dict[str, Any]`): what its config has otherwise; of the language model, what its family's default has otherwise.
    """

    repository: str
    size: str
    fields: dict[str, Any] = field(default_factory=dict)


_VICUNA_7B = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
}
_PHI_2 = {
    "model_type": "phi",
    "vocab_size": 51200,
    "hidden_size": 2560,
    "intermediate_size": 10240,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "partial_rotary_factor": 0.4,
    "max_position_embeddings": 2048,
    "bos_token_id": 50256,
    "eos_token_id": 50256,
}
_TINYLLAVA = "Zhang199/TinyLLaVA-Video"
PUBLISHED = {
    "mobile-videogpt-0.5b": Published("Amshaker/Mobile-VideoGPT-0.5B", "0.5b"),
    "mobile-videogpt-1.5b": Published("Amshaker/Mobile-VideoGPT-1.5B", "1.5b"),
    "mobilevlm-1.7b": Published("mtgv/MobileVLM-1.7B", "mobilevlm-1.7b"),
    "mobilevlm-3b": Published("mtgv/MobileVLM-3B", "mobilevlm-v2-3b", {"projector_type": "ldp"}),
    "mobilevlm-v2-1.7b": Published("mtgv/MobileVLM_V2-1.7B", "mobilevlm-v2-1.7b"),
    "mobilevlm-v2-3b": Published("mtgv/MobileVLM_V2-3B", "mobilevlm-v2-3b"),
    "mobilevlm-v2-7b": Published("mtgv/MobileVLM_V2-7B", "mobilevlm-v2-1.7b", {"text_config": _VICUNA_7B}),
    "tinyllava-video-qwen2.5-3b-group-16": Published(f"{_TINYLLAVA}-Qwen2.5-3B-Group-16-512", "tinyllava-video-3b"),
    "tinyllava-video-qwen2.5-3b-group-1fps": Published(
        f"{_TINYLLAVA}-Qwen2.5-3B-Group-1fps-512", "tinyllava-video-3b", {"num_frames": None}
    ),
    "tinyllava-video-qwen2.5-3b-naive-16": Published(
        f"{_TINYLLAVA}-Qwen2.5-3B-Naive-16-512", "tinyllava-video-3b", {"resampler_type": "naive"}
    ),
    "tinyllava-video-phi2-naive-16": Published(
        f"{_TINYLLAVA}-Phi2-Naive-16-512",
        "tinyllava-video-3b",
        {"resampler_type": "naive", "video_token_id": 50295, "text_config": _PHI_2},
    ),
}


def published_config(name: str) -> PreTrainedConfig:
    published = PUBLISHED[name]
    alike = published_size(published.size)
    text_config = published.fields.get("text_config", {})
    if "model_type" not in text_config:
        text_config = alike.text_config.to_dict() | text_config
    for derived in ("head_dim", "layer_types"):  # follow from the width and the number of layers
        text_config.pop(derived, None)
    own = {name: getattr(alike, name) for name in ("projector_type", "image_grid_size") if hasattr(alike, name)}
    encoders = {encoder.source_field: encoder.published_source for encoder in family_of(alike).encoders.values()}
    fields = {**own, **published.fields, "text_config": text_config}
    config = type(alike)(**fields, **encoders, dtype="bfloat16")
    for part in config.sub_configs:
        getattr(config, part).dtype = "bfloat16"  # as loading sets them
    return config


def write_hub_config(name: str, folder: Path) -> None:
    """What export writes of this model, in `folder`."""
    if name == SMALL:
        with tempfile.TemporaryDirectory() as scratch:
            exported = Path(scratch, SMALL)
            export_hub(CHECKPOINT, exported)
            for file in FILES:
                shutil.copyfile(exported / file, folder / file)
        return
    config, repository = published_config(name), PUBLISHED[name].repository
    with torch.device("meta"):
        model = family_of(config).model_class(config)
    # the published tokenizers are too large for a test, and no file depends on them
    processor = make_processor(config)
    card = make_card(model, read_metadata(repository, config, name), name, repository)
    prepare(LoadedModel(model, processor, set()))
    with tempfile.TemporaryDirectory() as scratch:
        processor.save_pretrained(scratch)
        for file in ("chat_template.jinja", "processor_config.json"):
            shutil.copyfile(Path(scratch, file), folder / file)
    config.architectures = [type(model).__name__]
    config.to_json_file(folder / "config.json")
    model.generation_config.to_json_file(folder / "generation_config.json")
    card.save(folder / CARD_FILE)


def without_version(file: Path) -> bytes:
    """The content, less the version of transformers that wrote it."""
    if file.suffix != ".json":
        return file.read_bytes()
    content = json.loads(file.read_text("utf-8"))
    content.pop("transformers_version", None)
    return json.dumps(content).encode()


if __name__ == "__main__":
    for name in sys.argv[1:] or [*PUBLISHED, SMALL]:
        (HUB_CONFIGS / name).mkdir(parents=True, exist_ok=True)
        write_hub_config(name, HUB_CONFIGS / name)
