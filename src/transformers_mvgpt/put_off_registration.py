# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""When importing the package does not register it: where torch or transformers is missing, and for `transformers_mvgpt.runtime`."""

import importlib.util
import sys
from collections.abc import Callable, Collection
from types import FrameType
from typing import Any


_REQUIREMENTS = ("torch", "transformers")


def may_register(package: str) -> bool:
    """
    Whether the package, which is being imported, is to be registered at once.

    It is not while it is imported for its `runtime` alone, which a process runs to have neither torch nor transformers in memory; unless
    transformers is there anyway.
    """
    if missing_requirements():
        return False
    return "transformers" in sys.modules or not _is_imported_for(f"{package}.runtime")


def is_run_as_command(package: str) -> bool:
    """Whether this process is `python -m transformers_mvgpt.cli`, for which Python is importing the package."""
    # while `-m` looks for a module, it stands in place of its path, and all behind it are its arguments
    if sys.argv[:1] != ["-m"]:
        return False
    name = "".join(sys.orig_argv[len(sys.orig_argv) - len(sys.argv) :][:1])
    return name.removeprefix("-m") in (f"{package}.cli", f"{package}.cli.__main__")


def register() -> None:
    """Loads transformers, and makes the families known to it, once in a process."""
    from .registration import register_all

    register_all()


def registered_first(load: Callable[[str], Any], names: Collection[str]) -> Callable[[str], Any]:
    """
    `__getattr__` of a package whose registration may have been put off: `load`, but before one of `names` it registers.

    Raises:
        ImportError: where that cannot be, because torch or transformers is not installed.
    """

    def load_registered(name: str) -> Any:
        if name in names:
            if missing := missing_requirements():
                raise ImportError(
                    f"`{name}` needs {' and '.join(missing)}, which {'are' if len(missing) > 1 else 'is'} not installed: `pip install "
                    "transformers-mvgpt` brings all it needs. Exported models run without: `from transformers_mvgpt.runtime import "
                    "OnnxVideoChat`."
                )
            register()
        return load(name)

    return load_registered


def missing_requirements() -> list[str]:
    """Those of torch and transformers that are not installed."""
    return [name for name in _REQUIREMENTS if not _is_installed(name)]


def _is_installed(name: str) -> bool:
    if name in sys.modules:
        return sys.modules[name] is not None
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False


def _is_imported_for(module: str) -> bool:
    """
    Whether the import under way, from the call of the function that asks for it on, is of `module` or one in it. Python imports the package
    of a module first, and says nowhere why: only the functions that do it know the name. Where they are others, the answer is no.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not _is_of_importlib(frame):
        frame = frame.f_back
    while frame is not None and _is_of_importlib(frame):
        name = frame.f_locals.get("name") if frame.f_code.co_name == "_find_and_load" else None
        if isinstance(name, str) and f"{name}.".startswith(f"{module}."):
            return True
        frame = frame.f_back
    return False


def _is_of_importlib(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith("<frozen importlib.")
