# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Samples of the pipeline, read and preprocessed one by one: in this process, in others, or in threads."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from numbers import Number
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from transformers.pipelines.pt_utils import PipelineDataset
from transformers.utils.chat_template_utils import Chat

from .chat_parts import VideoWithOptions
from .pipeline_samples import Row


# What is sent to another process as it is.
_SENT = (str, bytes, bytearray, Number, os.PathLike, np.ndarray, np.generic, Image.Image)


@dataclass(frozen=True)
class UnreadSample:
    """
    What stands for a sample that its dataset could not give.

    Args:
        error (`Exception`): why.
    """

    error: Exception


class ReadSamples(Dataset):
    """The samples of a dataset; an [`UnreadSample`] for each that cannot be read, so that it concerns no other sample."""

    def __init__(self, samples: Any) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        try:
            return self.samples[index]
        except Exception as error:
            return UnreadSample(error)


class _Preprocessing(Dataset):
    """Has the preprocessed sample under each sample as an index: a sampler of samples then feeds a `DataLoader`."""

    def __init__(self, preprocess: Callable[..., dict[str, Any]], options: Mapping[str, Any]) -> None:
        self.preprocess = preprocess
        self.options = options

    def __getitem__(self, sample: Any) -> dict[str, Any]:
        return self.preprocess(sample, **self.options)


class PreprocessingThreads:
    """
    Batches of preprocessed samples in their order, like a `DataLoader` with workers, but these are threads of this process: what they
    leave on a GPU need not be sent. Decoders release Python's lock. At most `2 * num_workers` batches are made ahead.

    Args:
        samples (`Iterable`): read in this thread, as batches are taken.
        preprocess (`Callable`), options (`dict`): what makes a sample, and its arguments.
        num_workers (`int`), batch_size (`int`): at least 1.
        collate (`Callable`): makes a batch of a list.
    """

    def __init__(
        self,
        samples: Iterable[Any],
        preprocess: Callable[..., dict[str, Any]],
        options: Mapping[str, Any],
        num_workers: int,
        batch_size: int,
        collate: Callable[[list[dict[str, Any]]], Any],
    ) -> None:
        self.samples, self.preprocess, self.options = samples, preprocess, options
        self.num_workers, self.batch_size, self.collate = num_workers, batch_size, collate

    def __iter__(self) -> Iterator[Any]:
        samples, begun = iter(self.samples), deque[list[Future]]()
        pool = ThreadPoolExecutor(self.num_workers, thread_name_prefix="preprocess")
        try:
            while True:
                while len(begun) <= 2 * self.num_workers and (batch := list(islice(samples, self.batch_size))):
                    begun.append([pool.submit(self.preprocess, sample, **self.options) for sample in batch])
                if not begun:
                    return
                yield self.collate([future.result() for future in begun.popleft()])
        finally:
            pool.shutdown(cancel_futures=True)


def make_loader(
    samples: Any,
    preprocess: Callable[..., dict[str, Any]],
    options: Mapping[str, Any],
    num_workers: int,
    batch_size: int,
    collate: Callable[[list[dict[str, Any]]], Any],
) -> Iterable[Any]:
    """
    Batches of preprocessed samples in their order. Workers are processes, or threads where they preprocess on a GPU or a sample cannot
    be sent to another process. What has no length is read here, no further ahead than `2 * num_workers` batches, and its items are
    sent to the workers.

    Args:
        samples: a list, dataset, or iterable.
        preprocess, options, num_workers, batch_size, collate: as of [`PreprocessingThreads`].
    """
    is_sized = isinstance(samples, Sized)
    is_here = isinstance(samples, list) and _stays_here(samples)
    if not is_sized:
        samples = iter(samples)
        first = list(islice(samples, 1))
        is_here, samples = _stays_here(first), chain(first, samples)
    if is_here or _is_on_accelerator(options):
        samples = map(samples.__getitem__, range(len(samples))) if is_sized else samples
        return PreprocessingThreads(samples, preprocess, options, num_workers, batch_size, collate)
    workers: dict[str, Any] = {"num_workers": num_workers, "batch_size": batch_size, "collate_fn": collate}
    if is_sized:
        return DataLoader(PipelineDataset(samples, preprocess, options), **workers)
    return DataLoader(_Preprocessing(preprocess, options), sampler=map(_sendable, samples), **workers)


def _stays_here(sample: Any) -> bool:
    """
    Whether something is in it that cannot be sent to another process, such as an open file, or not without harm: a decoder would be a
    pointer into this process there. Where that is not known, it stays.
    """
    if isinstance(sample, Mapping):
        return any(map(_stays_here, sample.values()))
    if isinstance(sample, (list, tuple)):
        return any(map(_stays_here, sample))
    if isinstance(sample, (Row, Chat, VideoWithOptions)):
        return any(map(_stays_here, vars(sample).values()))
    if isinstance(sample, np.ndarray) and sample.dtype.hasobject:
        return any(map(_stays_here, sample.flat))
    if isinstance(sample, torch.Tensor):
        return sample.device.type != "cpu"
    return not (sample is None or isinstance(sample, _SENT))


def _sendable(sample: Any) -> Any:
    """The sample, for another process; or why it cannot be sent there."""
    if not _stays_here(sample):
        return sample
    return UnreadSample(
        ValueError(
            "The sample holds an open file, a decoder or the like, which cannot be sent to another process as the samples before it: pass "
            "paths or bytes, or `num_workers=0`."
        )
    )


def _is_on_accelerator(options: Mapping[str, Any]) -> bool:
    """Whether options of the processor ask for a device that processes cannot share."""
    nested = options.get("videos_kwargs") or {}
    device = options.get("device", nested.get("device"))
    return device is not None and torch.device(device).type != "cpu"
