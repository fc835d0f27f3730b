# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`transformers_mvgpt.runtime` is there without torch and transformers, and loads neither where they are installed."""

import pytest

from torch_free import run_torch_free
from transformers_mvgpt import put_off_registration


# Instead of the registration, which takes seconds.
RECORDED = """
import types

registrations = []
module = types.ModuleType("transformers_mvgpt.registration")
module.register_all = lambda: registrations.append(loaded())
sys.modules[module.__name__] = module
"""


@pytest.mark.parametrize(
    "statement",
    [
        "import transformers_mvgpt.runtime",
        "from transformers_mvgpt.runtime import frame_arrays",
        "import importlib; importlib.import_module('transformers_mvgpt.runtime.frame_arrays')",
    ],
)
def test_the_runtime_alone_loads_neither(statement):
    code = f"{RECORDED}\n{statement}\nprint(registrations, loaded())"
    assert run_torch_free(code, absent=()) == "[] []\n"


def test_any_other_import_registers():
    code = (
        f"{RECORDED}\nfrom transformers_mvgpt import runtime\nimport transformers_mvgpt.runtime\nprint(registrations)"
    )
    assert run_torch_free(code, absent=()) == "[[]]\n"


def test_where_transformers_is_loaded_it_registers():
    code = f"{RECORDED}\nsys.modules['transformers'] = types.ModuleType('transformers')\n"
    code += "from transformers_mvgpt.runtime import frame_arrays\nprint(registrations)"
    assert run_torch_free(code, absent=()) == "[['transformers']]\n"


def test_a_name_registers_what_was_put_off():
    code = f"""{RECORDED}
from transformers_mvgpt.runtime import UntrustedInput
import transformers_mvgpt
assert transformers_mvgpt.UntrustedInput is UntrustedInput and transformers_mvgpt.__version__
assert not hasattr(transformers_mvgpt, "VideoChats")
assert registrations == [] == loaded()
module = types.ModuleType("transformers_mvgpt.chat")
module.VideoChat = "the class"
sys.modules[module.__name__] = module
print(transformers_mvgpt.VideoChat, registrations)
"""
    assert run_torch_free(code, absent=()) == "the class [[]]\n"


@pytest.mark.slow
def test_the_pipeline_is_there_after_a_name():
    code = """
from transformers_mvgpt.runtime import UntrustedInput
from transformers_mvgpt import VideoTextToTextPipeline
from transformers import AutoConfig
from transformers.pipelines import PIPELINE_REGISTRY
print(AutoConfig.for_model("mobile_videogpt").model_type, "video-text-to-text" in PIPELINE_REGISTRY.get_supported_tasks())
"""
    assert run_torch_free(code, absent=()).splitlines()[-1] == "mobile_videogpt True"


def test_where_they_are_missing():
    code = """
import transformers_mvgpt
from transformers_mvgpt.runtime import UntrustedInput
try:
    from transformers_mvgpt import VideoChat
except ImportError as error:
    print(error)
"""
    assert run_torch_free(code) == (
        "`VideoChat` needs torch and transformers, which are not installed: `pip install transformers-mvgpt` brings all it needs. "
        "Exported models run without: `from transformers_mvgpt.runtime import OnnxVideoChat`.\n"
    )


def test_one_missing(monkeypatch):
    monkeypatch.setattr(put_off_registration, "missing_requirements", lambda: ["torch"])
    with pytest.raises(ImportError, match="^`VideoChat` needs torch, which is not installed"):
        put_off_registration.registered_first(str, ["VideoChat"])("VideoChat")
