# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A LoRA adapter and the model it belongs to, as one model."""

import os

import torch

from ..conversion.native_folder import OnProgress, convert
from ..conversion.weight_files import read_json


def merge(
    adapter_folder: str | os.PathLike,
    target: str | os.PathLike,
    *,
    base_model: str | os.PathLike | None = None,
    dtype: str | torch.dtype = "auto",
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> None:
    """
    Writes one native folder of an adapter with its projectors and the model that it was trained on. The folder is checked as
    those of [`convert`] are.

    Args:
        adapter_folder (`str`): output of the stage `"instruction"`.
        target (`str`): the folder to write; it must not exist or be empty.
        base_model (`str`, *optional*): folder or Hub id of the model; by default what the adapter names.
        dtype, overwrite, on_progress: as for [`convert`].

    Raises:
        FileNotFoundError: if the folder has no adapter, or its base model is not where it was.
        OSError, ValueError, RuntimeError: as for [`convert`].
    """
    config_file = os.path.join(adapter_folder, "adapter_config.json")
    if not os.path.isfile(config_file):
        raise FileNotFoundError(
            f"{adapter_folder} has no adapter_config.json: give the output of an instruction stage that was trained with LoRA."
        )
    base = read_json(config_file).get("base_model_name_or_path") if base_model is None else os.fspath(base_model)
    if base and os.path.isabs(base) and not os.path.isdir(base):
        raise FileNotFoundError(
            f"{adapter_folder} was trained on {base}, which is not there: say where it is now (`base_model=`, `--base-model`)."
        )
    convert(adapter_folder, target, base_model=base_model, dtype=dtype, overwrite=overwrite, on_progress=on_progress)
