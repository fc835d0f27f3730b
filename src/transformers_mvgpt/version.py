# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The version of the installed package."""

from importlib.metadata import PackageNotFoundError, version


try:
    __version__ = version("transformers-mvgpt")
except PackageNotFoundError:  # the source is used without having been installed
    __version__ = "0+unknown"
