# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""CUDA graphs without a GPU: nothing is recorded, and the recorded functions run instead of replays."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from transformers_mvgpt.kernels import graphs_function, graphs_model, graphs_step
from transformers_mvgpt.kernels.fast_paths import FastPaths
from transformers_mvgpt.kernels.graphs_recording import Recording


class PretendedRecording:
    """As [`Recording`], on a CPU. Its memory is what the class says, and recording raises if the class says so."""

    size = 100
    error: Exception | None = None
    made: list[tuple[int, ...]] = []

    def __init__(self, function: Callable[..., Any], *inputs: torch.Tensor):
        function(*inputs)
        if self.error is not None:
            raise self.error
        self._function = function
        self.num_bytes = self.size
        self.made.append(tuple(inputs[0].shape))

    def run(self, inputs: tuple[torch.Tensor, ...], read: Callable[[Any], Any]) -> Any:
        return read(self._function(*inputs))


class PretendedAhead:
    """As [`Ahead`], on a CPU."""

    def __init__(self, device: torch.device, encode: Callable[[], Any]):
        self.encoded = encode()

    def join(self) -> None: ...


def pretend_to_record(monkeypatch: pytest.MonkeyPatch) -> type[PretendedRecording]:
    """Models on CPU are recorded by themselves, as if they were on a GPU."""

    class OfThisTest(PretendedRecording):
        made: list[tuple[int, ...]] = []

    monkeypatch.setattr(graphs_function, "Recording", OfThisTest)
    monkeypatch.setattr(graphs_step, "Recording", OfThisTest)
    monkeypatch.setattr(graphs_model, "records_by_itself", lambda device: True)
    monkeypatch.setattr(FastPaths, "Ahead", PretendedAhead)
    return OfThisTest


def watch_replays(monkeypatch: pytest.MonkeyPatch, recording_class: type = Recording) -> list[tuple[int, ...]]:
    """The shapes of what comes to recordings, from now on."""
    calls: list[tuple[int, ...]] = []
    run = recording_class.run
    monkeypatch.setattr(
        recording_class,
        "run",
        lambda self, inputs, read: calls.append(tuple(inputs[0].shape)) or run(self, inputs, read),
    )
    return calls
