# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Packages that a recipe needs, looked for before anything is loaded."""

import importlib.util

from .recipe import Recipe
from .stage_records import LANGUAGE_MODEL_STAGE_NAMES


# What transformers calls the places that a loss goes to, and the packages that it imports for them.
_REPORT_PACKAGES = {
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "trackio": "trackio",
    "mlflow": "mlflow",
    "comet_ml": "comet_ml",
    "clearml": "clearml",
    "swanlab": "swanlab",
    "neptune": "neptune",
    "dvclive": "dvclive",
    "codecarbon": "codecarbon",
}


def check_packages(recipe: Recipe) -> None:
    """
    Raises:
        ImportError: if one is missing.
    """
    needed = {"accelerate": "Training"}
    if recipe.stage in LANGUAGE_MODEL_STAGE_NAMES and recipe.lora is not None:
        needed["peft"] = "LoRA"
    for package, what in needed.items():
        if not is_installed(package):
            raise ImportError(f"{what} needs {package}: pip install 'transformers-mvgpt[train]'.")
    for name in [recipe.report_to] if isinstance(recipe.report_to, str) else recipe.report_to:
        reporter = _REPORT_PACKAGES.get(name)
        if reporter is not None and not is_installed(reporter):
            raise ImportError(f"`report_to` ({name}) needs {reporter}: pip install {reporter.replace('_', '-')}.")


def is_installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except (ImportError, ValueError):
        return False
