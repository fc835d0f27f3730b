# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The folder that paths in data are relative to, and that they do not leave."""

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ..video.given_decoders import file_of_decoder
from ..video.limits import shorten
from ..video.sources import is_noted_file, path_of_address


_ADDRESS = re.compile(r"(https?|data):", re.IGNORECASE)
_FILE_ADDRESS = re.compile(r"file:", re.IGNORECASE)


class MediaFolder:
    """
    Turns what rows name into paths and addresses that can be opened.

    Args:
        folder (`str`):
            What paths are relative to.
        anywhere (`bool`, defaults to `False`):
            Whether paths may leave it.
    """

    def __init__(self, folder: str | os.PathLike, anywhere: bool = False):
        self.folder, self.anywhere = os.fspath(folder), anywhere
        # files lie in few folders, and links are followed by asking about each part of a path
        self._real_folder = lru_cache(maxsize=4096)(os.path.realpath)

    def locate(self, source: Any, key: str) -> Any:
        """
        Args:
            source: a path, a `file:` address, another address, a mapping with `bytes` or `path`, or a decoded picture or video or an
                open `VideoDecoder`, which stay as they are.
            key (`str`): where the row has it, for the message.

        Raises:
            ValueError: if it is no source, or a path that leaves the folder, also by a link.
        """
        if source is None or isinstance(source, (bool, int, float)) or (isinstance(source, str) and not source):
            raise ValueError(f"`{key}` is {source!r}, not a path or address")
        if isinstance(source, Mapping):  # as `datasets` has files that it has not decoded
            if not is_noted_file(source):
                raise ValueError(
                    f"`{key}` is None, not a path or address: it has the keys {shorten(list(source))}, a file has `bytes` and `path`"
                )
            return self.locate(source.get("path"), key) if source.get("bytes") is None else source["bytes"]
        if (noted := file_of_decoder(source)) is not None:
            self.locate(noted, key)
        if isinstance(source, (list, tuple)) and any(isinstance(one, (str, os.PathLike, Mapping)) for one in source):
            raise ValueError(f"`{key}` is a list of files: name one, or a folder of frames")
        if not isinstance(source, (str, os.PathLike)):
            return source
        name = os.fspath(source)
        if _ADDRESS.match(name):
            return name
        path = name
        if _FILE_ADDRESS.match(name):
            named = path_of_address(name)
            if named is None:
                raise ValueError(f"`{key}` is {shorten(name)!r}, which is on another machine")
            path = named
        path = os.path.join(self.folder, path)
        if not self.anywhere and not self._is_inside(path):
            raise ValueError(
                f"`{key}` is {shorten(name)!r}, which leads out of the media folder {shorten(os.path.abspath(self.folder))!r}: set "
                "`media_folder` to a folder that holds all files, or allow it with `media_anywhere` if you trust the data"
            )
        return path

    def _is_inside(self, path: str) -> bool:
        try:
            head, tail = os.path.split(path)
            real = os.path.join(self._real_folder(head), tail)
            if tail in ("", os.curdir, os.pardir) or os.path.islink(real):
                real = os.path.realpath(path)
            root = self._real_folder(self.folder)
        except ValueError:  # a zero, or half of a surrogate pair: nothing can be opened there
            return True
        return real == root or real.startswith(os.path.join(root, ""))

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "anywhere": self.anywhere}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]
