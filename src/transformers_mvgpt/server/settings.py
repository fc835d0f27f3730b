# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What can be set of a server."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..video.limits import UntrustedInput, shorten


@dataclass(frozen=True)
class ServerSettings:
    """
    Args:
        served_model_name (`str`): What requests call the model.
        api_key (`str`, *optional*): What clients must send as `Authorization: Bearer ...`; anyone is served without one, but for pages
            of other sites in a browser.
        is_local (`bool`): Whether the server listens to this machine alone. Without a key, names of other hosts that lead to this machine
            are then refused.
        media_folders (`Sequence[str]`): Folders below which `file:` addresses are read; none by default.
        limits ([`UntrustedInput`]): How much is taken from addresses and files, and where addresses may lead.
        max_cached_visuals (`int`), max_cached_bytes (`int`): How many encoded videos and images are kept, and their memory in bytes.
        max_waiting (`int`): Requests that may wait beside the one that is answered.
        max_request_bytes (`int`): Size of a request's body, `data:` addresses included.
        request_seconds (`float`): How long a request may take as a whole, its wait included.

    Raises:
        ValueError: if something is out of range, or a folder does not exist.
    """

    served_model_name: str
    api_key: str | None = field(default=None, repr=False)
    is_local: bool = False
    media_folders: Sequence[str | os.PathLike] = ()
    limits: UntrustedInput = UntrustedInput()
    max_cached_visuals: int = 32
    max_cached_bytes: int = 2 * 1024**3
    max_waiting: int = 32
    max_request_bytes: int = 64 * 1024**2
    request_seconds: float = 300.0

    def __post_init__(self) -> None:
        for name, lowest in (
            ("max_cached_visuals", 0),
            ("max_cached_bytes", 0),
            ("max_waiting", 0),
            ("max_request_bytes", 1024),
            ("request_seconds", 1),
        ):
            if not getattr(self, name) >= lowest:  # nor is NaN
                raise ValueError(f"`{name}` ({getattr(self, name)}) must be at least {lowest}.")
        key = self.api_key
        if key is not None and (not key or key != key.strip() or not key.isascii() or not key.isprintable()):
            raise ValueError("The API key must be printable ASCII without blanks around it, at least one character.")
        for folder in self.media_folders:
            if not os.path.isdir(folder):
                raise ValueError(
                    f"There is no folder '{shorten(os.fspath(folder))}' to read media from. Check the path."
                )
