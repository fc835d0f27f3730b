# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""One sample after the other, the next of which is read while the model answers."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
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
    todo: SimpleQueue[tuple[Any, Future] | None] = SimpleQueue()

    def read() -> None:
        while (item := todo.get()) is not None:
            sample, prepared = item
            try:
                prepared.set_result(pipe.preprocess(sample, **reading))
            except BaseException as error:  # raised where it is waited for
                prepared.set_exception(error)
            # what the reader waits for next is not to be kept by this thread
            del item, sample, prepared

    # One thread: memory holds two videos at most. The end of the process would wait for that of a pool, until a slow address has sent all.
    Thread(target=read, name="read", daemon=True).start()

    def read_next() -> Future | None:
        for sample in left:
            prepared: Future = Future()
            todo.put((sample, prepared))
            return prepared
        return None

    try:
        waiting = read_next()
        while waiting is not None:
            prepared, waiting = waiting.result(), read_next()
            [record] = pipe.postprocess(pipe.forward(prepared, **answering), **telling)
            yield record
    finally:
        todo.put(None)
