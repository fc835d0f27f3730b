# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Damaged GGUF files are refused before llama.cpp sees them."""

import struct

import numpy as np
import pytest

from transformers_mvgpt.runtime.gguf_header import read_gguf_header


def text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def tensor(name: bytes = b"a", shape: tuple[int, ...] = (32, 2), kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def write(path, keys=(), tensors=(), data=b"\0" * 256, version=3, counts=None):
    head = b"GGUF" + struct.pack("<IQQ", version, *(counts or (len(tensors), len(keys)))) + b"".join([*keys, *tensors])
    path.write_bytes(head + b"\0" * (-len(head) % 32) + data)
    return path


def test_all_kinds_of_values(tmp_path):
    keys = [
        text(b"number") + struct.pack("<Ii", 5, -3),
        text(b"flag") + struct.pack("<I?", 7, True),
        text(b"name") + struct.pack("<I", 8) + text("é".encode()),
        text(b"floats") + struct.pack("<IIQ2f", 9, 6, 2, 0.5, -1.0),
        text(b"names") + struct.pack("<IIQ", 9, 8, 2) + text(b"a") + text(b""),
    ]
    header = read_gguf_header(write(tmp_path / "x.gguf", keys, [tensor(), tensor(b"b", (64,), 8, 256)], b"\0" * 324))
    assert header.fields.pop("floats").tolist() == [0.5, -1.0]
    assert header.fields == {"number": -3, "flag": True, "name": "é", "names": ["a", ""]}
    assert header.tensors["a"].shape == (2, 32)
    start = header.tensors["a"].start
    assert (header.tensors["b"].type, header.tensors["b"].start, header.tensors["b"].num_bytes) == (
        "Q8_0",
        start + 256,
        68,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"version": 4}, "its version is 4"),
        ({"counts": (2**60, 0)}, "says that it has 1,152,921,504,606,846,976 tensors"),
        ({"counts": (0, 2**60)}, "says that it has 1,152,921,504,606,846,976 keys"),
        ({"counts": (0, 900)}, "has the key '' twice|bytes are wanted"),
        ({"keys": [struct.pack("<Q", 2**63)]}, "a name has 9,223,372,036,854,775,808 bytes"),
        ({"keys": [text(b"x" * 2000) + struct.pack("<Ii", 5, 0)]}, "a name has 2,000 bytes, and at most 1,024"),
        ({"keys": [text(b"\xff") + struct.pack("<Ii", 5, 0)]}, "codec can't decode"),
        ({"keys": [text(b"k") + struct.pack("<Ii", 5, 0)] * 2}, "has the key 'k' twice"),
        ({"keys": [text(b"k") + struct.pack("<I", 13)]}, "'k' is of the type 13"),
        ({"keys": [text(b"k") + struct.pack("<IIQ", 9, 4, 2**62)]}, "18,446,744,073,709,551,616 bytes are wanted"),
        ({"keys": [text(b"k") + struct.pack("<IIQ", 9, 8, 2**40)]}, "'k' says that it has 1,099,511,627,776 texts"),
        ({"keys": [text(b"k") + struct.pack("<IIQ", 9, 9, 1)]}, "'k' is an array of the type 9"),
        ({"keys": [text(b"general.alignment") + struct.pack("<II", 4, 0)]}, "its general.alignment is 0"),
        ({"tensors": [tensor(shape=(1,) * 5)]}, "'a' has 5 dimensions"),
        ({"tensors": [tensor(shape=(2**40, 2**40))]}, "would lie at the bytes"),
        ({"tensors": [tensor(shape=(0, 2))]}, r"has the shape \[0, 2\]"),
        ({"tensors": [tensor(shape=(33,), kind=8)]}, r"has the shape \[33\], which Q8_0 does not have"),
        ({"tensors": [tensor(kind=99)]}, "'a' is of the type 99"),
        ({"tensors": [tensor(offset=32)]}, "would lie at the bytes 128 to 384 of 352"),
        ({"tensors": [tensor(offset=8)]}, "would lie at the bytes"),
        ({"tensors": [tensor(), tensor()]}, "has the tensor 'a' twice"),
    ],
)
def test_damaged(tmp_path, arguments, message):
    file = write(tmp_path / "x.gguf", **arguments)
    with pytest.raises(ValueError, match=rf"x\.gguf is damaged or cut off \(.*({message}).*\): copy it again"):
        read_gguf_header(file)


@pytest.mark.parametrize(("content", "message"), [(b"GGUF", "it has 4 bytes"), (b"PK\3\4" * 9, "it begins with b'PK")])
def test_no_gguf_file(tmp_path, content, message):
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(ValueError, match=rf"x\.gguf is no GGUF file: {message}"):
        read_gguf_header(tmp_path / "x.gguf")


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no file '.*x\.gguf': write it with `mvgpt export-gguf`"):
        read_gguf_header(tmp_path / "x.gguf")


def test_wherever_it_is_cut_off(tmp_path):
    keys = [
        text(b"name") + struct.pack("<I", 8) + text(b"value"),
        text(b"n") + struct.pack("<IIQ4f", 9, 6, 4, *range(4)),
    ]
    content = write(tmp_path / "x.gguf", keys, [tensor()]).read_bytes()
    read_gguf_header(tmp_path / "x.gguf")
    for size in range(0, len(content), 7):
        (tmp_path / "x.gguf").write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"x\.gguf is (damaged|no GGUF file)"):
            read_gguf_header(tmp_path / "x.gguf")


def test_any_bytes_are_read_or_refused(tmp_path):
    keys = [
        text(b"name") + struct.pack("<I", 8) + text(b"value"),
        text(b"n") + struct.pack("<IIQ4f", 9, 6, 4, *range(4)),
    ]
    content = write(tmp_path / "x.gguf", keys, [tensor()], b"").read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(200):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[generator.integers(4, len(damaged), 3)] = generator.integers(0, 256, 3)
        (tmp_path / "x.gguf").write_bytes(damaged.tobytes())
        try:
            read_gguf_header(tmp_path / "x.gguf")
        except ValueError as error:
            assert "x.gguf" in str(error)
