# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A complete Hub repository in a folder: it works with this package and without it."""

import os
import re
from pathlib import Path

from huggingface_hub import get_token
from transformers import PreTrainedConfig

from ..compat.safetensors_files import full_disk_is_named
from ..families import family_of
from .card_metadata import CARD_FILE, read_metadata
from .code_closure import is_own_code
from .encoder_sources import is_repository_id
from .loading import LoadedModel, load_model
from .model_card import check_card, make_card
from .native_folder import OnProgress, check_written, is_native_file, write_native_folder
from .remote_code import RemoteCode
from .target_folder import check_target, replacing


_TEXT_FILES = {".json", ".jinja", ".md", ".py", ".txt"}
# Their words come from the texts that a tokenizer was trained on.
_VOCABULARIES = {"tokenizer.json", "vocab.json", "merges.txt"}
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{30,}\b")


def export_hub(
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    repository: str | None = None,
    base_model: str | os.PathLike | None = None,
    plain: bool = False,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> None:
    r"""
    Writes what [`convert`] writes, the code of the model and its processing, and a model card. The folder loads without this
    package, with `trust_remote_code=True`, and with it, without.

    Args:
        source (`str`):
            Folder or Hub id of a checkpoint or of an output of training, as for [`convert`].
        target (`str`):
            The folder to write; it must not exist or be empty.
        repository (`str`, *optional*):
            What the examples in the card load; by default the name of `target`.
        base_model (`str`, *optional*):
            For a LoRA adapter: folder or Hub id of the model that it was trained on, by default what it names.
        plain (`bool`, defaults to `False`):
            Leave out the code of the faster paths: what numba or Triton compiles, and CUDA graphs. The answers are the same, and
            there is less code to read before it is trusted. The package, which has all of it, does not save it plain again.
        overwrite (`bool`, defaults to `False`):
            Replace `target` if it is a folder that was exported before.
        on_progress (`Callable[[str, int, int], None]`, *optional*):
            Called with a step, and how much of how much of it is done.

    Raises:
        FileExistsError: if something is in `target` that must not be replaced, an edited model card included.
        OSError: if a part of the model is to be found nowhere, or `target` cannot be written.
        ValueError: if parts do not fit each other, the folder would publish something private, or the config names an
            implementation of the selective scan that a plain export has not.
        ImportError: if merging a LoRA adapter needs a package that is not installed.
        RuntimeError: if what was written is not what was read.
    """
    source, target = os.fspath(source), Path(target)
    report = on_progress or (lambda step, completed, total: None)
    with replacing(target) as folder:
        check_target(target, source, overwrite, _is_own_file)
        check_card(target / CARD_FILE)

        report(f"Loading {source}", 0, 1)
        loaded = load_model(source, {}, None if base_model is None else os.fspath(base_model))
        report(f"Loading {source}", 1, 1)
        if plain:
            _check_plain_runs(loaded.model.config)
        repository = repository or target.absolute().name
        metadata = read_metadata(source, loaded.model.config, repository.rpartition("/")[2])
        card = make_card(loaded.model, metadata, repository, source)
        code = prepare(loaded)
        report(f"Writing {target}", 0, 1)
        with full_disk_is_named(target):
            written = write_native_folder(folder, loaded)
            if plain:
                for file in folder.glob("*.py"):
                    file.unlink()
                code.write(folder, plain=True)
            card.save(folder / CARD_FILE)
        check_nothing_private(folder, source)
        report(f"Writing {target}", 1, 1)
        check_written(folder, loaded, written, report)


def prepare(loaded: LoadedModel) -> RemoteCode:
    """
    Gives a model and its processor what they need in a Hub repository, and takes out what does not belong there.

    Returns:
        [`RemoteCode`]: the code that they are saved with.
    """
    take_out_private_sources(loaded)
    code = RemoteCode(family_of(loaded.model.config))
    code.attach(loaded)
    return code


def take_out_private_sources(loaded: LoadedModel) -> None:
    """Takes out of a config what is a folder of this computer."""
    config = loaded.model.config
    for name in config.encoder_source_fields:
        source = getattr(config, name)
        if source is not None and not is_repository_id(source):
            setattr(config, name, None)
    # what is written is not made up of the config any more
    loaded.model.generation_config._from_model_config = False


def _check_plain_runs(config: PreTrainedConfig) -> None:
    for name, part in vars(config).items():
        scan = getattr(part, "scan_implementation", "auto")
        if scan not in ("auto", "torch"):
            raise ValueError(
                f"`{name}.scan_implementation` is {scan!r}, which a plain export has not: set it to 'auto' or 'torch', or "
                "export without `plain` (`--plain`)."
            )


def _is_own_file(file: Path) -> bool:
    """Whether an export writes such a file, of whatever version: code is recognized by what it says, not by its name."""
    return is_native_file(file) or file.name == CARD_FILE or is_own_code(file)


def check_nothing_private(folder: Path, source: str) -> None:
    """
    Args:
        folder (`Path`): the folder.
        source (`str`): where its model came from.

    Raises:
        ValueError: if a file holds a path of this computer or an access token.
    """
    paths = [str(Path.home()), str(folder.parent), os.path.abspath(source) if os.path.isdir(source) else ""]
    for file in sorted(folder.iterdir()):
        if file.suffix not in _TEXT_FILES or file.name in _VOCABULARIES:
            continue
        text = file.read_text(encoding="utf-8")
        if _TOKEN.search(text) or ((token := get_token()) and token in text):
            raise ValueError(f"{file.name} would publish an access token: remove it from {source}.")
        for path in paths:
            if len(path) > 1 and re.search(rf"{re.escape(path)}(?!\w)", text):
                raise ValueError(
                    f"{file.name} would publish a path of this computer, {path}: remove it from {source}."
                )
