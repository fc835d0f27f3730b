# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What can be wrong with a model and its device before its weights are loaded in vain."""

import os
import re


def check_model(model: str) -> None:
    """
    Raises:
        OSError: if there is no such model, as [`check_location`] says it.
        ValueError: if a file of its folder is damaged, or it is an exported one.
    """
    from ..conversion.loading import read_config
    from ..conversion.model_location import check_location
    from ..processing.processor_files import check_json_files
    from ..runtime.onnx_folder import is_exported_folder
    from ..video.limits import shorten

    check_location(model)
    if not os.path.isdir(model):
        return
    if is_exported_folder(model):
        raise ValueError(
            f"'{shorten(model)}' is an exported model, which `mvgpt ask` and `mvgpt web` take. Use the model that it was made of."
        )
    if os.path.isfile(os.path.join(model, "config.json")):
        read_config(model)  # before transformers does, whose errors do not name the file
    elif not os.path.isfile(os.path.join(model, "adapter_config.json")):
        raise FileNotFoundError(
            f"The folder '{shorten(model)}' holds no model: it has no config.json. Check the path, or write it again."
        )
    check_json_files(model)


def check_device(device: str | None) -> None:
    """
    Raises:
        ValueError: if there is no such device.
    """
    from ..video.limits import shorten

    if device is not None and (reason := _why_unusable(device)) is not None:
        raise ValueError(
            f"`--device {shorten(device)}` cannot be used here ({reason}). Use cpu, cuda, cuda:1 or mps, or leave it out."
        )


def _why_unusable(device: str) -> str | None:
    import torch

    from ..video.limits import shorten

    try:
        place = torch.device(device)
    except RuntimeError:
        return "PyTorch knows no such device"
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        return f"the last GPU is cuda:{count - 1}" if count else "PyTorch finds no GPU"
    try:
        return "it holds no numbers" if torch.empty(1, device=place).is_meta else None
    except Exception as error:  # of many kinds, with the device
        # what follows is advice to who builds PyTorch
        return shorten(str(error).strip().split("\n")[0].partition(". ")[0].rstrip("."))


def check_image(image: str) -> None:
    """
    Raises:
        FileNotFoundError: if this is a path, and there is no file at it.
    """
    from ..video.limits import shorten

    if not re.match("[A-Za-z][A-Za-z0-9+.-]+:", image) and not os.path.isfile(image):
        raise FileNotFoundError(f"There is no image at '{shorten(image)}'. Check the path given as `--image`.")
