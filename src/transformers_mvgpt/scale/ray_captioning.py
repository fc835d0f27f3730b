# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Many videos on many machines: Ray Data hands rows to workers, each of which has a model, and takes up the rows of one that is lost."""

import contextlib
import copy
import json
import logging
import os
import pickle
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..evaluation.answer_lines import to_line
from .captioner import Captioner
from .input_rows import ADDRESS, InputRow


# Rows that a worker is given at a time, in batches: what is answered again if it is lost.
_BATCHES_PER_TASK = 8
_MAX_TASKS = 20_000


class RayWorker:
    """
    What Ray starts in each of its processes.

    Args:
        captioner ([`Captioner`]): its model is loaded here.
    """

    def __init__(self, captioner: Captioner) -> None:
        self.captioner = captioner
        _ = captioner.pipe

    def __call__(self, batch: dict[str, np.ndarray]) -> Iterator[dict[str, list[bytes]]]:
        """
        Args:
            batch (`dict[str, np.ndarray]`): as `"row"`, pickled [`InputRow`]s.

        Yields:
            As `"line"`, each row as it is written, as soon as it is answered.
        """
        for answered in self.captioner.answer_inputs(map(pickle.loads, batch["row"])):
            yield {"line": [to_line(answered)]}


def answer_with_ray(
    captioner: Captioner, rows: Iterable[InputRow], address: str, concurrency: int | None = None
) -> Iterator[dict[str, Any]]:
    """
    Answers rows on a cluster of Ray. They come as they are answered, in no order; each comes once, also if workers are lost.

    Args:
        captioner ([`Captioner`]): how rows are answered. Model and videos must be where each machine finds them under the same path.
        rows (`Iterable[InputRow]`): read to their end before the first is answered.
        address (`str`): of the cluster, `"auto"` for the one that this machine is in, or `"local"` to start one on this machine alone.
        concurrency (`int`, *optional*): workers, each with a model; by default one for each GPU of the cluster, and one without GPUs.

    Yields:
        The rows as they are written, with answers or errors.

    Raises:
        ImportError: if ray is missing.
        ConnectionError: if there is no cluster at the address.
        RuntimeError: if a worker cannot load the model, or the model fails.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ImportError("Workers of Ray need ray: pip install 'transformers-mvgpt[ray]'.") from error
    tasks = [{"row": pickle.dumps(_anywhere(row))} for row in rows]
    if not tasks:
        return
    captioner = copy.copy(captioner)
    if os.path.isdir(captioner.model):
        captioner.model = os.path.abspath(captioner.model)
    with _cluster(ray, address), _quiet(ray):
        num_gpus = int(ray.cluster_resources().get("GPU", 0)) if str(captioner.device) != "cpu" else 0
        size = max(captioner.batch_size * _BATCHES_PER_TASK, -(-len(tasks) // _MAX_TASKS))
        # not so much for one that others have nothing to do at the end
        num_workers = concurrency or num_gpus or 1
        size = max(min(size, len(tasks) // (2 * num_workers)), captioner.batch_size)
        answers = ray.data.from_items(tasks, override_num_blocks=-(-len(tasks) // size)).map_batches(
            RayWorker,
            fn_constructor_args=(captioner,),
            batch_size=size,
            compute=ray.data.ActorPoolStrategy(size=num_workers),
            num_gpus=1 if num_gpus else 0,
            num_cpus=1,
        )
        try:
            for batch in answers.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0):
                yield from map(json.loads, batch["line"])
        except ray.exceptions.RayError as error:
            [*_, reason] = str(error).strip().splitlines()
            raise RuntimeError(f"A worker of Ray failed: {reason}") from error


def _anywhere(row: InputRow) -> InputRow:
    """With paths that do not depend on the folder that a worker runs in."""
    found = {
        kind: os.path.abspath(source)
        for kind in ("video", "image")
        if isinstance(source := row.row.get(kind), (str, os.PathLike)) and not ADDRESS.match(os.fspath(source))
    }
    return InputRow(row.record, {**row.row, **found})


@contextlib.contextmanager
def _cluster(ray: Any, address: str) -> Iterator[None]:
    """The one that the caller has joined, or this one for a while."""
    if ray.is_initialized():
        yield
        return
    options = {"include_dashboard": False} if address == "local" else {}
    ray.init(address=address, log_to_driver=False, logging_level="error", **options)
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _quiet(ray: Any) -> Iterator[None]:
    """Without Ray's progress bars and notes; and each answer is handed over at once."""
    logger = logging.getLogger("ray.data")
    level = logger.level
    logger.setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    changed = {"enable_progress_bars": False, "target_max_block_size": 1, "target_min_block_size": 1}
    before = {name: getattr(context, name) for name in changed}
    for name, value in changed.items():
        setattr(context, name, value)
    try:
        yield
    finally:
        logger.setLevel(level)
        for name, value in before.items():
            setattr(context, name, value)
