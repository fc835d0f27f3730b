# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A model as ONNX files in one folder, which need neither PyTorch nor transformers nor this package."""

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..compat.safetensors_files import full_disk_is_named
from ..conversion.card_metadata import CARD_FILE
from ..conversion.code_closure import is_own_code
from ..conversion.hub_export import check_nothing_private, take_out_private_sources
from ..conversion.loading import LoadedModel, load_model
from ..conversion.model_card import check_card
from ..conversion.native_folder import OnProgress, is_native_file
from ..conversion.target_folder import check_target, replacing
from .driver_files import driver_files
from .onnx_folder import MODEL_KEY


# Where the graphs are, as in transformers.js' repositories.
ONNX_FOLDER = "onnx"
_STEMS = ("preprocess", "vision_encoder", "image_encoder", "embed_tokens", "decoder_model_merged")
_OWN_IN_FOLDERS = {
    ONNX_FOLDER: re.compile(rf"({'|'.join(_STEMS)})(_[a-z0-9]+)?\.onnx(_data)?"),
    "__pycache__": re.compile(r"mvgpt_onnx.*\.pyc"),
}
_NUM_DIGESTED = 256
_WRITING = "Writing and checking ONNX files"


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
        FileExistsError: if something is in `target` that must not be replaced, an edited model card included.
        ImportError: without onnx, onnxruntime and onnxscript.
        OSError: if a part of the model is to be found nowhere, or `target` cannot be written.
        ValueError: if a precision is unknown, parts do not fit each other, or the model has something that cannot be exported.
        RuntimeError: if a file that was written does not do what the model does.
    """
    source, target = os.fspath(source), Path(target)
    report = on_progress or (lambda step, completed, total: None)
    check_installed()
    from .onnx_card import make_onnx_card
    from .onnx_decoder import check_language_model
    from .onnx_precisions import check_precisions

    precisions = check_precisions(precisions)
    with replacing(target) as folder:
        check_target(target, source, overwrite, _is_own_file)
        check_card(target / CARD_FILE)
        report(f"Loading {source}", 0, 1)
        loaded = load_model(source, {}, None if base_model is None else os.fspath(base_model), torch.float32)
        report(f"Loading {source}", 1, 1)
        model = loaded.model.eval().requires_grad_(False)
        check_language_model(model.model.language_model)
        onnx_folder = folder / ONNX_FOLDER
        onnx_folder.mkdir()
        with full_disk_is_named(target):
            _write_files(folder, loaded)
            files = list(_files(onnx_folder, loaded, precisions))
            for completed, write in enumerate(files):
                report(_WRITING, completed, len(files))
                write()
            report(_WRITING, len(files), len(files))
            card = make_onnx_card(model, onnx_folder, source, target.absolute().name, precisions)
            card.save(folder / CARD_FILE)
        check_nothing_private(folder, source)


def _files(folder: Path, loaded: LoadedModel, precisions: Iterable[str]) -> Iterator[Callable[[], None]]:
    """For each file a function that writes it, and runs it beside the model."""
    from .onnx_checks import FileCheck
    from .onnx_decoder import decoder_graph
    from .onnx_graphs import encoder_graphs, write_traced
    from .onnx_nodes import add_metadata
    from .onnx_precisions import embeddings_graph, suffix
    from .onnx_preprocessing import preprocessing_graph

    model: Any = loaded.model
    check = FileCheck(folder, model)
    digest = _digest(model)

    def sign(file: str) -> None:
        add_metadata(folder / file, MODEL_KEY, digest)

    def write_preprocessing() -> None:
        preprocessing_graph(model, loaded.processor).save(folder / "preprocess.onnx")
        sign("preprocess.onnx")
        check.preprocessing(loaded.processor)

    def write_encoder(stem: str, traced: Any) -> None:
        write_traced(traced, folder / f"{stem}.onnx")
        sign(f"{stem}.onnx")
        check.encoder(stem, traced)

    def write_embeddings(precision: str) -> None:
        file = f"embed_tokens{suffix(precision)}.onnx"
        embeddings_graph(model.get_input_embeddings(), precision).save(folder / file)
        sign(file)
        check.embeddings(file, precision)

    def write_decoder(precision: str) -> None:
        file = f"decoder_model_merged{suffix(precision)}.onnx"
        decoder_graph(model, precision).save(folder / file)
        sign(file)
        check.decoder(file, precision)

    yield write_preprocessing
    for stem, traced in encoder_graphs(model).items():
        yield partial(write_encoder, stem, traced)
    for precision in precisions:
        yield partial(write_embeddings, precision)
        yield partial(write_decoder, precision)


def _digest(model: torch.nn.Module) -> str:
    """What tells models of one shape apart: of the first and last numbers of each weight, as training changes all of them."""
    digest = hashlib.sha256()
    for name, weight in model.state_dict().items():
        values = weight.flatten()
        some = torch.cat([values[:_NUM_DIGESTED], values[-_NUM_DIGESTED:]]).to(torch.float32).numpy()
        digest.update(f"{name} {tuple(weight.shape)}".encode() + some.tobytes())
    return digest.hexdigest()[:32]


def check_installed() -> None:
    """
    Raises:
        ImportError: without what an export needs.
    """
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
    take_out_private_sources(loaded)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    loaded.processor.save_pretrained(folder)
    for name, code in driver_files().items():
        (folder / name).write_text(code, "utf-8")


def _is_own_file(file: Path) -> bool:
    """Whether an export writes such a file or folder, or Python when the driver in it runs."""
    if file.is_dir() and file.name in _OWN_IN_FOLDERS:
        return all(_OWN_IN_FOLDERS[file.name].fullmatch(inner.name) for inner in file.iterdir())
    return is_native_file(file) or file.name == CARD_FILE or is_own_code(file)
