# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Folders with all that the driver of exported models reads but the graphs."""

import shutil
from pathlib import Path
from typing import Any

from transformers import AutoProcessor

from exported_folders import CHECKPOINTS


def write_driver_folder(family: str, folder: Path) -> Any:
    """Writes the files of a family's small trained model, and returns its processor."""
    checkpoint = Path(CHECKPOINTS[family])
    processor = AutoProcessor.from_pretrained(checkpoint)
    processor.save_pretrained(folder)
    for name in ("config.json", "generation_config.json"):
        shutil.copy(checkpoint / name, folder)
    return processor
