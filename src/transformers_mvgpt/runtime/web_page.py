# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
A static web page that asks an exported model about videos, in the visitor's browser. Its files are in `web_page_files/`:

    index.html, page.js     what is seen, and what happens on it
    frames.js, sampling.js  a video to its sampled frames
    answering.js            the model, in a thread of its own (model_worker.js)
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..video.limits import shorten
from .onnx_folder import PRECISIONS, ExportedFolder, is_exported_folder
from .web_packages import WEB_PACKAGES, cache_folder, fetch_web_packages


_FILES = Path(__file__).parent / "web_page_files"
_MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)
_ENCODERS = ("preprocess.onnx", "vision_encoder.onnx", "image_encoder.onnx")
_DECODERS = ("embed_tokens{}.onnx", "decoder_model_merged{}.onnx")
# What the folder of a page has, so that nobody else's is replaced.
_MARK = "page.json"
_CLIP = "clip.mp4"
_NUM_EXAMPLES = 4
_DEMO_TITLE = "A small Mobile-VideoGPT, trained on drawn shapes,"


def write_web_page(
    folder: str | os.PathLike,
    *,
    model: str | os.PathLike | None = None,
    precision: str = "fp32",
    vendored: str | os.PathLike | None = None,
    overwrite: bool = False,
) -> None:
    """
    Writes the page with a model. It needs no server but one for files.

    Args:
        folder (`str`): where to.
        model (`str`, *optional*):
            An exported folder, or a checkpoint as [`export_onnx`] takes it, which is exported; the small model of the package by default.
        precision (`str`, defaults to `"fp32"`): which of the model's files, one of `PRECISIONS`.
        vendored (`str`, *optional*):
            Folder of the packages that the page runs on. What it lacks is fetched with npm, by default to a folder of the user's cache.
        overwrite (`bool`): whether a page that is there may be replaced.

    Raises:
        FileExistsError: if something is there that must not be replaced.
        FileNotFoundError: if the model lacks files of this precision, or there is no npm.
        OSError, ValueError: as [`fetch_web_packages`] and [`export_onnx`].
    """
    from ..conversion.target_folder import replacing

    target = Path(folder)
    if precision not in PRECISIONS:
        raise ValueError(f"`precision` ({shorten(repr(precision))}) must be one of {', '.join(PRECISIONS)}.")
    _check_target(target, overwrite)
    packages = Path(vendored) if vendored is not None else cache_folder()
    fetch_web_packages(packages)
    with _exported(model, precision) as source, replacing(target) as new:
        _copy_page(new)
        _copy_packages(packages, new / "vendored")
        _copy_model(source, new / "model", precision)
        _write_settings(new, precision, _DEMO_TITLE if model is None else None)


def _check_target(target: Path, overwrite: bool) -> None:
    if not os.path.lexists(target):
        return
    if not target.is_dir():
        raise FileExistsError(f"{target} is a file: choose a folder that does not exist yet.")
    if not any(target.iterdir()):
        return
    if not overwrite:
        raise FileExistsError(
            f"{target} is not empty: choose another folder, or let it be replaced (`overwrite=True`, `--overwrite`)."
        )
    known = {path.name for path in _FILES.iterdir()} | {"model", "vendored", "README.md", _MARK, _CLIP}
    foreign = sorted(path.name for path in target.iterdir() if path.name not in known)
    if foreign or not (target / _MARK).is_file():
        what = f"it holds {', '.join(foreign[:3])}" if foreign else f"it has no {_MARK}"
        raise FileExistsError(
            f"{target} is not a page of this package and is not replaced ({what}): choose another folder."
        )


@contextmanager
def _exported(model: str | os.PathLike | None, precision: str) -> Iterator[Path]:
    """The exported folder of a model, made for this page if need be."""
    if model is not None and is_exported_folder(model):
        yield Path(model)
        return
    from ..demo import CHECKPOINT
    from .onnx_export import export_onnx

    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch, "model")
        export_onnx(CHECKPOINT if model is None else model, target, precisions=[precision])
        yield target


def _copy_page(new: Path) -> None:
    for path in _FILES.iterdir():
        if path.suffix in (".html", ".css", ".js", ".svg"):
            shutil.copyfile(path, new / path.name)
    shutil.copyfile(_FILES / "readme.md", new / "README.md")


def _copy_packages(packages: Path, place: Path) -> None:
    for package in WEB_PACKAGES:
        shutil.copytree(packages / package.folder_name, place / package.folder_name)


def _copy_model(source: Path, place: Path, precision: str) -> None:
    graphs = [name.format(PRECISIONS[precision]) for name in (*_ENCODERS, *_DECODERS)]
    # the page asks for all files of a family, and would not begin without one
    is_one_encoder = ExportedFolder(source).family.placeholders.keys() != {"image", "video"}
    optional = {"generation_config.json"} | ({"image_encoder.onnx"} if is_one_encoder else set())
    (place / "onnx").mkdir(parents=True)
    for name in (*_MODEL_FILES, *(f"onnx/{name}" for name in graphs)):
        path = source / name
        if path.is_file():
            shutil.copyfile(path, place / name)
        elif path.name not in optional or os.path.lexists(path):
            raise FileNotFoundError(
                f"{source} has no {name}: export the model with `mvgpt export-onnx` and `--precision {precision}`."
            )
        for weights in (source / "onnx").glob(f"{path.name}_data*"):
            shutil.copyfile(weights, place / "onnx" / weights.name)


def _write_settings(new: Path, precision: str, title: str | None) -> None:
    """What page.js reads first, and the clip that it can show."""
    from ..demo import CLIP, CLIP_SEED, make_clip

    shutil.copyfile(CLIP, new / _CLIP)
    questions = [question.text for question in make_clip(CLIP_SEED, "test").questions[:_NUM_EXAMPLES]]
    settings = {"model": "model/", "precision": precision, "title": title, "clip": _CLIP, "questions": questions}
    (new / _MARK).write_text(json.dumps(settings, indent=2) + "\n")
