# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
transformers 5.20 makes the nested configs of a config by itself, from its `sub_configs_defaults`.

Remove when transformers 5.19 is no longer supported: `SubConfigSpec` is then imported from
`transformers.configuration_utils`, and nothing is left of `WithSubConfigs`.
"""

from typing import Any, ClassVar

from transformers import PreTrainedConfig


try:
    from transformers.configuration_utils import SubConfigSpec

    class WithSubConfigs:
        """A config with `sub_configs_defaults`: the installed transformers makes the nested ones."""

except ImportError:
    from transformers import AutoConfig

    class SubConfigSpec:  # type: ignore[no-redef]
        """As transformers 5.20's, as far as a nested config that is always there needs it."""

        def __init__(self, config_class: Any, model_type: str | None = None, init_kwargs: dict | None = None):
            self.config_class = config_class
            self.model_type = model_type or config_class.model_type
            self.init_kwargs = init_kwargs or {}

        def make(self, name: str, config: dict | PreTrainedConfig | None) -> PreTrainedConfig:
            """
            Raises:
                TypeError, ValueError: if the field of this name holds none of these, or an unknown `model_type`.
            """
            if isinstance(config, PreTrainedConfig):
                return config
            if config is not None and not isinstance(config, dict):
                raise TypeError(f"`{name}` must be a `dict`, `PreTrainedConfig`, or `None`, got `{type(config)}`")
            fields = self.init_kwargs if config is None else config
            if issubclass(self.config_class, PreTrainedConfig):
                return self.config_class(**fields)
            fields = dict(fields)
            return AutoConfig.for_model(fields.pop("model_type", self.model_type), **fields)

    class WithSubConfigs:  # type: ignore[no-redef]
        """A config whose nested ones are made of its `sub_configs_defaults`."""

        sub_configs_defaults: ClassVar[dict[str, Any]] = {}
        sub_configs: ClassVar[dict[str, Any]] = {}

        def __init_subclass__(cls, **kwargs):
            defaults = {
                name: spec if isinstance(spec, SubConfigSpec) else SubConfigSpec(spec)
                for name, spec in cls.sub_configs_defaults.items()
            }
            cls.sub_configs_defaults = defaults
            cls.sub_configs = {name: spec.config_class for name, spec in defaults.items()}
            super().__init_subclass__(**kwargs)

        def __post_init__(self, **kwargs):
            for name, spec in self.sub_configs_defaults.items():
                setattr(self, name, spec.make(name, getattr(self, name)))
            super().__post_init__(**kwargs)  # type: ignore[misc]


__all__ = ["SubConfigSpec", "WithSubConfigs"]
