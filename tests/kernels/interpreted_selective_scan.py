# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Tests of the Triton kernels against the plain scan. test_triton_scan.py runs them in a process of their own: in
Triton's interpreter, on CPU, or compiled, on a GPU.
"""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import checkpoint

from selective_scan_cases import (
    assert_all_close,
    double,
    make_inputs,
    output_and_grads,
    scan_by_the_formula,
    selective_scan_torch,
    selective_scan_triton,
)
from tiny_models import make_videos, tiny_video_config, with_seeded_weights
from transformers_mvgpt import VideoMambaModel
from transformers_mvgpt.kernels import triton_scan, triton_scan_gradients
from transformers_mvgpt.kernels.dispatch_video import ScanInputs, selective_scan
from triton_runs import DEVICE, IS_INTERPRETED, use_small_blocks


HALF = torch.float16 if IS_INTERPRETED else torch.bfloat16  # the interpreter cuts bfloat16 off where a GPU rounds
needs_a_gpu = pytest.mark.skipif(IS_INTERPRETED, reason="takes the interpreter minutes")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    use_small_blocks(monkeypatch)


def make_small_inputs(**options):
    return make_inputs(**{"batch": 1, "length": 6, "dtype": torch.float32, "device": DEVICE, **options})


def assert_matches_the_formula(inputs, tolerance):
    expected = output_and_grads(scan_by_the_formula, double(inputs))
    actual = output_and_grads(selective_scan_triton, inputs)
    for name, tensor in inputs.items():
        assert actual[f"grad of {name}"].dtype == tensor.dtype
    assert actual["y"].dtype == inputs["x"].dtype
    assert_all_close(actual, expected, tolerance)


@pytest.mark.parametrize("batch, groups", [(1, 2), (3, 1)])
@pytest.mark.parametrize("length", [2, 3, 4, 5, 8, 13, 17])
def test_float32_matches_the_formula(length, batch, groups):
    assert_matches_the_formula(make_small_inputs(length=length, batch=batch, groups=groups), tolerance=5e-6)


@pytest.mark.parametrize("length", [15, 16, 17, 49])
def test_blocks_of_their_real_size(length, monkeypatch):
    monkeypatch.setattr(triton_scan, "_TOKENS_PER_BLOCK", 16)
    monkeypatch.setattr(triton_scan_gradients, "_TOKENS_IN_REGISTERS", 4)
    assert_matches_the_formula(make_small_inputs(length=length, groups=1), tolerance=5e-6)


def test_one_token():
    inputs = make_small_inputs(length=1)
    assert_matches_the_formula(inputs, tolerance=5e-6)


@pytest.mark.parametrize(("channels", "states"), [(1, 1), (5, 3), (20, 16)], ids=str)
def test_sizes_that_do_not_fill_a_block(channels, states):
    """20 channels of 16 states are those of two programs, the second of which is not full."""
    inputs = make_small_inputs(groups=1, channels_per_group=channels, states=states, length=5)
    assert_matches_the_formula(inputs, tolerance=5e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision(dtype):
    inputs = make_small_inputs(dtype=dtype)
    assert_matches_the_formula(inputs, tolerance=torch.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_computes_in_float32(dtype):
    inputs = make_small_inputs(dtype=dtype)
    inputs["A"] = inputs["A"].float()
    expected = scan_by_the_formula(**double(inputs))
    # all that is lost is the rounding of y itself; the interpreter cuts bfloat16 off where a GPU rounds
    rounding = 1 if IS_INTERPRETED and dtype == torch.bfloat16 else 0.5
    y = selective_scan_triton(**inputs).double()
    torch.testing.assert_close(y, expected, rtol=torch.finfo(dtype).eps * rounding + 1e-5, atol=1e-5)


@pytest.mark.parametrize("missing", [["z"], ["dt_bias"], ["z", "dt_bias"]], ids=" ".join)
def test_matches_the_torch_scan_without_gate_and_bias(missing):
    inputs = make_small_inputs()
    inputs = {name: tensor for name, tensor in inputs.items() if name not in missing}
    expected = output_and_grads(selective_scan_torch, inputs)
    assert_all_close(output_and_grads(selective_scan_triton, inputs), expected, tolerance=2e-6)


def test_huge_dt_forgets_everything_before_the_token():
    inputs = make_small_inputs()
    inputs["dt"] = inputs["dt"].abs() * 1e4 + 1e4
    expected = output_and_grads(selective_scan_torch, inputs)
    actual = output_and_grads(selective_scan_triton, inputs)
    assert all(tensor.isfinite().all() for tensor in actual.values())
    assert_all_close(actual, expected, tolerance=2e-6)


def test_tiny_dt_is_not_rounded_away():
    inputs = make_small_inputs()
    inputs["dt"] = inputs["dt"] - 18  # softplus of it is below the spacing of float32 at 1
    inputs["D"] = torch.zeros_like(inputs["D"])
    assert_matches_the_formula(inputs, tolerance=5e-6)


def test_decays_from_none_to_total_in_one_sequence():
    inputs = make_small_inputs()
    inputs["dt"] = inputs["dt"] * 30
    inputs["A"] = inputs["A"] * torch.tensor([1e-4, 1e-2, 1.0, 1e2], device=DEVICE)
    assert_matches_the_formula(inputs, tolerance=5e-6)


def test_non_contiguous_inputs():
    inputs = make_small_inputs(batch=2)
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
    expected = output_and_grads(selective_scan_triton, inputs)
    assert_all_close(output_and_grads(selective_scan_triton, strided), expected, tolerance=0)


def test_expanded_inputs_and_gradients():
    """The gradient of a sum is expanded too."""
    inputs = make_small_inputs(batch=2, length=9)
    for name in ("x", "dt", "B", "C", "z"):
        inputs[name] = inputs[name][:1]
    found, wanted = ({name: tensor.detach().requires_grad_() for name, tensor in inputs.items()} for _ in range(2))
    for scan, leaves in ((selective_scan_triton, found), (selective_scan_torch, wanted)):
        many = ("x", "dt", "B", "C", "z")
        expanded = {name: leaves[name].expand(2, *leaves[name].shape[1:]) for name in many}
        scan(**leaves | expanded).sum().backward()
    assert_all_close(*({name: leaf.grad for name, leaf in leaves.items()} for leaves in (found, wanted)), 5e-6)


def test_a_tensor_used_twice_and_a_graph_used_twice():
    inputs = make_small_inputs() | {"z": None, "C": None}
    leaves = {name: tensor.requires_grad_() for name, tensor in inputs.items() if tensor is not None}
    grads = []
    for scan in (selective_scan_triton, selective_scan_torch):
        y = scan(**inputs | {"z": leaves["x"], "C": leaves["B"]}).square().sum()
        first = torch.autograd.grad(y, list(leaves.values()), retain_graph=True)
        assert all(map(torch.equal, first, torch.autograd.grad(y, list(leaves.values()))))
        grads.append(dict(zip(leaves, first, strict=True)))
    assert_all_close(*grads, tolerance=5e-6)


def test_gradients_are_the_same_each_time():
    size = {} if IS_INTERPRETED else {"batch": 2, "channels_per_group": 1152, "states": 16, "length": 1569}
    inputs = make_small_inputs(**size)
    first, second = (output_and_grads(selective_scan_triton, inputs) for _ in range(2))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


@needs_a_gpu
@pytest.mark.parametrize(("batch", "groups"), [(1, 2), (8, 1), (16, 2)], ids=["many segments", "some", "one"])
def test_gradients_of_the_published_width(batch, groups):
    inputs = make_small_inputs(batch=batch, groups=groups, channels_per_group=1152, states=16, length=197)
    del inputs["z"], inputs["dt_bias"]
    expected = output_and_grads(selective_scan_torch, inputs)
    assert_all_close(output_and_grads(selective_scan_triton, inputs), expected, tolerance=1e-5)


def test_grads_of_different_dtypes():
    """As in a model of 16 bits, where A is of float32."""
    inputs = make_small_inputs(dtype=HALF)
    inputs["A"] = inputs["A"].float()
    assert_matches_the_formula(inputs, tolerance=torch.finfo(HALF).eps)


def test_grads_only_of_what_requires_them():
    inputs = make_small_inputs()
    expected = output_and_grads(selective_scan_triton, inputs)["grad of B"]
    inputs["B"].requires_grad_()
    selective_scan_triton(**inputs).sum().backward()
    assert [name for name, tensor in inputs.items() if tensor.grad is not None] == ["B"]
    assert inputs["B"].grad.shape == expected.shape


def test_without_grad_no_states_are_saved(monkeypatch):
    inputs = make_small_inputs()
    expected = selective_scan_triton(**inputs)
    inputs["A"].requires_grad_()
    saved = []
    forward = triton_scan._run_forward
    monkeypatch.setattr(triton_scan, "_run_forward", lambda *args: saved.append(args[-1]) or forward(*args))
    with torch.no_grad():
        y = selective_scan_triton(**inputs)
    assert saved == [False]
    assert torch.equal(y, expected)


def test_gradient_checkpointing():
    inputs = make_small_inputs()

    def scan(**inputs):
        return checkpoint(selective_scan_triton, *inputs.values(), use_reentrant=False)

    assert_all_close(output_and_grads(scan, inputs), output_and_grads(selective_scan_triton, inputs), tolerance=0)


def test_autocast_does_not_lower_the_precision():
    inputs = make_small_inputs()
    with torch.autocast(DEVICE.type, dtype=torch.bfloat16):
        actual = output_and_grads(selective_scan_triton, inputs)
    assert_all_close(actual, output_and_grads(selective_scan_triton, inputs), tolerance=0)


def test_compiles_to_one_graph():
    compiled = torch.compile(selective_scan_triton, backend="aot_eager", fullgraph=True)
    inputs = make_small_inputs()
    assert_all_close(output_and_grads(compiled, inputs), output_and_grads(selective_scan_triton, inputs), 1e-6)


@pytest.mark.parametrize("has_gate", [True, False])
def test_operators_keep_the_contract_of_torch_library(has_gate):
    forward, backward = triton_scan._forward, triton_scan._backward
    inputs = make_small_inputs(length=2)  # each is run a dozen times
    inputs |= {name: inputs[name].mT.contiguous() for name in "BC"}
    inputs |= {name: inputs[name].mT.contiguous() for name in ("x", "dt", "z")}
    gate = inputs.pop("z").requires_grad_() if has_gate else None
    tensors = [inputs[name].requires_grad_() for name in ("x", "dt", "A", "B", "C", "D")]
    tensors += [gate, inputs["dt_bias"].requires_grad_() if has_gate else None]
    torch.library.opcheck(forward, (*tensors, True))
    tensors = [None if tensor is None else tensor.detach() for tensor in tensors]
    torch.library.opcheck(forward, (*tensors, False))
    y, saved_states = forward(*tensors, True)
    torch.library.opcheck(backward, (y, *tensors, saved_states))


def test_fake_tensors_get_the_operators():
    """Which know the shapes without a kernel."""
    with FakeTensorMode():
        inputs = {name: tensor.requires_grad_() for name, tensor in make_inputs(dtype=torch.float32).items()}
        y = triton_scan.scan_with_triton(ScanInputs(**{n: t.mT if t.ndim > 2 else t for n, t in inputs.items()}))
        y.sum().backward()
    assert y.shape == (2, 7, 6)
    assert {name: tensor.grad.shape for name, tensor in inputs.items()} == {n: t.shape for n, t in inputs.items()}


def test_model_with_the_kernels():
    model = with_seeded_weights(VideoMambaModel(tiny_video_config())).to(DEVICE)
    frames = make_videos("a", num_frames=1)["pixel_values_videos"].to(DEVICE)
    with torch.no_grad():
        model.config.scan_implementation = "torch"
        expected = model(frames).last_hidden_state
        model.config.scan_implementation = "triton"
        actual = model(frames).last_hidden_state
    assert (actual - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_float64_is_refused():
    with pytest.raises(ValueError, match="computes in float32, x is of torch.float64: 'torch' keeps"):
        selective_scan_triton(**make_inputs(device=DEVICE))


def test_shapes_are_checked():
    inputs = make_small_inputs() | {"D": torch.zeros(1, device=DEVICE)}
    with pytest.raises(ValueError, match=r"D has the shape \(1,\), but .* must be \(6,\)"):
        selective_scan(**inputs, implementation="triton")
