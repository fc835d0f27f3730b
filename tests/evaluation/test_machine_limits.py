# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import time

import torch
from torch import nn

from transformers_mvgpt.evaluation.machine_limits import count_flops, measure_limits, median_seconds, time_calls


CPU = torch.device("cpu")


def test_limits_are_those_of_a_real_machine():
    limits = measure_limits(CPU, torch.float32, runs=1)
    assert 1e8 < limits.flops_per_second < 1e15
    assert 1e8 < limits.bytes_per_second < 1e13


def test_first_call_does_not_count():
    seconds = [0.1, 0.0, 0.0, 0.02]
    assert median_seconds(lambda: time.sleep(seconds.pop(0)), CPU, 3) < 0.01
    assert not seconds


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


def test_flops_of_attention_count():
    class Attention(nn.Module):
        def forward(self, x):
            return nn.functional.scaled_dot_product_attention(x, x, x)

    rows = torch.empty(1, 2, 5, 4, device="meta")  # heads, length, width
    assert count_flops(Attention(), lambda twin: twin(rows)) == 2 * (2 * 2 * 5 * 5 * 4)
