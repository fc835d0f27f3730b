# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A language model in a GGUF file, run by llama.cpp: visual tokens come as embeddings, as the text's do."""

import ctypes
import os
import threading
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..video.limits import shorten
from .gguf_checks import check_belongs
from .gguf_header import read_gguf_header
from .gguf_rows import read_rows
from .llama_library import Batch, ContextParams, last_error, llama_library


# Embeddings that one call takes, and that are computed together.
_BATCH, _UBATCH = 2048, 512
# Cells of the key-value cache are given out in steps of this.
_CELLS = 256
_FIRST_SEQUENCES, _MAX_SEQUENCES = 8, 256
_NO_ROOM = 1


class _Sequence:
    """A sequence of llama.cpp's: its number, and how many tokens it has. Its cells are free once nothing refers to it."""

    def __init__(self, number: int, length: int, unused: deque[int]) -> None:
        self.number, self.length = number, length
        # not removed here: this may happen in any thread, while another one computes
        weakref.finalize(self, unused.append, number).atexit = False


@dataclass(frozen=True)
class LlamaCache:
    """Keys and values of some rows: of each, the sequence that has them, and how many of its tokens are meant."""

    rows: tuple[tuple[_Sequence, int], ...]


class LlamaCppLanguageModel:
    """
    The language model of an exported folder, from a GGUF file. It has the interface of the one that onnxruntime runs.

    Args:
        file (`str` or `os.PathLike`): the file.
        text_config (`Mapping[str, Any]`): what `config.json` of the folder says about the language model.
        vocabulary (`Mapping[str, int]`, *optional*): ids of the tokens of the folder's tokenizer.
        num_threads (`int`, *optional*): of the CPU; by default as many as this process may use.

    Raises:
        ImportError: if `xllamacpp` is not installed.
        OSError: if the file cannot be read.
        ValueError: if it is damaged, or of another model than the folder.
    """

    def __init__(
        self,
        file: str | os.PathLike,
        *,
        text_config: Mapping[str, Any],
        vocabulary: Mapping[str, int] | None = None,
        num_threads: int | None = None,
    ) -> None:
        self._library = llama_library()
        header = read_gguf_header(file)
        check_belongs(header, text_config, vocabulary)
        self._name = shorten(os.fspath(file))
        self._embedding = header.path, header.tensors["token_embd.weight"]
        self.vocab_size, self.hidden_size = self._embedding[1].shape
        self._num_threads = num_threads or _available_threads()
        self._lock = threading.RLock()
        self._unused: deque[int] = deque()
        self._free_numbers: list[int] = []
        self._context: int | None = None
        self._num_sequences = self._num_cells = 0
        params = self._library.llama_model_default_params()
        params.check_tensors = True
        self._model = self._library.llama_model_load_from_file(os.fsencode(header.path), params)
        if not self._model:
            raise ValueError(f"{self._name} cannot be loaded by llama.cpp ({shorten(last_error())}): write it again.")

    def extend(self, cache: LlamaCache | None, inputs_embeds: Sequence[np.ndarray]) -> tuple[np.ndarray, LlamaCache]:
        """
        Puts rows behind a cache.

        Args:
            cache ([`LlamaCache`], *optional*): of one row, behind which all are put, or of as many rows. It stays valid.
            inputs_embeds (`Sequence[np.ndarray]`): of each row (tokens, hidden_size), float32; of any number of tokens, but not none.

        Returns:
            `tuple[np.ndarray, LlamaCache]`: logits (rows, vocab_size) float32 of each row's last token, and the longer cache.

        Raises:
            ValueError: if there are too many rows, or one has another width or no token.
        """
        values = [np.ascontiguousarray(row, dtype=np.float32) for row in inputs_embeds]
        for row in values:
            if row.ndim != 2 or row.shape[1] != self.hidden_size or not len(row):
                raise ValueError(
                    f"`inputs_embeds` has a row of the shape {row.shape}, not (tokens, {self.hidden_size})."
                )
        before = [(None, 0)] * len(values) if cache is None else list(cache.rows)
        if len(before) == 1:
            before = before * len(values)
        with self._lock:
            self._check_open()
            sequences = [self._branch(source, length, sum(map(len, values))) for source, length in before]
            logits = self._decode(sequences, values)
            return logits, LlamaCache(tuple((sequence, sequence.length) for sequence in sequences))

    def step(self, cache: LlamaCache, token_ids: np.ndarray) -> tuple[np.ndarray, LlamaCache]:
        """
        Puts one token behind each row of a cache.

        Args:
            cache ([`LlamaCache`]): the rows. It stays valid.
            token_ids (`np.ndarray`): (rows,), ids of the vocabulary.

        Returns:
            `tuple[np.ndarray, LlamaCache]`: logits (rows, vocab_size) float32, and the longer cache.
        """
        ids = np.asarray(token_ids, dtype=np.int32)
        with self._lock:
            self._check_open()
            sequences = [
                # what is the end of its sequence goes on in it, and the shorter cache still means the beginning
                source if source.length == length else self._branch(source, length, 1)
                for source, length in cache.rows
            ]
            logits = self._decode(sequences, [ids[row : row + 1] for row in range(len(ids))])
            return logits, LlamaCache(tuple((sequence, sequence.length) for sequence in sequences))

    def embed(self, token_ids: np.ndarray) -> np.ndarray:
        """The embeddings (tokens, hidden_size) float32 of ids (tokens,), as llama.cpp has them; of an id beyond the vocabulary, those of 0."""
        ids = np.asarray(token_ids, dtype=np.int64)
        return read_rows(*self._embedding, np.where((ids < 0) | (ids >= self.vocab_size), 0, ids))

    def close(self) -> None:
        """Gives the memory back. The model cannot be used afterwards."""
        with self._lock:
            if self._context:
                self._library.llama_free(self._context)
            if self._model:
                self._library.llama_model_free(self._model)
            self._context = self._model = None

    def __enter__(self) -> "LlamaCppLanguageModel":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_model", None):
            self.close()

    def _check_open(self) -> None:
        if not self._model:
            raise ValueError(f"{self._name} was closed: open it again.")

    def _branch(self, source: _Sequence | None, length: int, num_tokens: int) -> _Sequence:
        """A sequence that begins with some tokens of another one, or with none."""
        self._release()
        if not self._free_numbers:
            if self._num_sequences >= _MAX_SEQUENCES:
                raise ValueError(f"At most {_MAX_SEQUENCES} rows are answered together: ask in smaller batches.")
            self._make_context(num_tokens)
        sequence = _Sequence(self._free_numbers.pop(), length, self._unused)
        if source is not None:
            memory = self._library.llama_get_memory(self._context)
            self._library.llama_memory_seq_cp(memory, source.number, sequence.number, 0, length)
        return sequence

    def _release(self) -> None:
        """Frees the cells of sequences that nothing refers to."""
        while self._unused:
            number = self._unused.popleft()
            self._library.llama_memory_seq_rm(self._library.llama_get_memory(self._context), number, -1, -1)
            self._free_numbers.append(number)

    def _make_context(self, num_tokens: int, num_cells: int = 0) -> None:
        """The first context, or one with twice the sequences or more cells, and all that the one before it holds."""
        num_sequences = self._num_sequences
        if not num_cells:
            num_sequences = 2 * num_sequences or _FIRST_SEQUENCES
            num_cells = self._num_cells or -(-(num_tokens + _CELLS) // _CELLS) * _CELLS
        state = None
        if self._context:
            state = ctypes.create_string_buffer(self._library.llama_state_get_size(self._context))
            self._library.llama_state_get_data(self._context, state, len(state))
            self._library.llama_free(self._context)
            self._context = None
        try:
            self._open_context(num_cells, num_sequences, state)
        except (MemoryError, RuntimeError):
            # as it was before, for the caches that are there
            if state is not None:
                self._open_again(state)
            raise
        self._free_numbers += range(self._num_sequences, num_sequences)
        self._num_sequences, self._num_cells = num_sequences, num_cells

    def _open_again(self, state: ctypes.Array[ctypes.c_char]) -> None:
        try:
            self._open_context(self._num_cells, self._num_sequences, state)
        except (MemoryError, RuntimeError):
            self.close()

    def _open_context(self, num_cells: int, num_sequences: int, state: ctypes.Array[ctypes.c_char] | None) -> None:
        """Of this size, with what another one held."""
        params = self._library.llama_context_default_params()
        params.n_ctx, params.n_seq_max, params.kv_unified = num_cells, num_sequences, True
        params.n_batch, params.n_ubatch, params.n_outputs_max = _BATCH, _UBATCH, num_sequences
        params.n_threads = params.n_threads_batch = self._num_threads
        # On CPUs its flash attention adds values in half precision: tokens take half as long again, and logits depend on how a
        # prompt was cut.
        params.flash_attn_type = 0
        context = self._new_context(params)
        if state is not None and not self._library.llama_state_set_data(context, state, len(state)):
            self._library.llama_free(context)
            raise RuntimeError(f"llama.cpp does not take back what it had computed ({shorten(last_error())}).")
        self._context = context

    def _new_context(self, params: ContextParams) -> int:
        context = self._library.llama_init_from_model(self._model, params)
        if not context:
            raise MemoryError(
                f"llama.cpp cannot hold {params.n_ctx:,} tokens of {self._name} ({shorten(last_error())}): ask in smaller batches."
            )
        if (
            self._library.llama_n_ctx(context) < params.n_ctx
            or self._library.llama_n_seq_max(context) != params.n_seq_max
        ):
            self._library.llama_free(context)
            raise RuntimeError("llama.cpp has not made the context that it was asked for.")
        return context

    def _decode(self, sequences: list[_Sequence], rows: list[np.ndarray]) -> np.ndarray:
        """Computes embeddings (tokens, hidden_size) or ids (tokens,) of each row behind its sequence, and the logits of the last ones."""
        lengths = [len(row) for row in rows]
        values = np.concatenate(rows)
        positions = np.concatenate(
            [
                np.arange(sequence.length, sequence.length + length, dtype=np.int32)
                for sequence, length in zip(sequences, lengths, strict=True)
            ]
        )
        numbers = np.repeat(np.array([sequence.number for sequence in sequences], dtype=np.int32), lengths)
        is_last = np.zeros(len(values), dtype=np.int8)
        is_last[np.cumsum(lengths) - 1] = 1
        logits = []
        for start in range(0, len(values), _BATCH):
            part = slice(start, start + _BATCH)
            logits += self._decode_batch(values[part], positions[part], numbers[part], is_last[part])
        for sequence, length in zip(sequences, lengths, strict=True):
            sequence.length += length
        return np.stack(logits)

    def _decode_batch(
        self, values: np.ndarray, positions: np.ndarray, numbers: np.ndarray, is_last: np.ndarray
    ) -> list[np.ndarray]:
        count = len(values)
        ones = np.ones(count, dtype=np.int32)
        pointer = ctypes.POINTER(ctypes.c_int32)
        first = numbers.ctypes.data
        sequence_ids = (pointer * count)(*(ctypes.cast(first + 4 * index, pointer) for index in range(count)))
        are_embeddings = values.ndim == 2
        batch = Batch(
            count,
            None if are_embeddings else values.ctypes.data_as(pointer),
            values.ctypes.data_as(ctypes.POINTER(ctypes.c_float)) if are_embeddings else None,
            positions.ctypes.data_as(pointer),
            ones.ctypes.data_as(pointer),
            sequence_ids,
            is_last.ctypes.data_as(ctypes.POINTER(ctypes.c_int8)),
        )
        while (result := self._library.llama_decode(self._context, batch)) == _NO_ROOM:
            self._make_context(count, num_cells=2 * self._num_cells)
        if result:
            raise RuntimeError(f"llama.cpp could not compute {count} tokens ({result}, {shorten(last_error())}).")
        return [
            np.ctypeslib.as_array(
                self._library.llama_get_logits_ith(self._context, int(index)), (self.vocab_size,)
            ).copy()
            for index in np.flatnonzero(is_last)
        ]


def _available_threads() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
