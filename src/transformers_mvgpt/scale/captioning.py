# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Many videos on one machine: from inputs to a file of answers, in any number of runs and processes."""

import contextlib
import os
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ..conversion.first_signal import FirstSignal, Stopped
from .answer_table import AnswerTable
from .captioner import Captioner
from .input_rows import InputRow, InputRows
from .ray_captioning import answer_with_ray
from .row_records import row_key


class CaptioningStopped(Stopped):
    """A run was stopped; it says how far it came."""


@dataclass(frozen=True)
class CaptionCounts:
    """
    Args:
        answers (`int`), errors (`int`): rows of the output with an answer, and with an error in its place.
        others (`int`): how many of them are not in the input any more.
        is_main_process (`bool`): whether this process has put the output together; in others, the numbers are those of their rows.
        is_launched (`bool`): whether it is one of several processes.
    """

    answers: int
    errors: int
    others: int = 0
    is_main_process: bool = True
    is_launched: bool = False


def caption(
    model: str | os.PathLike,
    inputs: Any,
    out: str | os.PathLike,
    *,
    prompt: str | None = None,
    media_folder: str | os.PathLike | None = None,
    media_anywhere: bool = False,
    overwrite: bool = False,
    retry_errors: bool = False,
    ray: str | None = None,
    concurrency: int | None = None,
    on_start: Callable[[InputRows, int, int], None] | None = None,
    on_row: Callable[[Mapping[str, Any]], None] | None = None,
    **options: Any,
) -> CaptionCounts:
    """
    Answers a question about each of many videos or images. Answers are written as they come; killed at any moment and called again,
    it goes on, nothing is lost and nothing answered twice. Rows that cannot be answered are written with an `"error"`. At the end, rows
    stand in the order of the input.

    With several processes (`accelerate launch`), each answers its share of the rows, on its device; with `ray`, workers of a cluster do,
    whose answers are written here. Ctrl-C and SIGTERM end the run after the batch, a second one on the spot.

    Args:
        model (`str`): folder, or repository on the Hub.
        inputs: files, folders, patterns, lists, datasets: see [`InputRows`].
        out (`str`): `.jsonl` or `.parquet` file. A row of the input stands in it as it is, with an `"answer"` or an `"error"`.
        prompt (`str`, *optional*): the question of rows that have none.
        media_folder (`str`, *optional*): what paths in lists are relative to, and do not leave; by default the folder of the list.
        media_anywhere (`bool`, defaults to `False`): whether absolute paths, `..` and links may leave that folder.
        overwrite (`bool`, defaults to `False`): begin anew, whatever is in `out`.
        retry_errors (`bool`, defaults to `False`): answer rows again that have an error.
        ray (`str`, *optional*):
            Address of a cluster of Ray, `"auto"` for the one that this machine is in, or `"local"` for this machine: see
            [`answer_with_ray`].
        concurrency (`int`, *optional*): workers there, each with a model; by default one for each GPU, and one without GPUs.
        on_start (`Callable`, *optional*):
            Gets the rows, how many of them this process will answer, and how many are done. Called in the main process alone.
        on_row (`Callable`, *optional*): gets each row that this process has written.
        options: of [`Captioner`], such as `batch_size`, `num_workers`, `device`, `max_new_tokens`, `return_selected_frames`.

    Returns:
        [`CaptionCounts`]: how many rows there are.

    Raises:
        FileNotFoundError: if there is nothing at a path.
        FileExistsError: if `out` was made with other settings or by something else, or another run writes to it.
        ValueError: if there is nothing to ask about, or on a bad option.
        CaptioningStopped: a `KeyboardInterrupt`, after Ctrl-C or SIGTERM.
    """
    if concurrency is not None and concurrency < 1:
        raise ValueError(f"`concurrency` ({concurrency}) must be at least 1.")
    if concurrency is not None and ray is None:
        raise ValueError(f"`concurrency={concurrency}` is of workers of Ray: give `ray=local` or an address too.")
    processes = _Processes(options.pop("device", None))
    if ray is not None and processes.count > 1:
        raise ValueError(f"`ray={ray}` starts its workers itself: run one process, without `accelerate launch`.")
    captioner = Captioner(model, prompt=prompt, device=processes.device, **options)
    table = AnswerTable(out)
    rows = InputRows(inputs, captioner.kinds, prompt, captioner.check, media_folder, media_anywhere, table.owns)
    if read_and_written := next(filter(table.owns, rows.list_files), None):
        raise ValueError(f"{read_and_written} holds the questions: choose another file to write to.")
    settings = captioner.settings | {"relative_to": rows.relative_to}
    with contextlib.ExitStack() as stack:
        if processes.index == 0:
            stack.enter_context(table.claimed(settings, overwrite=overwrite, retry_errors=retry_errors))
        processes.wait()
        done = table.read()
        if processes.index:
            table.num_answers = table.num_errors = 0
        num_left = max(len(rows) - done.total(), 0)
        if ray is None and (num_left or processes.count > 1):
            _ = captioner.pipe  # loads the model
        lines = stack.enter_context(table.part(processes.index))
        processes.wait()  # until all hold their files
        if on_start is not None and processes.index == 0:
            share = range(processes.index, num_left, processes.count)
            on_start(rows, len(share), len(rows) - num_left if processes.count == 1 else 0)
        asked = array("Q")
        with FirstSignal("batch, whose answers are written") as signals:

            def stop_if_told() -> None:
                if signals.received is not None:
                    raise _Stop

            left = _left(rows, done, asked, processes)
            answers = (
                captioner.answer_inputs(left, stop_if_told)
                if ray is None
                else answer_with_ray(captioner, left, ray, concurrency)
            )
            try:
                for row in answers:
                    lines.append(row)
                    table.count(row)
                    if on_row is not None:
                        on_row(row)
                    if ray is not None:
                        stop_if_told()
            except _Stop:
                pass
            except Exception:
                # a signal to all processes also ends those that decode
                if signals.received is None:
                    raise
        if signals.received is not None:
            raise CaptioningStopped(
                f"Stopped after {table.num_answers + table.num_errors} of {len(rows)} rows. The same command goes on.",
                signals.received,
            )
        if processes.index == 0:
            table.wait_for_parts()
            others = done.total()
            table.bring_into_order(asked)
            found = table.read().total()
            if found < len(asked):
                raise RuntimeError(
                    f"{len(asked) - found} rows are missing, as a process has ended early: the same command goes on."
                )
            table.finish()
            return CaptionCounts(table.num_answers, table.num_errors, others, is_launched=processes.count > 1)
    return CaptionCounts(table.num_answers, table.num_errors, is_main_process=False, is_launched=True)


