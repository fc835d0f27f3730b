# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What holds for every test: no network, no leaked randomness, no deprecated use of transformers."""

import os


os.environ["HF_HUB_OFFLINE"] = "1"  # huggingface_hub reads it once, when it is first imported

import logging
import random
import signal
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import settings
from transformers import Pipeline


pytest_plugins = ["shared_fixtures", "processor_time"]


# The same examples in every run, and no limit to the time of one: machines are shared.
settings.register_profile("reproducible", derandomize=True, deadline=None, max_examples=100, database=None)
settings.load_profile("reproducible")


_PASSES_BOTH = "Passing `generation_config` together with generation-related arguments"
# before 5.20, transformers' own pipelines do
_PIPELINES_PASS_BOTH = not hasattr(Pipeline, "_prepare_generate_kwargs")


class FailOnDeprecation(logging.Handler):
    """Deprecations that transformers logs, rather than warns of, fail the test that caused them."""

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if "deprecat" in message.lower() and not (_PIPELINES_PASS_BOTH and _PASSES_BOTH in message):
            pytest.fail(f"transformers logged a deprecation: {message}")


logging.getLogger("transformers").addHandler(FailOnDeprecation(logging.WARNING))

# Where the tests run in the background of a script, Ctrl-C is ignored, by what they start too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # the workers share the cores


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # FAIL_WITHOUT_CUDA is for a job on a GPU machine, which must not pass by skipping.
    if torch.cuda.is_available() or "FAIL_WITHOUT_CUDA" in os.environ:
        return
    for item in items:
        if item.get_closest_marker("needs_cuda"):
            item.add_marker(pytest.mark.skip(reason="needs an NVIDIA GPU"))


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    """Each test starts from the same seeds and leaves the generators as it found them."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    yield
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
