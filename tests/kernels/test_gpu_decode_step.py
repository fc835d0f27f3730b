# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Decode steps on a GPU: the kernels, when they stand in, and their recordings."""

import copy
import importlib.util
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import DynamicCache

from changed_language_models import CHANGES
from tiny_models import make_prompt, tiny_config, tiny_language_model, tiny_model
from transformers_mvgpt.compat.cache_name import CACHE_NAME
from transformers_mvgpt.kernels import decode_buffer, gpu_decode_step, triton_decode_attention, triton_decode_kernels
from transformers_mvgpt.kernels.gates_gpu_decode import SameModules, weights_on_gpu
from transformers_mvgpt.kernels.gpu_decode_step import decode_on_gpu


FILE = str(Path(__file__).with_name("interpreted_decode_step.py"))
needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="torch brings triton on Linux alone"
)


def run_tests(**environment):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", FILE]
    result = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "passed" in result.stdout and "skipped" not in result.stdout, result.stdout


@needs_triton
def test_kernels_in_the_interpreter():
    run_tests(TRITON_INTERPRET="1")  # which triton reads when it is imported


@pytest.mark.needs_cuda
def test_kernels_on_the_gpu():
    run_tests(TRITON_INTERPRET="0")


CHANGES_BETWEEN_TOKENS = {
    **CHANGES,
    "compiled": lambda model: setattr(model.layers[1].mlp, "_compiled_call_impl", lambda x: x),
    "another norm": lambda model: setattr(model, "norm", nn.LayerNorm(48)),
    "another attention of a layer": lambda model: setattr(model.layers[2], "self_attn", model.layers[0].self_attn),
    "other layers": lambda model: setattr(model, "layers", model.layers[:]),
    "another weight": lambda model: setattr(model.norm, "weight", nn.Parameter(torch.zeros(48))),
    "a weight somewhere else": lambda model: setattr(model.norm.weight, "data", torch.zeros(48)),
    "other frequencies": lambda model: setattr(model.rotary_emb, "inv_freq", torch.zeros(16)),
    "other positions": lambda model: setattr(model.rotary_emb, "attention_scaling", 0.5),
    "a hook of all modules": None,
}


@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("change", CHANGES_BETWEEN_TOKENS.values(), ids=CHANGES_BETWEEN_TOKENS)
def test_changes_are_noticed(change, family):
    model = tiny_language_model(family=family, hidden_size=48, head_dim=32)
    weights = weights_on_gpu(model, torch.zeros(1, 1, 48))
    modules = SameModules(model, weights)
    assert modules.are_there(model)
    model.layers[1].mlp.up_proj.weight.data.mul_(2)  # which the next step reads
    assert modules.are_there(model)
    if change is None:
        handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
        found = modules.are_there(model)
        handle.remove()
        assert not found
    else:
        change(model)
        assert not modules.are_there(model)


REFUSED = {
    **{name: (change, {}) for name, change in CHANGES.items()},
    "an epsilon that is not the config's": (CHANGES_BETWEEN_TOKENS["another epsilon"], {}),
    "different scalings": (CHANGES_BETWEEN_TOKENS["another scaling"], {}),
    "a layer twice": (CHANGES_BETWEEN_TOKENS["another attention of a layer"], {}),
    "frequencies that depend on the length": (
        lambda model: None,
        {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}},
    ),
    "narrow heads": (lambda model: None, {"head_dim": 16}),
    "weights of another dtype than the tokens": (lambda model: model.half(), {}),
}


@pytest.mark.parametrize(("change", "fields"), REFUSED.values(), ids=REFUSED)
def test_unknown_language_models_are_refused(change, fields):
    model = tiny_language_model(**{"hidden_size": 48, "head_dim": 32, **fields})
    change(model)
    assert weights_on_gpu(model, torch.zeros(1, 1, 48)) is None


def test_language_model_that_was_asked_for_hidden_states_before_is_known():
    """transformers leaves its hooks."""
    model = tiny_language_model(hidden_size=48, head_dim=32)
    model(inputs_embeds=torch.zeros(1, 2, 48), output_hidden_states=True)
    assert weights_on_gpu(model, torch.zeros(1, 1, 48)) is not None


