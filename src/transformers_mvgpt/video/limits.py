# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How much of what strangers send is taken, and where it may lead."""

import os
from dataclasses import dataclass


# What stands in a message of something that somebody else wrote: a path, an address, a key, a value.
MAX_CHARACTERS_IN_MESSAGES = 200


@dataclass(frozen=True)
class UntrustedInput:
    """
    What is taken from files, addresses and rows that somebody else made. It is given as `untrusted_input=` to the pipeline, the
    processor or [`decode_video`]; it is never read from a file, so that no repository can lift a limit.

    The defaults take 8K video and pictures of 50 megapixels, in less than 1 GB of memory.

    Args:
        max_pixels_per_frame (`int`):
            Width times height of a frame or picture, before anything is resized.
        max_aspect_ratio (`float`):
            Longer over shorter side of a frame or picture.
        max_decoded_bytes (`int`):
            Decoded pixels that are held of one video at a time, in bytes.
        max_download_bytes (`int`):
            Bytes that are taken from one address, or read from one file object.
        max_download_seconds (`float`):
            Time that one download may take as a whole, redirects included.
        max_redirects (`int`):
            Redirects that one download follows.
        allow_private_addresses (`bool`):
            Whether an address may lead to this machine or its own network: loopback, private, link-local and other addresses
            that are not global.
        media_folder (`str`, *optional*):
            Folder that paths and `file:` addresses must not leave, also by links. Anywhere where it is not given.

    Raises:
        ValueError: if a limit is not a positive number (of redirects: not negative).
    """

    max_pixels_per_frame: int = 8192 * 6144
    max_aspect_ratio: float = 100.0
    max_decoded_bytes: int = 512 * 1024**2
    max_download_bytes: int = 512 * 1024**2
    max_download_seconds: float = 300.0
    max_redirects: int = 5
    allow_private_addresses: bool = False
    media_folder: str | os.PathLike | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            lowest = 0 if name == "max_redirects" else 1
            if not name.startswith("max_"):
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ValueError(f"`{name}` must be a number, not {type(value).__name__} {shorten(value)}.")
            if not value >= lowest:  # nor is NaN
                raise ValueError(f"`{name}` ({value}) must be at least {lowest}.")

    def check_size(self, name: str, width: int, height: int) -> None:
        """
        Raises:
            ValueError: if a frame or picture of `width` times `height` pixels is more than is taken; `name` is what it is called.
        """
        if width * height > self.max_pixels_per_frame:
            raise ValueError(
                f"{name} is {width}x{height}, {width * height:,} pixels; at most {self.max_pixels_per_frame:,} are taken. Scale it "
                "down, or raise `max_pixels_per_frame` of `untrusted_input=UntrustedInput(...)`."
            )
        if max(width, height) > self.max_aspect_ratio * min(width, height):
            raise ValueError(
                f"{name} is {width}x{height}: one side may be at most {self.max_aspect_ratio:g} times the other. Crop it, or raise "
                "`max_aspect_ratio` of `untrusted_input=UntrustedInput(...)`."
            )


def shorten(value: object) -> str:
    """
    A name or value for a message: without line breaks and control characters, in the middle cut to 200 characters. A string
    stands as it is, anything else as its `repr`.
    """
    # what will be cut out is not looked at: it may be hundreds of megabytes
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value[: 2 * MAX_CHARACTERS_IN_MESSAGES])
    text = value if isinstance(value, str) else repr(value)
    if len(text) > 2 * MAX_CHARACTERS_IN_MESSAGES:
        text = f"{text[:MAX_CHARACTERS_IN_MESSAGES]}{text[-MAX_CHARACTERS_IN_MESSAGES:]}"
    text = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    if len(text) <= MAX_CHARACTERS_IN_MESSAGES:
        return text
    half = (MAX_CHARACTERS_IN_MESSAGES - 3) // 2
    return f"{text[:half]}...{text[-half:]}"


__all__ = ["UntrustedInput"]
