# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import importlib.util

import pytest
import torch
from huggingface_hub.errors import StrictDataclassFieldValidationError
from torch._subclasses import FakeTensorMode
from torch.profiler import ProfilerActivity, profile
from torch.utils.checkpoint import checkpoint

from selective_scan_cases import (
    assert_all_close,
    double,
    make_inputs,
    output_and_grads,
    scan_by_the_formula,
    selective_scan_cuda,
    selective_scan_torch,
)
from tiny_models import VIDEO_SIZE, tiny_video_config
from transformers_mvgpt import VideoMambaModel
from transformers_mvgpt.kernels import dispatch_video, gates_video_encoder, mamba_ssm_scan, torch_scan
from transformers_mvgpt.kernels.dispatch_video import selective_scan
from transformers_mvgpt.kernels.fast_paths_video import FastVideoPaths
from transformers_mvgpt.kernels.naive_scan import ScanInputs
from transformers_mvgpt.modeling import modeling_videomamba


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("length", [1, 2, 7, 31, 32, 33, 63, 64, 65, 197])
def test_float64_matches_the_formula(length, batch, groups):
    inputs = make_inputs(batch=batch, groups=groups, length=length)
    expected = output_and_grads(scan_by_the_formula, inputs)
    assert_all_close(output_and_grads(selective_scan_torch, inputs), expected, tolerance=1e-12)