@needs_triton
@pytest.mark.slow
@pytest.mark.parametrize(("num_sequences", "dtype"), [(1, "bf16"), (16, "fp16"), (64, "bf16"), (64, "fp32")])
def test_kernels_compile_for_nvidia_gpus(num_sequences, dtype):
    """Which takes no GPU. Shared memory is that of a consumer card."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from transformers_mvgpt.kernels import triton_decode_step as steps

    several, size = num_sequences > 1, 4 if dtype == "fp32" else 2
    sizes = {"WIDTH": 896, "INNER": 4864, "K": 4864, "H": 14, "G": 2, "D": 64, "M": num_sequences, "BLOCKS": 128}
    sizes |= {"QUERIES": 16, "S": 64, "BT": 64}
    sizes |= {f"HAS_{name}BIAS": True for name in ("", "QUERY_", "KEY_", "VALUE_")}
    in_float32 = {"squares", "attended", "weights", "frequencies"}
    for name, blocks in (
        ("project", steps.PROJECT),
        ("gate", steps.GATE),
        ("add_product", steps.ADD),
        ("attend", None),
    ):
        kernel = getattr(triton_decode_attention if name == "attend" else triton_decode_kernels, f"{name}_kernel")
        chosen = (
            steps.ATTEND
            if blocks is None
            else steps.fit_blocks(blocks[several], num_sequences, 1 + (name != "add_product"), size)
        )
        constants = {**sizes, "R": chosen.rows, "BK": chosen.columns, "STAGES": chosen.stages}
        constants = {name: value for name, value in constants.items() if name in kernel.arg_names}
        signature = {}
        for argument in kernel.arg_names:
            if argument.endswith("_pointer"):
                tensor = argument.removesuffix("_pointer")
                kind = "i64" if tensor == "step" else "fp32" if tensor in in_float32 else dtype
                signature[argument] = f"*{kind}"
            elif argument in constants:
                signature[argument] = "constexpr"
            else:
                signature[argument] = "i32" if argument in ("layer", "num_sequences") else "fp32"
        places = {(kernel.arg_names.index(name),): value for name, value in constants.items()}
        source = ASTSource(kernel, signature, places)
        options = {"num_warps": chosen.num_warps}
        compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
        assert compiled.metadata.shared <= 99 << 10


# On a GPU, what interpreted_decode_step.py cannot see: the second step of a number of sequences is recorded.

GPU = torch.device("cuda")


def make_model(**fields):
    return tiny_language_model(**{"hidden_size": 48, "head_dim": 32, **fields}).to(GPU)


class Answers:
    """Tokens for prompts of random tokens, by the kernels and by the language model."""

    def __init__(self, model, num_sequences, seed):
        self.model, self.random = model, torch.Generator().manual_seed(seed)
        self.cache = DynamicCache(config=model.config)
        prompt = self._draw(num_sequences, 5 + seed)
        with torch.no_grad():
            model(inputs_embeds=prompt, use_cache=True, **{CACHE_NAME: self.cache})
        self.plain_cache = copy.deepcopy(self.cache)

    def _draw(self, *shape):
        return torch.randn(*shape, self.model.config.hidden_size, generator=self.random).to(GPU)

    @torch.no_grad()
    def step(self):
        token = self._draw(self.cache.layers[0].keys.shape[0], 1)
        found = decode_on_gpu(self.model, token, **{CACHE_NAME: self.cache}).last_hidden_state
        wanted = self.model(inputs_embeds=token, **{CACHE_NAME: self.plain_cache}).last_hidden_state
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.needs_cuda
def test_recorded_steps_of_several_answers():
    """Of different numbers of sequences and lengths, in turns."""
    model = make_model()
    answers = [Answers(model, num_sequences, seed) for seed, num_sequences in enumerate((1, 2, 1, 17, 2, 64))]
    for _ in range(4):
        for answer in answers:
            answer.step()
    assert len(gpu_decode_step._STEPS[model]) == 4
    assert all(step._graph is not None for step, _ in gpu_decode_step._STEPS[model].values())


@pytest.mark.needs_cuda
def test_recording_goes_on_behind_a_full_buffer():
    answer = Answers(make_model(), 2, 3)
    for _ in range(decode_buffer._MORE_TOKENS + 44):
        answer.step()
    assert answer.cache.get_seq_length() == 8 + decode_buffer._MORE_TOKENS + 44


@pytest.mark.needs_cuda
def test_recording_reads_weights_that_change():
    model = make_model()
    answer = Answers(model, 1, 3)
    for _ in range(3):
        answer.step()
    with torch.no_grad():
        model.layers[1].mlp.up_proj.weight.mul_(1.5)
    answer.step()
    before = copy.deepcopy(answer.cache.layers[0].keys)
    model.layers[1].mlp.up_proj.weight = nn.Parameter(model.layers[1].mlp.up_proj.weight * 1.5)
    with torch.no_grad():
        token = torch.zeros(1, 1, 48, device=GPU)
        assert decode_on_gpu(model, token, **{CACHE_NAME: answer.cache}) is None
    assert torch.equal(answer.cache.layers[0].keys, before)
    for _ in range(3):
        answer.step()


@pytest.mark.needs_cuda
def test_threads_and_streams_share_a_recording():
    model, failures = make_model(), []

    def work(seed):
        try:
            with torch.cuda.stream(torch.cuda.Stream()):
                answer = Answers(model, 1, seed)
                for _ in range(30):
                    answer.step()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.needs_cuda
def test_moved_model_frees_its_recordings():
    text_config = {"hidden_size": 48, "head_dim": 32, "num_hidden_layers": 2}
    model = tiny_model(tiny_config(text_config=text_config)).to(GPU)
    prompt = make_prompt(*range(5, 20)).to(GPU)
    found = model.generate(prompt, max_new_tokens=6)
    assert model.model.language_model in gpu_decode_step._STEPS
    model.to("cpu")
    assert model.model.language_model not in gpu_decode_step._STEPS
    assert torch.equal(model.generate(prompt.cpu(), max_new_tokens=6), found.cpu())
