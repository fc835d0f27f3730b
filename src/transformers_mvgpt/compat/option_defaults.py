# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
transformers 5.23 takes the defaults of a processor's options from its class, such as `text_kwargs`; before, they stood in
`_defaults` of the class that types the options, which had to have it.

Remove when transformers 5.22 is no longer supported.
"""

import functools
from typing import Any

from transformers.processing_utils import ProcessorMixin


# what 5.23 has beside them
if hasattr(ProcessorMixin, "return_mm_token_type_ids"):

    class WithOptionDefaults:
        """A processor whose class says the defaults of its options: the installed transformers takes them from there."""

else:

    class WithOptionDefaults:  # type: ignore[no-redef]
        """A processor whose class says the defaults of its options."""

        def _merge_kwargs(self, options_class: type, *args: Any, **kwargs: Any) -> dict[str, dict[str, Any]]:
            """As [`~ProcessorMixin._merge_kwargs`]."""
            with_defaults = _with_defaults(options_class, type(self))  # type: ignore[arg-type]
            return super()._merge_kwargs(with_defaults, *args, **kwargs)  # type: ignore[misc]

    @functools.cache
    def _with_defaults(options_class: Any, processor_class: Any) -> type:
        class Options(options_class):
            """The same types; other processors share the class without the defaults."""

        names = (name for name in Options.__annotations__ if hasattr(processor_class, name))
        Options._defaults = {name: dict(getattr(processor_class, name)) for name in names}
        return Options


__all__ = ["WithOptionDefaults"]
