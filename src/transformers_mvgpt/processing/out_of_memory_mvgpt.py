# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""An error that says what to lower where memory runs out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


_SIGNS = ("DefaultCPUAllocator: can't allocate memory", "MPS backend out of memory")


@contextmanager
def explain_out_of_memory(explain: Callable[[], str]) -> Iterator[None]:
    """
    Puts an explanation before the message of an allocator, on any device.

    Args:
        explain (`Callable`): returns what did not fit and what to lower, a sentence.

    Raises:
        torch.OutOfMemoryError: where memory runs out. It is a `RuntimeError`, which is what the CPU's allocator raises.
    """
    try:
        yield
    except RuntimeError as error:
        message = str(error)
        if not isinstance(error, torch.OutOfMemoryError) and not any(sign in message for sign in _SIGNS):
            raise
        # the original words stay: accelerate knows by them that a smaller batch may help
        raise torch.OutOfMemoryError(f"{explain()} {message.partition(chr(10))[0]}") from error
