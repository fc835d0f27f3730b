# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What vLLM finds in the entry points of the package."""

import configparser
import importlib
import logging
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from transformers_mvgpt.vllm_registration import register_for_vllm


def test_entry_point_is_the_function():
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[1] / "setup.cfg")
    [line] = setup["options.entry_points"]["vllm.general_plugins"].strip().splitlines()
    name, _, target = line.partition(" = ")
    module, _, attribute = target.partition(":")
    assert name == "transformers_mvgpt"
    assert getattr(importlib.import_module(module), attribute) is register_for_vllm


def test_models_run_in_the_backend_for_transformers(monkeypatch):
    known = {}
    vllm = ModuleType("vllm")
    vllm.ModelRegistry = SimpleNamespace(register_model=known.__setitem__)
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    for _ in range(2):  # vLLM may call it again
        register_for_vllm()
    assert known == dict.fromkeys(
        [f"{name}ForConditionalGeneration" for name in ("MobileVideoGPT", "MobileVLM", "TinyLlavaVideo")],
        "vllm.model_executor.models.transformers:TransformersMultiModalForCausalLM",
    )


@pytest.mark.parametrize("vllm", [None, ModuleType("vllm")], ids=["not there", "another one"])
def test_what_is_missing_breaks_nothing(monkeypatch, caplog, vllm):
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    with caplog.at_level(logging.WARNING):
        register_for_vllm()
    assert "vLLM does not know the models of transformers-mvgpt: " in caplog.text
