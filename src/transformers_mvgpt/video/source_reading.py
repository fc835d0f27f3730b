# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Hands a source to what reads its kind. The decoders, and what is kept of the frames, are those of whoever asks."""

import importlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .frame_index import FrameIndex, read_mp4_index
from .frame_request import FrameRequest, UnsuitableBackend
from .reader_pyav import read_pyav
from .sources import VideoSource


class Decoder(NamedTuple):
    """
    Args:
        read (`Callable`): reads a source for a request, with the index in its header if there is one.
        module (`str`): what it imports.
        minimum_version (`str`): older ones take BT.709 colors for BT.601, or do not turn frames upright.
        requirement (`str`): what pip calls it.
    """

    read: Callable[[VideoSource, FrameRequest, FrameIndex | None], None]
    module: str
    minimum_version: str
    requirement: str

    @property
    def install_command(self) -> str:
        return f"`pip install '{self.requirement}>={self.minimum_version}'`"

    def why_unusable(self) -> str | None:
        """Nothing where it loads and is recent enough."""
        try:
            package = importlib.import_module(self.module.partition(".")[0])
            importlib.import_module(self.module)
        except (ImportError, OSError, RuntimeError) as error:
            # The latter two come from a TorchCodec that cannot load FFmpeg, with a line for each version that it tried.
            return str(error).partition("\n")[0]
        if _major_and_minor(package.__version__) < _major_and_minor(self.minimum_version):
            return f"its version {package.__version__} is older than {self.minimum_version} and gets colors or rotations wrong"
        # Since 0.16 TorchCodec loads without FFmpeg, because it also decodes images.
        if getattr(package, "ffmpeg_major_version", 0) is None:
            return "it finds no FFmpeg, which comes apart from it (`apt install ffmpeg`, `brew install ffmpeg`)"
        return None


PYAV = Decoder(read_pyav, "av", "15.0", "av")


def read_source(
    video: VideoSource,
    request_for: Callable[[VideoSource, str], FrameRequest],
    usable_decoders: Callable[[], Mapping[str, Decoder]],
) -> FrameRequest:
    """
    Args:
        video ([`VideoSource`]): what is read.
        request_for (`Callable`): returns what is wanted of a source, given it and the name of what reads it.
        usable_decoders (`Callable`): returns, of a video, those that may read it by their names, in the order of choice.

    Returns:
        [`FrameRequest`]: the request, answered.

    Raises:
        ImportError: for pictures and folders where Pillow is not installed, and what `usable_decoders` raises.
        ValueError: if it is damaged, no video, or more than the limits of the request allow.
    """
    container = None if video.is_folder else video.container()
    if container is None or container == "picture":
        return _read_with_pillow(video, request_for(video, "pillow"))
    decoders = dict(usable_decoders())
    if container == "unknown":
        request = request_for(video, next(iter(decoders)))
        raise request.unreadable("it does not begin like any kind of video that is read")
    index = None
    if container == "mp4":
        with video.open() as file:
            index = read_mp4_index(file)
    with video.with_plain_name() as plain:
        return _read_with(plain, index, request_for, decoders)


def _read_with_pillow(video: VideoSource, request: FrameRequest) -> FrameRequest:
    try:
        from .image_readers import read_folder, read_pictures
    except ImportError as error:
        what = "a folder of images" if video.is_folder else "a picture, or an animated one"
        raise ImportError(
            f"{video.title} is {what}, which Pillow reads, and that is not installed here: `pip install pillow`."
        ) from error
    read = read_folder if video.is_folder else read_pictures
    read(video, request, request.limits)
    return request


def _read_with(
    video: VideoSource,
    index: FrameIndex | None,
    request_for: Callable[[VideoSource, str], FrameRequest],
    decoders: Mapping[str, Decoder],
) -> FrameRequest:
    """With the first of these decoders that is not unsuitable for the file."""
    (name, decoder), *others = decoders.items()
    request = request_for(video, name)
    try:
        decoder.read(video, request, index)
        return request
    except UnsuitableBackend as error:
        for other in others:
            try:
                return _read_with(video, index, request_for, dict([other]))
            except UnsuitableBackend:
                continue
        raise error


def _major_and_minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2])