class _Stop(Exception):
    """Between two batches, as a signal came."""


class _Processes:
    """
    The processes of `accelerate launch`, or this one alone.

    Args:
        device: as it is asked for.
    """

    def __init__(self, device: Any) -> None:
        self.index, self.count, self.device, self._state = 0, 1, device, None
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return
        try:
            from accelerate import PartialState
            from accelerate.utils import parse_flag_from_env
        except ImportError as error:
            raise ImportError("Several processes need accelerate: pip install 'transformers-mvgpt[train]'.") from error
        if device is not None and str(device) != "cpu":
            raise ValueError(f"`device={device}` would be that of all processes: leave it out, or use cpu.")
        on_cpu = (
            device is not None or parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
        )
        self._state = PartialState(cpu=on_cpu)
        self.index, self.count = self._state.process_index, self._state.num_processes
        self.device = self._state.device

    def wait(self) -> None:
        """Until all processes are here."""
        if self._state is not None:
            self._state.wait_for_everyone()


def _left(rows: InputRows, done: "Counter[int]", asked: "array[int]", processes: _Processes) -> Iterator[InputRow]:
    """The rows that are left for this process. Takes those that are done out of `done`, and appends the keys of all to `asked`."""
    number = 0
    for row in rows:
        key = row_key(row.record)
        if processes.index == 0:
            asked.append(key)
        if done[key] > 0:
            done[key] -= 1
            continue
        done.pop(key, None)
        if number % processes.count == processes.index:
            yield row
        number += 1
