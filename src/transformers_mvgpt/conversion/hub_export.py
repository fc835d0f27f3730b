# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A complete Hub repository in a folder: it works with this package and without it."""

import os
import re
from pathlib import Path

from . import remote_code
from .card_metadata import CARD_FILE, is_repository_id, read_metadata
from .model_card import is_as_made, make_card
from .model_sources import LoadedModel, load_model
from .native_folder import OWN_FILES, OnProgress, check_written, write_native_folder
from .private_content import check_nothing_private
from .target_folder import check_target, replacing


# The code of an older version of this package may have had other files.
_OWN_FILES = re.compile(rf"{OWN_FILES.pattern}|{re.escape(CARD_FILE)}|\w+_(mvgpt|videomamba)\.py")


def export_hub(
    source: str | os.PathLike,
    target: str | os.PathLike,
    *,
    repository: str | None = None,
    base_model: str | os.PathLike | None = None,
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
        overwrite (`bool`, defaults to `False`):
            Replace `target` if it is a folder that was exported before.
        on_progress (`Callable[[str, int, int], None]`, *optional*):
            Called with a step, and how much of how much of it is done.

    Raises:
        FileExistsError: if something is in `target` that must not be replaced, an edited model card included.
        OSError: if a part of the model is to be found nowhere, or `target` cannot be written.
        ValueError: if parts do not fit each other, or the folder would publish something private.
        ImportError: if merging a LoRA adapter needs a package that is not installed.
        RuntimeError: if what was written is not what was read.
    """
    source, target = os.fspath(source), Path(target)
    report = on_progress or (lambda step, completed, total: None)
    check_target(target, source, overwrite, _OWN_FILES)
    if (card_file := target / CARD_FILE).exists() and not is_as_made(card_file):
        raise FileExistsError(
            f"{card_file} was edited after the export and is not replaced: move it out of the folder first."
        )

    report(f"Loading {source}", 0, 1)
    loaded = load_model(source, {}, None if base_model is None else os.fspath(base_model))
    report(f"Loading {source}", 1, 1)
    repository = repository or target.absolute().name
    metadata = read_metadata(source, loaded.model.config, repository.rpartition("/")[2])
    card = make_card(loaded.model, metadata, repository)
    prepare(loaded)
    with replacing(target) as folder:
        report(f"Writing {target}", 0, 1)
        written = write_native_folder(folder, loaded)
        card.save(folder / CARD_FILE)
        check_nothing_private(folder, source)
        report(f"Writing {target}", 1, 1)
        check_written(folder, loaded, written, report)


def prepare(loaded: LoadedModel) -> None:
    """Gives a model and its processor what they need in a Hub repository, and takes out what does not belong there."""
    for name in ("image_mm_vision_tower", "mm_vision_tower"):
        encoder = getattr(loaded.model.config, name)
        if encoder is not None and not is_repository_id(encoder):
            setattr(loaded.model.config, name, None)
    # what is written is not made up of the config any more
    loaded.model.generation_config._from_model_config = False
    remote_code.attach(loaded)
