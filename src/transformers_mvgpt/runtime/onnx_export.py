# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A model as ONNX files in one folder, which need neither PyTorch nor transformers nor this package."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

import torch

from ..compat.safetensors_files import full_disk_is_named
from ..conversion.code_closure import is_own_code
from ..conversion.loading import LoadedModel, load_model
from ..conversion.native_folder import OnProgress, is_native_file
from ..conversion.target_folder import check_target, replacing
from .driver_files import driver_files


# Where the graphs are, as in transformers.js' repositories.
ONNX_FOLDER = "onnx"
_STEMS = ("preprocess", "vision_encoder", "image_encoder", "embed_tokens", "decoder_model_merged")
_ONNX_FILES = re.compile(rf"({'|'.join(_STEMS)})(_[a-z0-9]+)?\.onnx(_data)?")


def export_onnx(
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    precisions: Iterable[str] = ("fp32",),
    base_model: str | os.PathLike | None = None,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> None:
    r"""
    Writes a model of any family as ONNX files, with all else that answering takes.

    Args:
        source (`str`):
            Folder or Hub id of a checkpoint or of an output of training, as for [`convert`].
        target (`str`):
            The folder to write; it must not exist or be empty.
        precisions (`Iterable[str]`, defaults to `("fp32",)`):
            `"fp32"`, `"fp16"`, `"int8"`, `"q4"`: of embeddings and language model, of which there is a file each. Encoders and pixels
            are always in float32.
        base_model (`str`, *optional*):
            For a LoRA adapter: folder or Hub id of the model that it was trained on, by default what it names.
        overwrite (`bool`, defaults to `False`):
            Replace `target` if it is a folder that was exported before.
        on_progress (`Callable[[str, int, int], None]`, *optional*):
            Called with a step, and how much of how much of it is done.

    Raises:
        FileExistsError: if something is in `target` that must not be replaced.
        ImportError: without onnx, onnxruntime and onnxscript.
        OSError: if a part of the model is to be found nowhere, or `target` cannot be written.
        ValueError: if a precision is unknown, parts do not fit each other, or the model has something that cannot be exported.
        RuntimeError: if a file that was written does not do what the model does.
    """
    source, target = os.fspath(source), Path(target)
    report = on_progress or (lambda step, completed, total: None)
    _check_installed()
    from .onnx_decoder import check_language_model, decoder_graph
    from .onnx_graphs import encoder_graphs, write_traced
    from .onnx_precisions import check_precisions, embeddings_graph, suffix
    from .onnx_preprocessing import preprocessing_graph

    precisions = check_precisions(precisions)
    with replacing(target) as folder:
        check_target(target, source, overwrite, _is_own_file)
        report(f"Loading {source}", 0, 1)
        loaded = load_model(source, {}, None if base_model is None else os.fspath(base_model), torch.float32)
        report(f"Loading {source}", 1, 1)
        model = loaded.model.eval().requires_grad_(False)
        check_language_model(model.model.language_model)
        onnx_folder = folder / ONNX_FOLDER
        onnx_folder.mkdir()
        encoders = encoder_graphs(model)
        step, total = "Writing ONNX files", 1 + len(encoders) + 2 * len(precisions)
        report(step, 0, total)
        with full_disk_is_named(target):
            _write_files(folder, loaded)
            preprocessing_graph(model, loaded.processor).save(onnx_folder / "preprocess.onnx")
            report(step, 1, total)
            for completed, (stem, traced) in enumerate(encoders.items(), start=2):
                write_traced(traced, onnx_folder / f"{stem}.onnx")
                report(step, completed, total)
            for number, precision in enumerate(precisions):
                ending, completed = f"{suffix(precision)}.onnx", 1 + len(encoders) + 2 * number
                embeddings = embeddings_graph(model.get_input_embeddings(), precision)
                embeddings.save(onnx_folder / f"embed_tokens{ending}")
                report(step, completed + 1, total)
                decoder_graph(model, precision).save(onnx_folder / f"decoder_model_merged{ending}")
                report(step, completed + 2, total)


def _check_installed() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            "Exporting to ONNX needs onnx, onnxruntime and onnxscript: pip install 'transformers-mvgpt[onnx]'."
        ) from error


def _write_files(folder: Path, loaded: LoadedModel) -> None:
    """All that a model has but its weights, and the driver."""
    model = loaded.model
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    loaded.processor.save_pretrained(folder)
    for name, code in driver_files().items():
        (folder / name).write_text(code, "utf-8")


def _is_own_file(file: Path) -> bool:
    """Whether an export writes such a file or folder."""
    if file.name == ONNX_FOLDER and file.is_dir():
        return all(_ONNX_FILES.fullmatch(inner.name) for inner in file.iterdir())
    return is_native_file(file) or is_own_code(file)
