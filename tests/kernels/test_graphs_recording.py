# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Recordings on a GPU: their memory, captures that fail, and threads."""

import threading

import pytest
import torch
from torch import nn

from tiny_models import make_sample, tiny_model
from transformers_mvgpt.kernels.graphs_function import GraphedFunction, GraphMemory
from transformers_mvgpt.kernels.graphs_model import recordings


pytestmark = pytest.mark.needs_cuda


def graphed(function, budget=10**9):
    module = nn.Linear(2, 2, device="cuda").eval()
    memory = GraphMemory(budget)
    return GraphedFunction(function, lambda: [module], 1, memory), memory


def square(x):
    return {"y": x @ x}


@torch.no_grad()
def test_what_is_dropped_is_free_again():
    function, memory = graphed(square, 150 * 2**20)
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved()
    for size in (1024, 2048, 3072, 1024):  # 4, 16 and 36 MiB a matrix, and a workspace each
        x = torch.randn(size, size, device="cuda")
        for _ in range(2):
            y = function(x)["y"]
        torch.testing.assert_close(y, x @ x, rtol=1e-2, atol=1e-1)
        assert 0 < memory.num_bytes <= memory.budget
    del x, y
    function.forget()
    torch._C._cuda_clearCublasWorkspaces()
    torch.cuda.empty_cache()
    assert torch.cuda.memory_reserved() <= before + 2**21


FAILING = {
    "waits": lambda x: {"y": x * x.sum().item()},
    "draws": lambda x: {"y": x + torch.rand_like(x)},
    "takes too much": lambda x: {"y": x + torch.empty(2**50, dtype=torch.uint8, device="cuda")[0]},
}


@torch.no_grad()
@pytest.mark.parametrize("name", FAILING)
def test_failed_captures_leave_nothing(name):
    function, memory = graphed(FAILING[name])
    stream = torch.cuda.current_stream()
    torch.manual_seed(0)
    wanted = torch.rand(3, device="cuda")
    torch.manual_seed(0)
    for _ in range(2):
        assert function(torch.ones(3, device="cuda")) is None
    assert memory.num_bytes == 0
    assert torch.cuda.current_stream() == stream
    if name != "draws":  # which it does once, before it is recorded
        assert torch.equal(torch.rand(3, device="cuda"), wanted)
    torch.rand(3, device="cuda")
    other, _ = graphed(square)
    assert torch.equal(other(torch.eye(3, device="cuda"))["y"], torch.eye(3, device="cuda"))


def test_threads():
    model = tiny_model().cuda()
    samples = [{name: value.cuda() for name, value in make_sample(5, f"video:{name}", 6).items()} for name in "ab"]

    def answer(sample):
        return model.generate(**sample, max_new_tokens=4, do_sample=False).tolist()

    model.cuda_graphs_disable()
    wanted = [answer(sample) for sample in samples]
    del recordings[model.model]
    found, ended = [[], []], threading.Event()

    def generate(number):
        found[number] += [answer(samples[number]) for _ in range(6)]

    def draw():
        with torch.cuda.stream(torch.cuda.Stream()):
            while not ended.is_set():
                torch.rand(64, 64, device="cuda").sum().item()
        found.append("no error")

    drawing = threading.Thread(target=draw)
    drawing.start()
    for _ in range(3):
        answer(samples[0])
    threads = [threading.Thread(target=generate, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    ended.set()
    drawing.join(60)
    assert recordings[model.model].memory.num_bytes > 0
    assert found == [[wanted[0]] * 6, [wanted[1]] * 6, "no error"]
