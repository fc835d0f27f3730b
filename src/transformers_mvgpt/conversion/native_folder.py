# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""One folder with everything that a model needs, written whole or not at all."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..compat.safetensors_files import full_disk_is_named
from ..families import family_of
from .loading import LoadedModel, load_model
from .target_folder import check_target, replacing


_OWN_FILES = re.compile(
    r"(config|generation_config|processor_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json"
    r"|merges\.txt|chat_template\.jinja|model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json"
)

OnProgress = Callable[[str, int, int], None]


def is_native_file(file: Path) -> bool:
    """Whether a conversion writes a file of this name, and so may replace it."""
    return _OWN_FILES.fullmatch(file.name) is not None


def convert(
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    image_encoder: str | os.PathLike | None = None,
    video_encoder: str | os.PathLike | None = None,
    base_model: str | os.PathLike | None = None,
    dtype: str | torch.dtype = "auto",
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> None:
    r"""
    Writes a complete native folder: weights in safetensors files, config, processor, tokenizer and generation config.
    It is loaded again and compared with the model, tensor by tensor, before it gets its name.

    Args:
        source (`str`):
            Folder or Hub id of a checkpoint, in the release's layout or already native, or an output of the release's
            training: `mm_projector.bin`, or a LoRA adapter and `non_lora_trainables.bin`.
        target (`str`):
            The folder to write; it must not exist or be empty.
        image_encoder, video_encoder (`str`, *optional*):
            As for [`PreTrainedModelWithEncoders.from_pretrained`].
        base_model (`str`, *optional*):
            For outputs of training: folder or Hub id of the model that they belong to, or of a language model, such as
            Qwen2.5. By default what a LoRA adapter names.
        dtype (`str` or `torch.dtype`, defaults to `"auto"`):
            Of the weights written; `"auto"` is the dtype that the config names.
        overwrite (`bool`, defaults to `False`):
            Replace `target` if it is a folder that was converted before.
        on_progress (`Callable[[str, int, int], None]`, *optional*):
            Called with a step, and how much of how much of it is done.

    Raises:
        OSError: if a part of the model is to be found nowhere, or `target` cannot be written, as another run is writing it.
        ValueError: if parts do not fit each other, or a file holds anything but tensors.
        ImportError: if merging a LoRA adapter needs a package that is not installed.
        RuntimeError: if what was written is not what was read.
    """
    source, target = os.fspath(source), Path(target)
    report = on_progress or (lambda step, completed, total: None)
    encoders = {"image": image_encoder, "video": video_encoder}
    given = {encoder: os.fspath(path) for encoder, path in encoders.items() if path is not None}

    with replacing(target) as folder:
        check_target(target, source, overwrite, is_native_file)
        report(f"Loading {source}", 0, 1)
        loaded = load_model(source, given, None if base_model is None else os.fspath(base_model), dtype)
        report(f"Loading {source}", 1, 1)
        report(f"Writing {target}", 0, 1)
        with full_disk_is_named(target):
            written = write_native_folder(folder, loaded)
        report(f"Writing {target}", 1, 1)
        check_written(folder, loaded, written, report)


def write_native_folder(
    folder: Path, loaded: LoadedModel, weights: dict[str, torch.Tensor] | None = None
) -> dict[str, torch.Tensor]:
    """
    Writes a model and its processor.

    Args:
        folder (`Path`): where to; it must exist.
        loaded ([`LoadedModel`]): what to write.
        weights (`dict[str, torch.Tensor]`, *optional*): the weights, if they are not those that the model holds.

    Returns:
        `dict[str, torch.Tensor]`: the weights that were written; those that no source has are not.
    """
    state = loaded.model.state_dict() if weights is None else weights
    written = {name: tensor for name, tensor in state.items() if name not in loaded.unknown_weights}
    loaded.model.save_pretrained(folder, state_dict=dict(written), save_original_format=False, max_shard_size="5GB")
    loaded.processor.save_pretrained(folder)
    return written


def check_written(
    folder: Path, loaded: LoadedModel, written: dict[str, torch.Tensor], on_progress: OnProgress | None = None
) -> None:
    """
    Loads a folder again and compares it with the model, tensor by tensor.

    Args:
        folder (`Path`), loaded ([`LoadedModel`]), written (`dict[str, torch.Tensor]`):
            What [`write_native_folder`] took and returned.
        on_progress (`Callable[[str, int, int], None]`, *optional*): as for [`convert`].

    Raises:
        RuntimeError: if what was read is not what was written.
    """
    report = on_progress or (lambda step, completed, total: None)
    family = family_of(loaded.model.config)
    processor = family.processor_class.from_pretrained(folder)
    model = family.model_class.from_pretrained(folder)
    differences = []
    for name, before, after in (
        ("config", loaded.model.config, model.config),
        ("generation config", loaded.model.generation_config, model.generation_config),
        ("processor", loaded.processor, processor),
    ):
        if _comparable(before.to_dict()) != _comparable(after.to_dict()):
            differences.append(name)
    state = model.state_dict()
    for completed, (name, tensor) in enumerate(written.items(), start=1):
        if not _is_identical(tensor, state[name]):
            differences.append(name)
        report("Comparing tensors", completed, len(written))
    if differences:
        raise RuntimeError(
            f"{len(differences)} parts were read differently from what was written, such as {differences[0]}: nothing was "
            "kept. Is the disk damaged?"
        )


def _comparable(content: dict[str, Any]) -> dict[str, Any]:
    """Without what says where it came from."""
    return {name: value for name, value in content.items() if name not in ("_name_or_path", "transformers_version")}


def _is_identical(tensor: torch.Tensor, other: torch.Tensor) -> bool:
    """Bit for bit: a NaN equals itself, and -0 is not 0."""
    if tensor.dtype != other.dtype or tensor.shape != other.shape:
        return False
    return torch.equal(tensor.contiguous().flatten().view(torch.uint8), other.contiguous().flatten().view(torch.uint8))
