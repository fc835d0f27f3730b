# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The language model of an exported folder, with its keys and values. Rows of a batch are padded on the left of what is added:

    prefix of a video, one prefill   | question      | answer
    S S V V V V V V                  | - - Q Q Q     | A A      mask 1 1 1 1 1 1 1 1 0 0 1 1 1 1 1
    (one row, for all)               | Q Q Q Q Q     | A A           1 1 1 1 1 1 1 1 1 1 1 1 1 1 1
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..video.limits import shorten
from .onnx_folder import PRECISIONS, ExportedFolder
from .onnx_sessions import OnnxSessions, onnxruntime


_PAST = re.compile(r"past_key_values\.(\d+)\.(key|value)")
# Attention weights of so many tokens to all before them are there at once. Of a long prompt as a whole, they take gigabytes.
_TOKENS_PER_RUN = 512


@dataclass(frozen=True)
class OnnxCache:
    """
    Keys and values of what the language model has read. They are never changed.

    Args:
        states (`tuple[OrtValue, ...]`): of each layer key and value, (B, heads, length, head_dim).
        mask (`np.ndarray` of shape `(B, length)`, int64): 0 where a row is padded.
    """

    states: tuple[Any, ...]
    mask: np.ndarray

    @property
    def num_rows(self) -> int:
        return len(self.mask)

    @property
    def num_bytes(self) -> int:
        return sum(int(np.prod(state.shape())) * _bytes_per_element(state) for state in self.states)


