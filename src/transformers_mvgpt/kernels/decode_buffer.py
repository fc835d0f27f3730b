# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Memory for the keys and values of a growing cache, to which decode steps write."""

from weakref import WeakKeyDictionary

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer


# Keys and values go to a larger buffer when theirs is full, and not for each token.
_MORE_TOKENS = 256


class CacheBuffer:
    """
    Memory for the keys and values of a cache, with a capacity for more behind them: `DynamicCache` copies all that it holds
    for each token. The cache's tensors become views of it; in older views nothing changes.
    """

    def __init__(self, layers: list[DynamicLayer]):
        self._layers = list(layers)
        self._shown: list[tuple[DynamicLayer, torch.Tensor, torch.Tensor]] = []
        self.length = layers[0].get_seq_length()
        self.capacity = self.length + _MORE_TOKENS
        self.keys, self.values = (
            like.new_empty(len(layers), *like.shape[:2], self.capacity, like.shape[-1])  # (N, B, G, capacity, D)
            for like in (layers[0].keys, layers[0].values)
        )
        for index, layer in enumerate(layers):
            self.keys[index, :, :, : self.length] = layer.keys
            self.values[index, :, :, : self.length] = layer.values
        self.show(self.length)

    def addresses(self, layer: int) -> list[int]:
        """Of a layer's keys and values."""
        return [self.keys[layer].data_ptr(), self.values[layer].data_ptr()]

    def show(self, length: int) -> None:
        """Makes the cache as long as that."""
        self.length = length
        # all views in one call, which each cost as much otherwise
        keys, values = (tensor[:, :, :, :length].unbind() for tensor in (self.keys, self.values))
        self._shown = list(zip(self._layers, keys, values, strict=True))
        for layer, layer_keys, layer_values in self._shown:
            layer.keys, layer.values = layer_keys, layer_values

    def holds(self, num_layers: int, heads: tuple[int, int], like: torch.Tensor) -> bool:
        """
        Whether it is of as many layers, of as many key heads of such a width, and of as many sequences as tokens (B, 1, h), in
        their dtype and on their device.
        """
        expected = (num_layers, like.shape[0], heads[0], self.capacity, heads[1])
        return all(
            tensor.shape == expected and tensor.dtype == like.dtype and tensor.device == like.device
            for tensor in (self.keys, self.values)
        )

    def takes_one_more(self, layers: list[DynamicLayer]) -> bool:
        """Whether the layers of the cache still are what was last shown, and it is not full."""
        return (
            self.length < self.capacity
            and len(layers) == len(self._shown)
            and all(
                layer is own and layer.keys is keys and layer.values is values
                for layer, (own, keys, values) in zip(layers, self._shown, strict=True)
            )
        )


_BUFFERS: WeakKeyDictionary[Cache, CacheBuffer] = WeakKeyDictionary()


def known_buffer(cache: DynamicCache) -> CacheBuffer | None:
    """That of a cache, if it has one that takes one more token."""
    buffer = _BUFFERS.get(cache)
    return buffer if buffer is not None and buffer.takes_one_more(cache.layers) else None


def buffer_of(cache: DynamicCache) -> CacheBuffer:
    """That of a cache whose layers have something of the same number of sequences and tokens each; otherwise a new one."""
    buffer = known_buffer(cache)
    if buffer is None:
        buffer = _BUFFERS[cache] = CacheBuffer(cache.layers)
    return buffer
