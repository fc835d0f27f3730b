# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from transformers_mvgpt.kernels import threads
from transformers_mvgpt.kernels.threads import share_work


@pytest.fixture(params=[1, 2, 5])
def num_threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("num_parts", [0, 1, 2, 100])
def test_each_part_is_done_once(num_threads, num_parts):
    done = []
    share_work(done.append, range(num_parts))
    assert sorted(done) == list(range(num_parts))


def test_threads_work_at_the_same_time(num_threads):
    """The barrier opens when all of them have come."""
    barrier = threading.Barrier(num_threads, timeout=20)
    names = set()

    def work(part):
        names.add(threading.current_thread().name)
        barrier.wait()

    share_work(work, range(num_threads))
    assert len(names) == num_threads
    assert threading.current_thread().name in names


def test_threads_stay(num_threads):
    def idents():
        barrier = threading.Barrier(num_threads, timeout=20)
        seen = set()
        share_work(lambda part: (seen.add(threading.get_ident()), barrier.wait()), range(num_threads))
        return seen

    first = idents()
    others = [threading.Thread(target=lambda: None) for _ in range(3)]  # so that no ident is given a second time
    for other in others:
        other.start()
    assert idents() == first


@pytest.mark.parametrize("bad", [0, 7])
def test_errors_are_raised(num_threads, bad):
    def work(part):
        if part == bad:
            raise KeyError(f"part {part}")

    with pytest.raises(KeyError, match=f"part {bad}"):
        share_work(work, range(10))


def _work_in_a_fork(queue):
    done = []
    share_work(done.append, range(10))
    queue.put(sorted(done))


def test_nothing_is_written_after_an_error(num_threads):
    """The helpers are waited for."""
    running = threading.Event()
    done = []

    def work(part):
        if threading.current_thread() is threading.main_thread():
            running.wait(5)
            raise KeyError(part)
        running.set()
        time.sleep(0.05)
        done.append(part)

    if num_threads == 1:
        running.set()
    with pytest.raises(KeyError):
        share_work(work, range(6))
    count = len(done)
    time.sleep(0.2)
    assert len(done) == count


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="there is no fork on Windows")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_forked_processes_have_threads_of_their_own():
    torch.set_num_threads(max(2, torch.get_num_threads()))
    share_work(lambda part: None, range(10))
    torch.randn(2000, 500).exp()  # OpenMP has threads now, which the fork will not have
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_work_in_a_fork, args=(queue,))
    process.start()
    assert queue.get(timeout=30) == list(range(10))
    process.join(10)
    assert process.exitcode == 0


def has_libgomp():
    maps = Path("/proc/self/maps")
    is_there = maps.exists() and "libgomp" in maps.read_text() and "libiomp" not in maps.read_text()
    return is_there and threads._pause_of_openmp() is not None


@pytest.mark.skipif(not has_libgomp(), reason="other OpenMPs let threads sleep")
@pytest.mark.parametrize("most_threads", [8, 2])
def test_threads_of_torch_leave_their_cores(monkeypatch, most_threads):
    monkeypatch.setattr(threads, "_MOST_THREADS_TO_END", most_threads)
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(3)
    try:
        share_work(lambda part: time.sleep(0.1), range(3))  # now the own ones are there
        x = torch.randn(2000, 500)
        expected = x.exp().sum()
        with_torch = len(os.listdir("/proc/self/task"))
        share_work(lambda part: (time.sleep(0.3), seen.append(len(os.listdir("/proc/self/task")))), range(1))
        assert seen == [with_torch - 2 if most_threads == 8 else with_torch]
        assert torch.equal(x.exp().sum(), expected)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(("value", "may_end"), [("1", False), ("0", True), ("", True)])
def test_threads_of_torch_stay_if_the_user_says_so(monkeypatch, value, may_end):
    can_end = threads._pause_of_openmp() is not None
    monkeypatch.setenv("MVGPT_KEEP_TORCH_THREADS", value)
    threads._pause_of_openmp.cache_clear()
    try:
        assert (threads._pause_of_openmp() is not None) == (may_end and can_end)
    finally:
        threads._pause_of_openmp.cache_clear()


@pytest.mark.parametrize("value", ["1", "0"])
def test_numba_is_left_alone_if_the_user_says_so(value):
    pytest.importorskip("numba")
    code = "from transformers_mvgpt.kernels import gates; print(gates.has_numba)"
    environment = {**os.environ, "MVGPT_DISABLE_NUMBA": value}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert result.stdout == f"{value == '0'}\n"
