# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Whether a model is where it is said to be: in a folder, or in a repository on the Hugging Face Hub."""

import os

from huggingface_hub import HfApi, constants, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from huggingface_hub.utils import HFValidationError, validate_repo_id

from ..video.limits import shorten


# By one of them, a repository is known to be in the cache.
_CONFIG_FILES = ("config.json", "adapter_config.json")
_SECONDS_TO_ANSWER = 10


def check_location(model: str | os.PathLike, hint: str = "") -> None:
    """
    Looks for a model without loading anything. That there is no such folder is a better message than that the Hub has no such repository, or
    that it cannot be reached; and it comes at once, where loading would try for minutes.

    Args:
        model (`str`): folder or repository.
        hint (`str`): what to do if it is not there; by default, to check the path.

    Raises:
        FileNotFoundError: if there is no such folder, and no repository of this name can be had.
        NotADirectoryError: if it is a file.
    """
    name = os.fspath(model)
    if os.path.isdir(name):
        return
    if os.path.lexists(name):
        raise NotADirectoryError(
            f"'{shorten(name)}' is a file, and a model is a folder: name the folder that it is in."
        )
    missing = f"There is no model folder '{shorten(name)}'"
    if _is_path(name):
        raise FileNotFoundError(f"{missing}. {hint or _CHECK_PATH}")
    if any(isinstance(try_to_load_from_cache(name, file), str) for file in _CONFIG_FILES):
        return
    if constants.HF_HUB_OFFLINE:
        raise FileNotFoundError(
            f"{missing}, and no repository of this name in the cache, which is all there is to look at offline (HF_HUB_OFFLINE). "
            f"{hint or 'Check the name, or go online.'}"
        )
    try:
        HfApi().model_info(name, timeout=_SECONDS_TO_ANSWER)
    except RepositoryNotFoundError as error:
        raise FileNotFoundError(
            f"{missing}, and no repository of this name on the Hub, or none that you may see. "
            f"{hint or 'Check the name; for a private repository, log in with `hf auth login`.'}"
        ) from error
    except HfHubHTTPError:
        return  # it is there, or loading says more
    except Exception as error:  # of whichever library carries the request
        raise FileNotFoundError(
            f"{missing}, no repository of this name in the cache, and {constants.ENDPOINT} cannot be reached to look for one "
            f"({shorten(str(error))}). {hint or 'Check the name and the network.'}"
        ) from error


_CHECK_PATH = "Check the path, or name a repository on the Hub as 'owner/name'."


def _is_path(name: str) -> bool:
    """Whether it can be no repository: `./x`, `x/`, `~/x`, `a/b/c`. That there is a folder `owner` says nothing about `owner/name`."""
    parent, last = os.path.split(name)
    if not last or parent in ("", ".", "..") or name.startswith("~"):
        return True
    try:
        validate_repo_id(name)
    except HFValidationError:
        return True
    return False
