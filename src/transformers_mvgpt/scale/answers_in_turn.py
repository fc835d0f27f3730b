# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""One sample after the other, the next of which is read while the model answers."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


def answer_in_turn(pipe: Any, samples: Iterable[Any], **options: Any) -> Iterator[dict[str, Any]]:
    """
    Answers samples one by one, as their answers are taken. A thread decodes the next one meanwhile; decoders release Python's lock.

    Args:
        pipe ([`VideoTextToTextPipeline`]): with the model.
        samples (`Iterable`): as the pipeline takes them.
        options: of the pipeline.

    Returns:
        `Iterator[dict]`: the pipeline's record of each sample, or `{"error": ...}` of one that cannot be read.

    Raises:
        ValueError: on a bad option.
        torch.OutOfMemoryError, RuntimeError: if the model fails, which is no property of a sample.
    """
    pipe._refuse_unknown(options)
    steps = pipe._sanitize_parameters(**options, on_error="return")
    defaults = (pipe._preprocess_params, pipe._forward_params, pipe._postprocess_params)
    reading, answering, telling = ({**default, **step} for default, step in zip(defaults, steps, strict=True))
    left = iter(samples)
    # one thread: memory holds two videos at most
    pool = ThreadPoolExecutor(1, thread_name_prefix="read")

    def read_next() -> Future | None:
        for sample in left:
            return pool.submit(pipe.preprocess, sample, **reading)
        return None

    try:
        waiting = read_next()
        while waiting is not None:
            prepared, waiting = waiting.result(), read_next()
            [record] = pipe.postprocess(pipe.forward(prepared, **answering), **telling)
            yield record
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
