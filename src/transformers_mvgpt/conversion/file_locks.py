# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Locks of files that die with their process, whatever it is killed by."""

import contextlib
import os
import threading
from collections.abc import Iterator


try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


# The system's locks are of processes: two threads of one would both get it.
_held: set[str] = set()
_held_lock = threading.Lock()


@contextlib.contextmanager
def locked(path: str | os.PathLike, message: str) -> Iterator[None]:
    """
    Holds a lock file, which is made for that and removed afterwards. Processes that are forked meanwhile do not hold it. Where the file
    system has no locks, there is none.

    Args:
        path (`str`): the file.
        message (`str`): of the error.

    Raises:
        FileExistsError: if another process, or another thread of this one, holds it.
    """
    name = os.path.realpath(path)
    with _held_lock:
        if name in _held:
            raise FileExistsError(message)
        _held.add(name)
    descriptor = None
    try:
        descriptor = _lock(name, message)
        yield
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.unlink(name)
            os.close(descriptor)
        with _held_lock:
            _held.remove(name)


def _lock(name: str, message: str) -> int:
    while True:
        # no other descriptor of the file may be opened in this process: the lock would go when that is closed
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is not None:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.stat(name), os.fstat(descriptor)):
                return descriptor
        except (BlockingIOError, PermissionError) as error:
            os.close(descriptor)
            raise FileExistsError(message) from error
        except FileNotFoundError:
            pass
        except OSError:  # a file system without locks
            return descriptor
        os.close(descriptor)  # its holder has removed it in between
