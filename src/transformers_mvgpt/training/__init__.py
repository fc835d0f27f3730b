# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Datasets, collator, trainer and the three stages of the recipe. Needs the extra `train`."""

from .collator import DataCollator
from .data import InstructionDataset
from .merge import merge
from .recipe import LoraSettings, Recipe, load_recipe, make_recipe
from .run import run
from .trainer import VisionLanguageTrainer


__all__ = [
    "DataCollator",
    "InstructionDataset",
    "LoraSettings",
    "VisionLanguageTrainer",
    "Recipe",
    "load_recipe",
    "make_recipe",
    "merge",
    "run",
]