@pytest.mark.parametrize("length", [1, 65, 197])
@pytest.mark.parametrize("states", [1, 4, 16])
def test_float32_matches_the_formula(states, length):
    inputs = make_inputs(states=states, length=length, dtype=torch.float32)
    expected = output_and_grads(scan_by_the_formula, double(inputs))
    assert_all_close(output_and_grads(selective_scan_torch, inputs), expected, tolerance=5e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_computes_in_float32(dtype):
    inputs = make_inputs(length=65, dtype=dtype)
    inputs["A"] = inputs["A"].float()
    y = selective_scan(**inputs)
    assert y.dtype == dtype
    # all that is lost is the rounding of y itself
    torch.testing.assert_close(
        y.double(), scan_by_the_formula(**double(inputs)), rtol=torch.finfo(dtype).eps / 2 + 1e-5, atol=1e-5
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_grads_have_the_dtype_of_their_inputs(dtype):
    inputs = make_inputs(length=65, dtype=dtype)
    actual = output_and_grads(selective_scan, inputs)
    for name in inputs:
        assert actual[f"grad of {name}"].dtype == dtype
    expected = output_and_grads(scan_by_the_formula, double(inputs))
    assert_all_close(actual, expected, tolerance=torch.finfo(dtype).eps)


def test_gate_and_bias_are_optional():
    inputs = make_inputs()
    z, dt_bias = inputs.pop("z"), inputs.pop("dt_bias")
    y = selective_scan(**inputs)
    inputs["dt"] = inputs["dt"] - dt_bias[:, None]
    torch.testing.assert_close(y * torch.nn.functional.silu(z), selective_scan(**inputs, z=z, dt_bias=dt_bias))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_huge_dt_forgets_everything_before_the_token(dtype):
    inputs = make_inputs(length=65, dtype=dtype)
    inputs["dt"] = inputs["dt"].abs() * 1e4 + 1e4
    inputs["dt_bias"] = torch.zeros_like(inputs["dt_bias"])
    x, dt, B, C, D, z = (inputs[name] for name in ["x", "dt", "B", "C", "D", "z"])
    B_dot_C = (B * C).sum(2).repeat_interleave(3, dim=1)
    actual = output_and_grads(selective_scan, inputs)
    assert all(tensor.isfinite().all() for tensor in actual.values())
    expected = {"y": (B_dot_C * dt + D[:, None]) * x * torch.nn.functional.silu(z)}
    assert_all_close(actual, expected, tolerance=8 * torch.finfo(dtype).eps)


def test_decays_from_none_to_total_in_one_sequence():
    inputs = make_inputs(length=197, dtype=torch.float32)
    inputs["dt"] = inputs["dt"] * 30
    inputs["A"] = inputs["A"] * torch.tensor([1e-4, 1e-2, 1.0, 1e2])
    expected = output_and_grads(scan_by_the_formula, double(inputs))
    assert_all_close(output_and_grads(selective_scan, inputs), expected, tolerance=5e-6)


def test_non_contiguous_inputs():
    inputs = make_inputs(length=65)
    strided = {
        "x": inputs["x"].transpose(1, 2).contiguous().transpose(1, 2),
        "dt": inputs["dt"].repeat_interleave(2, dim=-1)[..., ::2],
        "A": inputs["A"].T.contiguous().T,
        "B": inputs["B"].permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0),
        "C": inputs["C"].repeat_interleave(2, dim=0)[::2],
        "D": inputs["D"].repeat_interleave(2)[::2],
        "z": inputs["z"].permute(2, 0, 1).contiguous().permute(1, 2, 0),
        "dt_bias": inputs["dt_bias"].repeat_interleave(3)[::3],
    }
    assert not any(tensor.is_contiguous() for tensor in strided.values())
    expected = output_and_grads(selective_scan, inputs)
    assert_all_close(output_and_grads(selective_scan, strided), expected, tolerance=1e-14)


@pytest.mark.parametrize("length", [3, 34])
def test_gradcheck(length):
    inputs = make_inputs(batch=1, channels_per_group=1, states=2, length=length)
    inputs = {name: tensor.requires_grad_() for name, tensor in inputs.items()}
    assert torch.autograd.gradcheck(lambda *args: selective_scan(*args), tuple(inputs.values()))


def test_grads_only_of_what_requires_them():
    inputs = make_inputs()
    expected = output_and_grads(selective_scan, inputs)["grad of B"]
    inputs["B"].requires_grad_()
    selective_scan(**inputs).sum().backward()
    assert [name for name, tensor in inputs.items() if tensor.grad is not None] == ["B"]
    assert inputs["B"].grad.shape == expected.shape


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_modes_without_grad(mode):
    inputs = make_inputs(length=65)
    expected = selective_scan(**inputs)
    inputs["A"].requires_grad_()
    with mode():
        y = selective_scan(**inputs)
    assert not y.requires_grad
    torch.testing.assert_close(y, expected, rtol=0, atol=0)


def test_autocast_does_not_lower_the_precision():
    inputs = make_inputs(length=65, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = output_and_grads(selective_scan, inputs)
    assert_all_close(actual, output_and_grads(selective_scan, inputs), tolerance=0)


def test_gradient_checkpointing():
    inputs = make_inputs(length=65)

    def scan(**inputs):
        return checkpoint(selective_scan, *inputs.values(), use_reentrant=False)

    assert_all_close(output_and_grads(scan, inputs), output_and_grads(selective_scan, inputs), tolerance=0)


def test_meta_tensors():
    inputs = make_inputs(length=65, dtype=torch.bfloat16, device="meta")
    inputs["x"].requires_grad_()
    y = selective_scan(**inputs)
    y.sum().backward()
    assert (y.shape, y.dtype, y.device.type) == ((2, 6, 65), torch.bfloat16, "meta")
    assert inputs["x"].grad.shape == (2, 6, 65)


def test_compiles_to_one_graph():
    compiled = torch.compile(selective_scan, backend="aot_eager", fullgraph=True)
    inputs = make_inputs(length=65)
    assert_all_close(output_and_grads(compiled, inputs), output_and_grads(selective_scan, inputs), tolerance=1e-14)


def test_exports_for_any_length():
    class Scan(torch.nn.Module):
        def forward(self, x, dt, A, B, C, D, z, dt_bias):
            return selective_scan(x, dt, A, B, C, D, z, dt_bias)

    length = torch.export.Dim("length", min=2)
    inputs = make_inputs(length=65)
    with_tokens = {"x", "dt", "B", "C", "z"}
    shapes = {name: {tensor.ndim - 1: length} if name in with_tokens else None for name, tensor in inputs.items()}
    exported = torch.export.export(Scan(), (), kwargs=inputs, dynamic_shapes=shapes)
    inputs = make_inputs(length=40)
    torch.testing.assert_close(exported.module()(**inputs), selective_scan(**inputs))


def recurrence_inputs(length):
    """Samples, groups, tokens, channels per group and states: 1, 2, `length`, 3, 4."""
    inputs = make_inputs(batch=1, length=length)
    x, dt = (inputs[name].unflatten(1, (2, 3)).mT for name in ("x", "dt"))
    A, D = (inputs[name].unflatten(0, (2, 3)) for name in ("A", "D"))
    tensors = x, dt, A.mT.contiguous(), inputs["B"].mT.contiguous(), inputs["C"].mT.contiguous(), D
    return [tensor.detach().requires_grad_() for tensor in tensors]


def test_operators_keep_the_contract_of_torch_library():
    forward, backward = torch_scan.recurrence_forward, torch_scan._backward
    inputs = recurrence_inputs(40)
    torch.library.opcheck(forward, (inputs, True))
    inputs = [tensor.detach() for tensor in inputs]
    torch.library.opcheck(forward, (inputs, False))
    y, saved_states = forward(inputs, True)
    torch.library.opcheck(backward, (y, inputs, saved_states))


def test_a_second_copy_of_the_file_leaves_the_first_alone():
    spec = importlib.util.spec_from_file_location("transformers_mvgpt.kernels.copy-1", torch_scan.__file__)
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    operators = [module.recurrence_forward._qualname for module in (copy, torch_scan)]
    assert operators[0] != operators[1]
    inputs = recurrence_inputs(40)
    torch.testing.assert_close(*(module.recurrence_forward(inputs, True) for module in (copy, torch_scan)))


def peak_and_largest_allocation(function):
    """In bytes, from the profiler, which sees into the operators."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        function()
    changes = [e.nbytes() for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    assert changes
    live, peak = 0, 0
    for change in changes:
        live += change
        peak = max(peak, live)
    return peak, max(changes)


def test_memory_stays_below_one_tensor_of_all_states():
    inputs = make_inputs(batch=1, channels_per_group=64, states=16, length=512, dtype=torch.float32)
    bytes_of_all_states = 512 * 128 * 16 * 4
    with torch.no_grad():
        peak, largest = peak_and_largest_allocation(lambda: selective_scan(**inputs))
    assert largest <= bytes_of_all_states / 16  # a tensor of the size of x
    assert peak < bytes_of_all_states / 2
    peak, largest = peak_and_largest_allocation(lambda: output_and_grads(selective_scan, inputs))
    assert largest <= bytes_of_all_states / 8  # the float64 weights of the output
    assert peak < bytes_of_all_states


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("x", (2, 6), r"x must have 3 dimensions .* B 4 .* \(2, 6\) and \(2, 2, 4, 7\)"),
        ("B", (2, 4, 7), r"x must have 3 dimensions .* B 4 .* \(2, 6, 7\) and \(2, 4, 7\)"),
        ("B", (2, 4, 4, 7), "6 channels of x must be a multiple of the 4 groups of B"),
        ("dt", (2, 6, 8), r"dt has the shape \(2, 6, 8\), but .* must be \(2, 6, 7\)"),
        ("A", (6, 5), r"A has the shape \(6, 5\), but .* must be \(6, 4\)"),
        ("B", (2, 2, 4, 1), r"B has the shape \(2, 2, 4, 1\), but .* must be \(2, 2, 4, 7\)"),
        ("C", (1, 2, 4, 7), r"C has the shape \(1, 2, 4, 7\), but .* must be \(2, 2, 4, 7\)"),
        ("D", (1,), r"D has the shape \(1,\), but .* must be \(6,\)"),
        ("z", (2, 3, 7), r"z has the shape \(2, 3, 7\), but .* must be \(2, 6, 7\)"),
        ("dt_bias", (6, 1), r"dt_bias has the shape \(6, 1\), but .* must be \(6,\)"),
    ],
)
def test_shapes_that_do_not_fit(name, shape, message):
    with pytest.raises(ValueError, match=message):
        selective_scan(**make_inputs() | {name: torch.zeros(shape)})


def test_cuda_implementation_without_mamba_ssm(monkeypatch):
    monkeypatch.setattr(mamba_ssm_scan, "selective_scan_fn", None)
    with pytest.raises(ImportError, match="needs the package mamba-ssm; 'torch' runs without it"):
        selective_scan_cuda(**make_inputs())


@pytest.mark.parametrize(
    ("installed", "device", "dtype", "expected"),
    [
        ("numba mamba_ssm triton", "cuda", torch.bfloat16, "triton"),
        ("numba mamba_ssm triton", "cuda", torch.float64, "torch"),  # the kernels have no float64
        ("numba mamba_ssm triton", "cpu", torch.bfloat16, "numba"),
        ("numba mamba_ssm triton", "cpu", torch.float64, "torch"),
        ("numba mamba_ssm triton", "meta", torch.float32, "torch"),
        ("numba mamba_ssm", "cuda", torch.bfloat16, "mamba_ssm"),
        ("triton", "cpu", torch.float32, "torch"),
        ("", "cuda", torch.bfloat16, "torch"),
    ],
)
def test_choice_of_the_implementation(monkeypatch, installed, device, dtype, expected):
    monkeypatch.setattr(gates_video_encoder, "selective_scan_fn", object() if "mamba_ssm" in installed else None)
    monkeypatch.setattr(gates_video_encoder, "has_numba", "numba" in installed)
    monkeypatch.setattr(gates_video_encoder, "SUITS_AUTO", "triton" in installed)
    name_implementations(monkeypatch)
    with FakeTensorMode():  # has CUDA tensors without a GPU
        x = torch.empty(2, 7, 6, device=device, dtype=dtype)
        assert dispatch_video.scan(ScanInputs(x, *[None] * 5)) == expected


def name_implementations(monkeypatch):
    """Each implementation returns its name instead of a scan."""
    monkeypatch.setattr(dispatch_video, "scan_with_torch", lambda inputs: "torch")
    monkeypatch.setattr(FastVideoPaths, "check_scan", lambda *arguments: None)
    for name in FastVideoPaths.scans:
        monkeypatch.setitem(FastVideoPaths.scans, name, lambda inputs, name=name: name)


@pytest.mark.parametrize("name", ["torch", "numba", "triton", "mamba_ssm"])
def test_implementation_by_name(monkeypatch, name):
    name_implementations(monkeypatch)
    assert dispatch_video.scan(ScanInputs(*[torch.empty(2, 7, 6)] * 6), name) == name


def test_unknown_implementation():
    with pytest.raises(
        ValueError, match=r"implementation \('cuda'\) must be 'auto', 'torch', 'numba', 'triton' or 'mamba_ssm'"
    ):
        selective_scan(**make_inputs(), implementation="cuda")


@pytest.mark.parametrize("name", ["torch", "triton", "mamba_ssm"])
def test_config_of_a_model_names_the_implementation(monkeypatch, name):
    model = VideoMambaModel(tiny_video_config())
    calls = []
    monkeypatch.setattr(
        modeling_videomamba,
        "scan",
        lambda inputs, implementation: calls.append(implementation) or dispatch_video.scan(inputs, "torch"),
    )
    frames = torch.zeros(1, 1, 3, VIDEO_SIZE, VIDEO_SIZE)
    model(frames)
    model.config.scan_implementation = name
    model(frames)
    assert calls == ["auto"] * 2 + [name] * 2


def test_config_refuses_unknown_implementations():
    with pytest.raises(StrictDataclassFieldValidationError, match="scan_implementation"):
        tiny_video_config(scan_implementation="cuda")


def test_cuda_implementation_speaks_to_the_kernel_in_its_layout_and_dtypes(monkeypatch):
    def kernel(u, delta, A, B, C, D, z, delta_bias, delta_softplus):
        assert delta_softplus
        assert {tensor.dtype for tensor in (u, delta, B, C, z)} == {torch.bfloat16}
        assert {tensor.dtype for tensor in (A, D, delta_bias)} == {torch.float32}
        return selective_scan_torch(u, delta, A, B, C, D, z, delta_bias)

    monkeypatch.setattr(mamba_ssm_scan, "selective_scan_fn", kernel)
    inputs = make_inputs(length=65, dtype=torch.float32) | {"x": make_inputs(length=65)["x"].bfloat16()}
    y = selective_scan_cuda(**inputs)
    rounded = {name: tensor.bfloat16() if name in ("dt", "B", "C", "z") else tensor for name, tensor in inputs.items()}
    torch.testing.assert_close(y, selective_scan_torch(**rounded))


@pytest.mark.needs_cuda
def test_torch_implementation_on_cuda():
    expected = output_and_grads(scan_by_the_formula, make_inputs(length=65))
    actual = output_and_grads(selective_scan_torch, make_inputs(length=65, device="cuda"))
    assert_all_close({name: tensor.cpu() for name, tensor in actual.items()}, expected, tolerance=1e-12)


@pytest.mark.needs_cuda
@pytest.mark.parametrize("length", [1, 7, 64, 197, 1569])
def test_mamba_ssm_matches_the_torch_implementation(length):
    pytest.importorskip("mamba_ssm")
    inputs = make_inputs(channels_per_group=32, states=16, length=length, dtype=torch.float32, device="cuda")
    expected = output_and_grads(selective_scan_torch, double(inputs))
    assert_all_close(output_and_grads(selective_scan_cuda, inputs), expected, tolerance=1e-4)
