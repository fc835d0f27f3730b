# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Files as SentencePiece writes them, without SentencePiece."""

import struct


BPE, UNIGRAM = 2, 1


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + _varint(value >> 7)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def sentencepiece_model(pieces: list[str], model_type: int = BPE) -> bytes:
    """The file in SentencePiece's format: pieces with scores and types, and what trained them."""
    content = b""
    for number, piece in enumerate(pieces):
        score, kind = _varint(2 << 3 | 5) + struct.pack("<f", -float(number)), _varint(3 << 3) + _varint(1)
        content += _message(1, _message(1, piece.encode()) + score + kind)
    return content + _message(2, _varint(3 << 3) + _varint(model_type)) + _message(3, b"\x0a\x00")
