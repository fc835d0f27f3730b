# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What is in `hub_configs/`: of a Hub repository of each model, all but weights, tokenizer and code. `make hub-configs` writes it
anew.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch

from train_demo.small_model import make_processor
from transformers_mvgpt import MobileVideoGPTConfig, MobileVideoGPTForConditionalGeneration, MobileVideoGPTProcessor
from transformers_mvgpt.conversion import export_hub
from transformers_mvgpt.conversion.card_metadata import CARD_FILE, read_metadata
from transformers_mvgpt.conversion.hub_export import prepare
from transformers_mvgpt.conversion.loading import LoadedModel
from transformers_mvgpt.conversion.model_card import make_card
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.evaluation.random_models import published_size
from transformers_mvgpt.families import family_of


HUB_CONFIGS = Path(__file__).parents[1] / "hub_configs"
FILES = ("README.md", "chat_template.jinja", "config.json", "generation_config.json", "processor_config.json")
SMALL = "mobile-videogpt-shapes"
FAMILY = family_of(MobileVideoGPTConfig.model_type)
# The published repositories, and their sizes.
PUBLISHED = {
    "mobile-videogpt-0.5b": ("Amshaker/Mobile-VideoGPT-0.5B", "0.5b"),
    "mobile-videogpt-1.5b": ("Amshaker/Mobile-VideoGPT-1.5B", "1.5b"),
}


def published_config(name: str) -> MobileVideoGPTConfig:
    text_config = published_size(PUBLISHED[name][1]).text_config.to_dict()
    text_config.pop("layer_types")  # follows from the number of layers
    encoders = {encoder.source_field: encoder.published_source for encoder in FAMILY.encoders.values()}
    config = MobileVideoGPTConfig(text_config=text_config, dtype="bfloat16", **encoders)
    for part in (config.vision_config, config.video_config, config.text_config):
        part.dtype = "bfloat16"  # as loading sets them
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
    config = published_config(name)
    with torch.device("meta"):
        model = MobileVideoGPTForConditionalGeneration(config)
    # Qwen's tokenizer is too large for a test, and no file depends on it
    processor = MobileVideoGPTProcessor.from_config(config, make_processor().tokenizer)
    card = make_card(model, read_metadata(PUBLISHED[name][0], config, name), name, PUBLISHED[name][0])
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
