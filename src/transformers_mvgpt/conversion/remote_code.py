# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What makes a folder work without this package: its code, and where transformers finds which class."""

import os
import re
from pathlib import Path
from typing import Any

from .model_sources import LoadedModel


_ROOMS = [Path(__file__).parents[1] / name for name in ("compat", "kernels", "modeling", "video", "processing")]
_IMPORT_ACROSS_ROOMS = re.compile(r"^(\s*from )\.\.\w+\.(\w+ import)", re.MULTILINE)
_MODEL = "modeling_mvgpt.MobileVideoGPTForConditionalGeneration"
_PROCESSOR = "processing_mvgpt.MobileVideoGPTProcessor"
_VIDEO_PROCESSOR = "video_processing_mvgpt.MobileVideoGPTVideoProcessor"

# The entries of `config.json`. transformers itself would only write those of the classes that it saves.
config_entries: dict[str, Any] = {
    "auto_map": {
        "AutoConfig": "configuration_mvgpt.MobileVideoGPTConfig",
        "AutoModel": "modeling_mvgpt.MobileVideoGPTModel",
        "AutoModelForImageTextToText": _MODEL,
        "AutoModelForMultimodalLM": _MODEL,
        "AutoProcessor": _PROCESSOR,
        "AutoVideoProcessor": _VIDEO_PROCESSOR,
    },
    "custom_pipelines": {
        "video-text-to-text": {
            "impl": "pipeline_video_text.VideoTextToTextPipeline",
            "pt": ["AutoModelForImageTextToText"],
            "type": "multimodal",
        }
    },
}


def code_files() -> list[Path]:
    """The package's files that are exported, in the order of their names."""
    files = [file for room in _ROOMS for file in room.glob("*.py") if file.name != "__init__.py"]
    return sorted(files, key=lambda file: file.name)


def exported_code(file: Path) -> str:
    """The content of a file of the package, as it stands beside all others in one folder."""
    return _IMPORT_ACROSS_ROOMS.sub(r"\1.\2", file.read_text("utf-8"))


def write(folder: str | os.PathLike) -> None:
    """Writes the code into a folder, flat, as transformers wants it."""
    os.makedirs(folder, exist_ok=True)
    for file in code_files():
        Path(folder, file.name).write_text(exported_code(file), "utf-8")


def attach(loaded: LoadedModel) -> None:
    """Lets a model and its processor be saved with the code."""
    loaded.model.config.auto_map = dict(config_entries["auto_map"])
    loaded.processor.auto_map = {"AutoProcessor": _PROCESSOR, "AutoVideoProcessor": _VIDEO_PROCESSOR}
    # transformers reads the video processor's part of the processor's file alone
    loaded.processor.video_processor.auto_map = {"AutoVideoProcessor": _VIDEO_PROCESSOR}
