# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What goes wrong with files: cut short, overwritten, mixed up, and numbers in headers that lie."""

import random
import struct


# Numbers at which arithmetic on sizes breaks.
_EXTREMES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
_HEADER_BYTES = 512


def mutate(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """
    Args:
        data (`bytes`): a whole file.
        others (`list[bytes]`): files to take parts from.
        rng (`random.Random`): what decides.
    """
    mutated = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        rng.choice(_MUTATIONS)(mutated, others, rng)
    return bytes(mutated)


def _place(data: bytearray, rng: random.Random) -> int:
    """Half of the time in the header, where most is decided; muxers put a table at the end too."""
    end = max(1, len(data))
    region = rng.random()
    if region < 0.4:
        return rng.randrange(min(end, _HEADER_BYTES))
    if region < 0.55:
        return rng.randrange(max(0, end - 4 * _HEADER_BYTES), end)
    return rng.randrange(end)


def _flip_bits(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    for _ in range(rng.choice((1, 4, 32))):
        if data:
            data[_place(data, rng)] ^= 1 << rng.randrange(8)


def _write_noise(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    start = _place(data, rng)
    length = len(data[start : start + rng.choice((4, 64, 1024))])
    data[start : start + length] = rng.randbytes(length)


def _write_extreme(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    number = rng.choice(_EXTREMES)
    width = rng.choice("BHI")
    number &= (1 << 8 * struct.calcsize(width)) - 1
    packed = struct.pack(rng.choice("<>") + width, number)
    start = _place(data, rng)
    data[start : start + len(packed)] = packed


def _cut_short(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    del data[_place(data, rng) :]


def _remove(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    start = _place(data, rng)
    del data[start : start + rng.choice((1, 16, 256, 4096))]


def _repeat(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    start = _place(data, rng)
    part = data[start : start + rng.choice((4, 256, 4096))]
    data[start:start] = part * rng.choice((1, 2, 16))


def _exchange(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    length = rng.choice((8, 128, 1024))
    first, second = sorted((_place(data, rng), _place(data, rng)))
    length = min(length, second - first, len(data) - second)
    data[first : first + length], data[second : second + length] = (
        data[second : second + length],
        data[first : first + length],
    )


def _splice(data: bytearray, others: list[bytes], rng: random.Random) -> None:
    """Goes on as another file does."""
    other = bytearray(rng.choice(others))
    data[_place(data, rng) :] = other[_place(other, rng) :]


_MUTATIONS = (
    _flip_bits,
    _flip_bits,
    _write_noise,
    _write_extreme,
    _write_extreme,
    _cut_short,
    _remove,
    _repeat,
    _exchange,
    _splice,
)
