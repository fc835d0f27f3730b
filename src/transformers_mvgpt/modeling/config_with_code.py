# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A config of a Hub repository with remote code, which does not ask the package's users to trust that code."""

import os
from typing import Any, ClassVar

from .checked_config import CheckedConfig


class ConfigWithCode(CheckedConfig):
    """
    In the package, a config that was loaded with an `auto_map` is saved with it and with the code that it names, so that the
    folder still works without the package. Remote code is copied by transformers itself.
    """

    # Has `config_entries` (`dict`) and `write(folder)`. Reading files is not the config's business: the package sets this.
    remote_code: ClassVar[Any] = None

    def __post_init__(self, **kwargs):
        super().__post_init__(**kwargs)
        # TRL reads it of any config; where there is no remote code, transformers looks for names in it and finds none
        self.auto_map = getattr(self, "auto_map", None) or {}

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **kwargs):
        """As [`~PreTrainedConfig.from_dict`]; the package leaves `custom_pipelines` out."""
        if cls.remote_code is not None:
            # `pipeline` would ask for trust in them, although the package has registered its own
            config_dict = {name: value for name, value in config_dict.items() if name != "custom_pipelines"}
        return super().from_dict(config_dict, **kwargs)

    def to_dict(self) -> dict[str, Any]:
        output = super().to_dict()
        if not output.get("auto_map"):
            output.pop("auto_map", None)
        return output | self.remote_code.config_entries if self._comes_with_code() else output

    def save_pretrained(self, save_directory: str | os.PathLike, push_to_hub: bool = False, **kwargs):
        if self._comes_with_code():
            self.remote_code.write(save_directory)
        return super().save_pretrained(save_directory, push_to_hub=push_to_hub, **kwargs)

    def _comes_with_code(self) -> bool:
        return self.remote_code is not None and bool(getattr(self, "auto_map", None))
