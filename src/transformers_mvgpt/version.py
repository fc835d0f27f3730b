# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The version of the installed package."""

from importlib.metadata import version


__version__ = version("transformers-mvgpt")
