# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The seam: the model without any of the fast files, and what is known of a call only there."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import DynamicCache

from hub_folders import run_without_package
from tiny_models import make_sample, tiny_model
from transformers_mvgpt.compat.cache_name import CACHE_NAME
from transformers_mvgpt.conversion.remote_code import RemoteCode
from transformers_mvgpt.families import family_of
from transformers_mvgpt.kernels import dispatch, dispatch_video, gates, gates_language_model
from transformers_mvgpt.kernels.dispatch import last_token_only, run_language_model


@pytest.fixture
def plain_files() -> dict[str, str]:
    """What an export holds without the fast files."""
    return RemoteCode(family_of("mobile_videogpt")).code(plain=True)


def test_files_that_a_plain_export_needs(plain_files):
    kernels = {file.name for file in Path(dispatch.__file__).parent.glob("*.py")}
    needed = {"dispatch.py", "fast_paths.py", "late_answer.py"}
    video = {"dispatch_video.py", "exported_scan.py", "fast_paths_video.py", "naive_scan.py", "patch_convolution.py"}
    video.add("torch_scan.py")
    assert kernels & plain_files.keys() == needed | video
    assert kernels & RemoteCode(family_of("mobilevlm")).code(plain=True).keys() == needed


CODE = """
import importlib
import torch
config, inputs = torch.load("inputs.pt", weights_only=False)
modeling = importlib.import_module("plain.modeling_mvgpt")
model = modeling.MobileVideoGPTForConditionalGeneration(modeling.MobileVideoGPTConfig(**config)).eval()
model.load_state_dict(torch.load("weights.pt"))
ids = model.generate(**inputs, max_new_tokens=6, do_sample=False)
model.cuda_graphs_disable()
model.double()
print(ids.tolist())
"""


def test_plain_files_answer_the_same(plain_files, tmp_path):
    model, sample = tiny_model(), make_sample(5, "video:a", 6)
    (tmp_path / "plain").mkdir()
    for name, code in plain_files.items():
        (tmp_path / "plain" / name).write_text(code, "utf-8")
    config = model.config.to_dict()
    torch.save((config, sample), tmp_path / "inputs.pt")
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    printed = run_without_package(CODE, tmp_path, PYTHONPATH=tmp_path)
    assert printed == f"{model.generate(**sample, max_new_tokens=6, do_sample=False).tolist()}\n"


def test_no_language_model_is_imported_before_it_is_used():
    code = (
        "import sys, transformers_mvgpt.kernels.dispatch as _; print([name for name in sys.modules if name in KNOWN])"
    )
    known = f"KNOWN = {sorted(gates_language_model._KNOWN_FAMILIES)};"
    result = subprocess.run([sys.executable, "-c", known + code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


@torch.no_grad()
def test_same_without_fast_paths(monkeypatch):
    model, sample = tiny_model(), make_sample(5, "video:a", 6)
    found = model(**sample).logits
    for module in (dispatch, dispatch_video):
        monkeypatch.setattr(module, "fast", None)
    torch.testing.assert_close(found, model(**sample).logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found[:, -1:], model(**sample, logits_to_keep=1).logits, rtol=1e-4, atol=1e-4)


def test_what_is_not_there_is_said(monkeypatch):
    for module in (dispatch, dispatch_video):
        monkeypatch.setattr(module, "fast", None)
    with pytest.raises(ImportError, match="CUDA graphs are not among these files"):
        dispatch.enable_cuda_graphs(tiny_model().model)
    with pytest.raises(ImportError, match="'numba' is not among these files; 'torch' is"):
        dispatch_video.scan(dispatch_video.ScanInputs(*[torch.zeros(1)] * 6), "numba")
    with pytest.raises(ValueError, match="must be 'auto', 'torch', 'numba', 'triton' or 'mamba_ssm'"):
        dispatch_video.scan(dispatch_video.ScanInputs(*[torch.zeros(1)] * 6), "cuda")


@torch.no_grad()
@pytest.mark.skipif(not gates.has_numba, reason="the prefill is numba's")
def test_last_token_only_is_of_one_model_and_ends():
    model, other = tiny_model().model, tiny_model().model
    inputs = {"inputs_embeds": torch.zeros(1, 5, 32), "use_cache": True}

    def lengths():
        return [run_language_model(one, **inputs).last_hidden_state.shape[1] for one in (model, other)]

    with last_token_only(model, 1):
        assert lengths() == [1, 5]
        with last_token_only(other, 1):
            assert lengths() == [5, 1]
        assert lengths() == [1, 5]
    assert lengths() == [5, 5]
    with pytest.raises(RuntimeError, match="inside"), last_token_only(model, 1):
        raise RuntimeError("inside")
    assert lengths() == [5, 5]
    for logits_to_keep in (0, 2, torch.tensor([0])):
        with last_token_only(model, logits_to_keep):
            assert lengths() == [5, 5]


@torch.no_grad()
def test_inputs_are_checked_before_a_decode_step_writes(monkeypatch):
    model = tiny_model().model
    cache = DynamicCache(config=model.config.text_config)
    run_language_model(model, inputs_embeds=torch.zeros(1, 5, 32), use_cache=True, **{CACHE_NAME: cache})

    def check():
        raise ValueError("2 placeholders, 1 visual token")

    for decode in (lambda *_, **__: pytest.fail("the step has been made"), dispatch.fast.decode_on_gpu):
        monkeypatch.setattr(dispatch.fast, "decode_on_gpu", decode)
        with pytest.raises(ValueError, match="2 placeholders"):
            run_language_model(
                model, check, inputs_embeds=torch.zeros(1, 1, 32), use_cache=True, **{CACHE_NAME: cache}
            )
        assert cache.get_seq_length() == 5


def test_repositories_of_other_families_hold_no_kernels_of_videos():
    names = RemoteCode(family_of("mobilevlm")).code().keys()
    assert "dispatch.py" in names
    assert [
        name for name in names if any(word in name for word in ("mamba", "scan", "mixer", "video", "scoring"))
    ] == []
