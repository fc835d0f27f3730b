# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Datasets, collator, trainer and the three stages of the recipe. Needs the extra `train`."""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names


if TYPE_CHECKING:
    from .adapter_merge import merge
    from .collator import DataCollator
    from .data import InstructionDataset
    from .recipe import LoraSettings, Recipe, load_recipe, make_recipe
    from .row_collator import RowCollator
    from .trainer import VisionLanguageTrainer
    from .training_run import run
else:
    # `mvgpt train --help` names the recipe's keys, and needs no part of torch.
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "DataCollator": ".collator",
            "InstructionDataset": ".data",
            "LoraSettings": ".recipe",
            "Recipe": ".recipe",
            "RowCollator": ".row_collator",
            "VisionLanguageTrainer": ".trainer",
            "load_recipe": ".recipe",
            "make_recipe": ".recipe",
            "merge": ".adapter_merge",
            "run": ".training_run",
        },
    )

__all__ = [
    "DataCollator",
    "InstructionDataset",
    "LoraSettings",
    "VisionLanguageTrainer",
    "Recipe",
    "RowCollator",
    "load_recipe",
    "make_recipe",
    "merge",
    "run",
]
