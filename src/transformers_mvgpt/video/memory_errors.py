# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Memory that runs out while a video is read, as an error of that video: whoever goes through many can go on."""

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


# How torch's allocator on the CPU, OpenCV's, and FFmpeg's (in TorchCodec and decord) put it.
_SIGNS = (
    "DefaultCPUAllocator",
    "Insufficient memory",
    "Failed to allocate",
    "Cannot allocate memory",
    "Could not allocate",
)


@contextmanager
def explain_memory_errors(what: Callable[[], str]) -> Iterator[None]:
    """
    Args:
        what (`Callable`): returns what did not fit, the subject of a sentence.

    Raises:
        ValueError: where memory runs out, with the error of the allocator as its cause.
    """
    try:
        yield
    except Exception as error:
        if not is_memory_error(error):
            raise
        raise ValueError(
            f"{what()} needs more memory than there is: scale it down, sample fewer frames, or lower `max_pixels_per_frame` and "
            "`max_decoded_bytes` of `untrusted_input=UntrustedInput(...)` to have such videos refused."
        ) from error


def is_memory_error(error: BaseException) -> bool:
    """Whether an error, or one that it was made of, says that memory ran out."""
    torch = sys.modules.get("torch")
    kinds = (MemoryError,) if torch is None else (MemoryError, torch.OutOfMemoryError)
    if isinstance(error, kinds) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    # `cv2.error` and what Pillow raises are no `RuntimeError`; a `ValueError` is the package's own, about something else
    if not isinstance(error, ValueError) and any(sign in str(error) for sign in _SIGNS):
        return True
    return error.__cause__ is not None and is_memory_error(error.__cause__)
