# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import time

import pytest
import torch
from torch import nn

from transformers_mvgpt.evaluation import machine_limits
from transformers_mvgpt.evaluation.machine_limits import (
    LimitsMeter,
    count_flops,
    median_seconds,
    median_seconds_in_turns,
    time_calls,
)


CPU = torch.device("cpu")


def test_limits_are_those_of_a_real_machine():
    meter = LimitsMeter(CPU, torch.float32)
    meter.sample()
    limits = meter.limits()
    assert 1e8 < limits.flops_per_second < 1e15
    assert 1e8 < limits.bytes_per_second < 1e13


def test_median_of_samples_counts(monkeypatch):
    seconds = [1.0, 9.0, 4.0, 3.0, 2.0, 6.0]  # of a product, of reading, and so on
    monkeypatch.setattr(machine_limits, "time_calls", lambda *_: [seconds.pop(0)])
    meter = LimitsMeter(CPU, torch.float32)
    for _ in range(3):
        meter.sample()
    assert meter.limits().flops_per_second == 2 * 2402 * 896 * 4864 / 2
    assert meter.limits().bytes_per_second == 2**29 / 6


def test_first_call_does_not_count():
    seconds = [0.1, 0.0, 0.0, 0.02]
    assert median_seconds(lambda: time.sleep(seconds.pop(0)), CPU, 3) < 0.01
    assert not seconds


def test_calls_take_turns():
    calls, seconds = [], [0.2, 0.01, 0.02, 0.15]  # the first does not count, of the others the median does
    first = lambda: calls.append("a")  # noqa: E731
    second = lambda: (calls.append("b"), time.sleep(seconds.pop(0)))  # noqa: E731
    medians = median_seconds_in_turns([first, second], CPU, 3)
    assert calls == list("abababab")
    assert medians[0] < 0.01
    assert 0.02 <= medians[1] < 0.1


def test_short_calls_are_repeated():
    calls = []
    [seconds] = time_calls(lambda: (calls.append(0), time.sleep(0.002)), CPU, 1, min_seconds=0.05)
    assert len(calls) > 5
    assert 0.002 <= seconds < 0.05


def test_flops_are_counted_and_nothing_is_touched():
    layer = nn.Linear(8, 16)
    weight = layer.weight
    assert count_flops(layer, lambda twin: twin(torch.empty(4, 8, device="meta"))) == 2 * 4 * 8 * 16
    assert layer.weight is weight
    assert layer.weight.device == CPU


def test_weights_are_not_copied_to_be_counted(monkeypatch):
    layer = nn.BatchNorm2d(8)  # with buffers, too
    monkeypatch.setattr(nn.Parameter, "__deepcopy__", lambda *_: pytest.fail("a copy"))
    monkeypatch.setattr(torch.Tensor, "__deepcopy__", lambda *_: pytest.fail("a copy"))
    devices = []
    count_flops(layer, lambda twin: devices.extend(tensor.device.type for tensor in twin.state_dict().values()))
    assert set(devices) == {"meta"}


def test_flops_of_attention_count():
    class Attention(nn.Module):
        def forward(self, x):
            return nn.functional.scaled_dot_product_attention(x, x, x)

    rows = torch.empty(1, 2, 5, 4, device="meta")  # heads, length, width
    assert count_flops(Attention(), lambda twin: twin(rows)) == 2 * (2 * 2 * 5 * 5 * 4)
