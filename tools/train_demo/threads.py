# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Gradients of a batch from several threads, each with a part of it. A small model's operations are too short to be shared by
cores; whole passes are not.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch


NUM_SHARDS = 2  # not as many as there are cores: sums of numbers would depend on the machine


def backward_in_threads(
    judge: Callable[[Any], tuple[torch.Tensor, Any]], shards: Sequence[Any], parameters: Iterable[torch.nn.Parameter]
) -> tuple[torch.Tensor, list[Any]]:
    """
    Sums up gradients as `loss.backward()` of the losses' sum would, in a thread for each shard.

    Args:
        judge (`Callable`): takes a shard and returns its part of the loss, a scalar, and anything else.
        shards (`Sequence`): parts of a batch.
        parameters (`Iterable[torch.nn.Parameter]`): that learn; their `grad` is replaced. None stays where none is needed.

    Returns:
        `tuple[torch.Tensor, list]`: the loss, a scalar; and for each shard what else `judge` returned.
    """
    parameters = list(parameters)

    def differentiate(shard: Any) -> tuple[torch.Tensor, Any, tuple[torch.Tensor | None, ...]]:
        loss, rest = judge(shard)
        # not `backward`, with which threads would add to the same gradients at once
        return loss.detach(), rest, torch.autograd.grad(loss, parameters, allow_unused=True)

    with _shared_cores(len(shards)), ThreadPoolExecutor(len(shards)) as pool:
        losses, rests, gradients = zip(*pool.map(differentiate, shards), strict=True)
    for parameter, *parts in zip(parameters, *gradients, strict=True):
        known = [part for part in parts if part is not None]
        parameter.grad = torch.stack(known).sum(0) if known else None
    return torch.stack(losses).sum(), list(rests)


@contextmanager
def _shared_cores(num_parts: int) -> Iterator[None]:
    """Leaves each part its share of torch's threads."""
    num_threads = torch.get_num_threads()
    torch.set_num_threads(max(1, num_threads // num_parts))
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


def split_rows(batch: dict[str, torch.Tensor], num_shards: int, shared: Iterable[str] = ()) -> list[dict[str, Any]]:
    """
    Every `num_shards`-th row of each tensor to one shard.

    Args:
        batch (`dict[str, torch.Tensor]`): tensors with one row for each sample.
        num_shards (`int`): how many; fewer where there are fewer rows.
        shared (`Iterable[str]`): keys of what all shards need whole.
    """
    whole = set(shared)
    num_rows = next(len(value) for name, value in batch.items() if name not in whole)
    return [
        {name: value if name in whole else value[first::num_shards].contiguous() for name, value in batch.items()}
        for first in range(min(num_shards, num_rows))
    ]