class OnnxLanguageModel:
    """
    Embeddings and decoder of an exported folder.

    Args:
        folder ([`ExportedFolder`]): the folder.
        sessions ([`OnnxSessions`]): its files.
        precision (`str`): of the decoder and the embeddings.

    Raises:
        FileNotFoundError, RuntimeError, ValueError: if a file is missing, damaged or of another convention.
    """

    def __init__(self, folder: ExportedFolder, sessions: OnnxSessions, precision: str) -> None:
        suffix = PRECISIONS[precision]
        self._embedding, self._decoder = f"embed_tokens{suffix}", f"decoder_model_merged{suffix}"
        self._sessions = sessions
        self._session = sessions.open(self._decoder)
        inputs = {entry.name: entry for entry in self._session.get_inputs()}
        self._pasts = [entry for name, entry in inputs.items() if _PAST.fullmatch(name)]
        self._presents = [
            f"present.{found[1]}.{found[2]}" for entry in self._pasts if (found := _PAST.fullmatch(entry.name))
        ]
        outputs = {entry.name: entry for entry in self._session.get_outputs()}
        missing = {"inputs_embeds", "attention_mask", "position_ids", "num_logits_to_keep"} - inputs.keys()
        missing |= {"logits", *self._presents} - outputs.keys()
        if missing or not self._pasts:
            raise ValueError(
                f"'{folder.path / 'onnx' / self._decoder}.onnx' has no {', '.join(sorted(missing) or ['past_key_values'])}: export the "
                "model again."
            )
        for entry, name, size in (
            (inputs["inputs_embeds"], "hidden_size", folder.hidden_size),
            (outputs["logits"], "vocab_size", folder.vocab_size),
        ):
            if entry.shape[-1] != size:
                raise ValueError(
                    f"'{folder.path / 'onnx' / self._decoder}.onnx' has `{entry.name}` of {shorten(repr(entry.shape[-1]))} numbers, and "
                    f"config.json says `{name}` {size}: it is of another model. Export the model again."
                )
        self._dtype = sessions.dtype(self._decoder, "inputs_embeds")
        is_cuda = sessions.providers[0] in ("CUDAExecutionProvider", "TensorrtExecutionProvider")
        # where keys and values stay between two steps
        self._device = "cuda" if is_cuda else "cpu"

    def embed(self, ids: Sequence[int] | np.ndarray) -> np.ndarray:
        """Embeddings (L, h), float32, of ids (L,). Those of placeholders mean nothing."""
        [embeds] = self._sessions.run(self._embedding, {"input_ids": np.array([ids], dtype=np.int64)})
        return embeds[0]

    def extend(self, cache: OnnxCache | None, inputs_embeds: Sequence[np.ndarray]) -> tuple[np.ndarray, OnnxCache]:
        """
        Reads what is added to a cache, which stays as it is.

        Args:
            cache ([`OnnxCache`], *optional*): of as many rows, or of one that all share.
            inputs_embeds (`Sequence[np.ndarray]`): for each row embeddings (L, h), L at least 1.

        Returns:
            `tuple[np.ndarray, OnnxCache]`: the logits (B, vocab_size) float32 behind each row's last position, and the cache with these.

        Raises:
            ValueError: if the decoder refuses them, or the cache is of another number of rows.
        """
        lengths = np.array([len(row) for row in inputs_embeds])
        longest = int(lengths.max())
        batch = np.zeros((len(lengths), longest, inputs_embeds[0].shape[1]), dtype=self._dtype)
        added = (np.arange(longest) >= longest - lengths[:, None]).astype(np.int64)
        for row, embeds in zip(batch, inputs_embeds, strict=True):
            row[longest - len(embeds) :] = embeds
        cache = self._empty_cache(len(lengths)) if cache is None else _repeat(cache, len(lengths))
        for start in range(0, longest, _TOKENS_PER_RUN):
            part = slice(start, start + _TOKENS_PER_RUN)
            logits, cache = self._run(cache, batch[:, part], added[:, part])
        return logits, cache

    def step(self, cache: OnnxCache, token_ids: Sequence[int] | np.ndarray) -> tuple[np.ndarray, OnnxCache]:
        """The logits (B, vocab_size) behind one more token of each row, and the cache with these."""
        return self.extend(cache, list(self.embed(token_ids)[:, None]))

    def _run(self, past: OnnxCache, batch: np.ndarray, added: np.ndarray) -> tuple[np.ndarray, OnnxCache]:
        """One run of the decoder, with embeddings (B, L, h) and the mask (B, L) of what is added."""
        mask = np.concatenate([past.mask, added], axis=1)
        positions = np.maximum(mask.cumsum(axis=1) - 1, 0)[:, -added.shape[1] :]
        arrays = {
            "inputs_embeds": np.ascontiguousarray(batch),
            "attention_mask": mask,
            "position_ids": np.ascontiguousarray(positions),
            "num_logits_to_keep": np.array(1, dtype=np.int64),
        }
        # they use the arrays' memory, and have to live as long as the run
        inputs = {name: onnxruntime.OrtValue.ortvalue_from_numpy(value) for name, value in arrays.items()}
        inputs |= {entry.name: state for entry, state in zip(self._pasts, past.states, strict=True)}
        with self._sessions.named_errors(self._decoder):
            binding = self._session.io_binding()
            for name, value in inputs.items():
                binding.bind_ortvalue_input(name, value)
            binding.bind_output("logits")
            for name in self._presents:
                binding.bind_output(name, self._device)
            self._session.run_with_iobinding(binding)
        logits, *states = binding.get_outputs()
        return logits.numpy()[:, -1].astype(np.float32), OnnxCache(tuple(states), mask)

    def _empty_cache(self, num_rows: int) -> OnnxCache:
        states = []
        for entry in self._pasts:
            _, num_heads, _, head_dim = entry.shape
            dtype = np.float16 if entry.type == "tensor(float16)" else np.float32
            empty = np.zeros((num_rows, num_heads, 0, head_dim), dtype)
            states.append(onnxruntime.OrtValue.ortvalue_from_numpy(empty, self._device))
        return OnnxCache(tuple(states), np.zeros((num_rows, 0), dtype=np.int64))


def _repeat(cache: OnnxCache, num_rows: int) -> OnnxCache:
    """A cache of one row, which all share, for each of them."""
    if cache.num_rows == num_rows:
        return cache
    if cache.num_rows != 1:
        raise ValueError(
            f"The cache is of {cache.num_rows} prompts, and {num_rows} are to be added: give it as many, or one."
        )
    repeated = []
    for state in cache.states:
        values = np.repeat(state.numpy(), num_rows, axis=0)
        repeated.append(onnxruntime.OrtValue.ortvalue_from_numpy(values, state.device_name()))
    return OnnxCache(tuple(repeated), np.repeat(cache.mask, num_rows, axis=0))


def _bytes_per_element(state: Any) -> int:
    return 2 if state.data_type() == "tensor(float16)" else 4
