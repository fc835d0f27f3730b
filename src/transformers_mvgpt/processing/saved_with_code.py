# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Processors of a Hub repository with remote code."""

import os
from typing import Any


class SavedWithCode:
    """
    In the package, a processor that was loaded with an `auto_map` is saved with the code that it names, so that the folder
    still works without the package. Remote code is copied by transformers itself.
    """

    # Has `write(folder)`. The package sets this.
    remote_code: Any = None

    def save_pretrained(self, save_directory: str | os.PathLike, *args, **kwargs):
        if self.remote_code is not None and getattr(self, "auto_map", None):
            self.remote_code.write(save_directory)
        return super().save_pretrained(save_directory, *args, **kwargs)  # type: ignore[misc]
