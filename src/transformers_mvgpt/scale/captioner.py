# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Rows in, rows out: questions about videos or images, with the answers of a model."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain, islice
from typing import Any

from ..evaluation.choices import check_quantization_name
from ..video.error_text import describe_error
from ..video.limits import UntrustedInput, shorten
from .input_rows import InputRow
from .lookahead import Lookahead
from .row_records import ADDED, is_missing, to_column, to_list


_KINDS = ("video", "image")
_SEGMENT = ("start_seconds", "end_seconds")


class Captioner:
    """
    Answers the questions of rows. The model is loaded when it is first needed. What is pickled are the arguments, so that each worker of
    a cluster loads a model of its own.

    A row is a mapping with a `"video"` or an `"image"` (in any form that the pipeline takes), maybe a `"question"`, and maybe
    `"start_seconds"` and `"end_seconds"`, which go before the options. It comes back with an `"answer"`, or if it cannot be answered, with an
    `"error"` of one line; all else in it stays. A row that has an error already stays as it is.

    Args:
        model (`str`): folder, or repository on the Hub.
        prompt (`str`, *optional*): the question of rows that have none.
        batch_size (`int`, defaults to 1): rows that are answered together; the answers do not depend on it.
        num_workers (`int`, defaults to 0): processes that decode ahead (threads, if frames are resized on a GPU).
        device (`str`, *optional*), dtype (`str`, defaults to `"auto"`): as the pipeline takes them.
        quantization (`str`, *optional*): `"int8"` or `"int4"`, of the language model's weights.
        untrusted_input ([`UntrustedInput`], *optional*): how much is taken of the videos and images.
        options:
            What else the pipeline takes, such as `max_new_tokens`, `start_seconds` or `return_selected_frames`: with the last, rows also
            have `"selected_frames"`, a list of `{"video", "index", "seconds", "score"}`. Answers are greedy unless `do_sample=True`.

    Raises:
        ValueError: on a bad option.
    """

    def __init__(
        self,
        model: str | os.PathLike,
        *,
        prompt: str | None = None,
        batch_size: int = 1,
        num_workers: int = 0,
        device: Any = None,
        dtype: Any = "auto",
        quantization: str | None = None,
        untrusted_input: UntrustedInput | None = None,
        **options: Any,
    ) -> None:
        for name, number, lowest in (("batch_size", batch_size, 1), ("num_workers", num_workers, 0)):
            if isinstance(number, bool) or not isinstance(number, int) or number < lowest:
                raise ValueError(f"`{name}` ({shorten(number)}) must be a whole number of at least {lowest}.")
        if quantization is not None:
            check_quantization_name(quantization)
        start, end = (options.get(name) for name in _SEGMENT)
        if start is not None and end is not None and start >= end:
            raise ValueError(f"`start_seconds` ({shorten(start)}) must be before `end_seconds` ({shorten(end)}).")
        self.model, self.prompt = os.fspath(model), prompt
        self.batch_size, self.num_workers = batch_size, num_workers
        self.device, self.dtype, self.quantization = device, dtype, quantization
        self.untrusted_input, self.options = untrusted_input, options

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "pipe"}

    @property
    def settings(self) -> dict[str, Any]:
        """What the answers depend on, in plain types."""
        values = {"prompt": self.prompt, "dtype": str(self.dtype), "quantization": self.quantization, **self.options}
        model = os.path.realpath(self.model) if os.path.isdir(self.model) else self.model
        given = {name: value for name, value in sorted(values.items()) if value is not None and value is not False}
        return {"model": model, **given}

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """What the model looks at: `("video", "image")` or `("image",)`. Weights are not loaded for that."""
        from ..conversion.loading import find_family

        family = find_family(self.model)
        return ("image",) if family is not None and family.video_processor_class is None else _KINDS

    @cached_property
    def pipe(self) -> Any:
        """The pipeline `video-text-to-text` with the model."""
        from ..evaluation.pipeline_loading import load_pipeline
        from ..registration import register_all

        register_all()
        pipe = load_pipeline(
            self.model,
            quantization=self.quantization,
            untrusted_input=self.untrusted_input,
            device=self.device,
            dtype=self.dtype,
        )
        pipe._refuse_unknown(self.options)
        pipe._sanitize_parameters(**self.options)  # refuses what the model cannot do
        return pipe

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """
        Answers a batch of columns, as Ray Data's `map_batches` and `datasets`' `map(batched=True)` have it.

        Args:
            batch (`Mapping[str, list | np.ndarray]`): for each key of the rows its values.

        Returns:
            `dict`: the same columns, and `"answer"` and `"error"`, one of which is None in each row; with `return_selected_frames`, also
            `"selected_frames"`.
        """
        rows = [dict(zip(batch, row, strict=True)) for row in zip(*map(to_list, batch.values()), strict=True)]
        answered = list(self.answer_rows(rows))
        added = ["answer", "error", *(["selected_frames"] if self.options.get("return_selected_frames") else [])]
        columns = {name: to_column([row.get(name) for row in answered]) for name in added}
        return {**batch, **columns}

    def answer_rows(
        self, rows: Iterable[Mapping[str, Any]], before_batch: Callable[[], None] | None = None
    ) -> Iterator[dict[str, Any]]:
        """
        Answers rows in their order, as they are taken. Of consecutive rows about the same path or address, with a model that takes such,
        the video or image is decoded and encoded once.

        Args:
            rows (`Iterable[Mapping]`): read as answers are taken, no further ahead than the workers decode.
            before_batch (`Callable`, *optional*): is called before each batch is answered; what it raises ends the work there.

        Raises:
            torch.OutOfMemoryError, RuntimeError: if the model fails, which is no property of a row.
        """
        queue = Lookahead(iter(rows))
        while queue.peek(0) is not None:
            if self._is_about_same(queue.peek(0), queue.peek(1)):
                yield from self._answer_together(queue, before_batch)
            else:
                yield from self._answer_singly(self._singles(queue), before_batch)

    def answer_inputs(
        self, rows: Iterable[InputRow], before_batch: Callable[[], None] | None = None
    ) -> Iterator[dict[str, Any]]:
        """As [`answer_rows`], of the rows of inputs, which come as they are written."""
        records: deque[dict[str, Any]] = deque()

        def remembered() -> Iterator[dict[str, Any]]:
            for row in rows:
                records.append(row.record)
                yield row.row

        for answered in self.answer_rows(remembered(), before_batch):
            yield records.popleft() | {name: answered[name] for name in ADDED if name in answered}

    def _singles(self, queue: "Lookahead") -> Iterator[Mapping[str, Any]]:
        """Rows up to the first of several about the same."""
        while (row := queue.peek(0)) is not None and not self._is_about_same(row, queue.peek(1)):
            yield queue.pop()

    def _answer_singly(
        self, rows: Iterator[Mapping[str, Any]], before_batch: Callable[[], None] | None
    ) -> Iterator[dict[str, Any]]:
        waiting: deque[tuple[Mapping[str, Any], str | None]] = deque()

        def samples() -> Iterator[Any]:
            for row in chain(first, rows):
                try:
                    if row.get("error") is not None:
                        raise ValueError(row["error"])
                    sample = self._sample(row)
                except ValueError as error:
                    waiting.append((row, describe_error(error)))
                else:
                    waiting.append((row, None))
                    yield sample

        def failed() -> Iterator[dict[str, Any]]:
            while waiting and waiting[0][1] is not None:
                row, error = waiting.popleft()
                yield {**row, "error": error}

        # workers are not worth their start for so few
        first = list(islice(rows, self.batch_size))
        num_workers = self.num_workers if len(first) == self.batch_size else 0
        pipe, forward = self.pipe, self.pipe.forward
        if before_batch is not None:

            def checked_forward(*args: Any, **kwargs: Any) -> Any:
                before_batch()
                return forward(*args, **kwargs)

            pipe.forward = checked_forward
        try:
            for [result] in pipe(
                samples(),
                batch_size=self.batch_size,
                num_workers=num_workers,
                **{"do_sample": False, **self.options, "return_full_text": False, "on_error": "return"},
            ):
                yield from failed()
                row, _ = waiting.popleft()
                yield {**row, **_outcome(result)}
            yield from failed()
        finally:
            vars(pipe).pop("forward", None)

    def _sample(self, row: Mapping[str, Any]) -> Any:
        """What the pipeline is given."""
        kind = self._kind(row)
        question, segment = self._question(row), _segment(row)
        if not segment:
            return {"text": question, kind: row[kind]}
        if kind == "image":
            raise ValueError(f"`{next(iter(segment))}` is of videos, not of images")
        content = [{"type": "video", "video": row["video"], **segment}, {"type": "text", "text": question}]
        return [{"role": "user", "content": content}]

    def _kind(self, row: Mapping[str, Any]) -> str:
        given = [kind for kind in _KINDS if not is_missing(row.get(kind))]
        if not given:
            raise ValueError(
                f"it has neither `video` nor `image`, but {shorten(', '.join(map(str, row)) or 'nothing')}"
            )
        if len(given) == 2:
            raise ValueError("it has both `video` and `image`: leave one")
        if given[0] not in self.kinds:
            raise ValueError("the model takes images, no videos: ask about an `image`, or use a model for videos")
        return given[0]

    def _question(self, row: Mapping[str, Any]) -> str:
        question = row.get("question")
        question = self.prompt if is_missing(question) else question
        if question is None:
            raise ValueError("it has no `question`: give one, or a `prompt` for all rows without")
        if not isinstance(question, str):
            raise ValueError(f"`question` is of the type {type(question).__name__}, not text")
        return question

    def check(self, row: Mapping[str, Any]) -> None:
        """
        Raises:
            ValueError: if that is no row, as far as can be told without opening anything.
        """
        self._sample(row)

    def _is_about_same(self, row: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
        """Whether two rows are about one video that need not be encoded twice."""
        if row is None or other is None or self.options.get("return_selected_frames"):
            return False  # of an encoded video, nobody knows the times of its frames
        kind = self.kinds[0]
        others = {*_KINDS, "error"} - {kind}
        return (
            isinstance(row.get(kind), str)
            and all(_is_equal(row.get(name), other.get(name)) for name in (kind, *_SEGMENT))
            and all(is_missing(one.get(name)) for one in (row, other) for name in others)
        )

    def _answer_together(
        self, queue: "Lookahead", before_batch: Callable[[], None] | None
    ) -> Iterator[dict[str, Any]]:
        """The rows at the front that are about the same."""
        from ..chat import VideoChat

        first = queue.peek(0)
        assert first is not None
        chat, problem, is_last = None, None, False
        options = {"do_sample": False, **self.options}
        reading, generating, _ = self.pipe._sanitize_parameters(**options)
        variables = self.pipe.processor.chat_variables() - self.pipe.processor.known_options()
        generating |= {name: reading.pop(name) for name in variables & reading.keys()}
        while not is_last:
            is_last = not self._is_about_same(queue.peek(0), queue.peek(1))
            row = queue.pop()
            if before_batch is not None:
                before_batch()
            if chat is None and problem is None:
                try:
                    visual = first[self._kind(first)]
                    chat = VideoChat(self.pipe.model, self.pipe.processor, visual, **{**reading, **_segment(first)})
                except (OSError, ValueError) as error:
                    problem = describe_error(error)
            if problem is None:
                assert chat is not None
                try:
                    outcome = {"answer": chat.ask(self._question(row), **generating)}
                except ValueError as error:
                    outcome = {"error": describe_error(error)}
            else:
                outcome = {"error": problem}
            yield {**row, **outcome}


def _is_equal(value: Any, other: Any) -> bool:
    """Whether two values are the same text, number or nothing; of arrays, that is no question."""
    return isinstance(value, (str, int, float, type(None))) and type(value) is type(other) and value == other


def _outcome(result: Mapping[str, Any]) -> dict[str, Any]:
    if "error" in result:
        return {"error": result["error"]}
    frames = {"selected_frames": result["selected_frames"]} if "selected_frames" in result else {}
    return {"answer": result["generated_text"], **frames}


def _segment(row: Mapping[str, Any]) -> dict[str, float]:
    segment = {}
    for name in _SEGMENT:
        if not is_missing(row.get(name)):
            try:
                segment[name] = float(row[name])
            except (TypeError, ValueError, OverflowError):
                raise ValueError(f"`{name}` is {shorten(repr(row[name]))}, not a number") from None
    return segment
