# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The mixer's inner part compiled by numba, against plain PyTorch."""

import pytest
import torch
from torch.nn import functional as F

from transformers_mvgpt import VideoMambaConfig, VideoMambaModel
from transformers_mvgpt.modeling import modeling_videomamba
from transformers_mvgpt.modeling.selective_scan_mvgpt import selective_scan
from transformers_mvgpt.modeling.videomamba_numba_mvgpt import Direction, convolve, scan_both_ways


pytest.importorskip("numba")

# relative error of one rounding; sums of float32 in another order
TOLERANCES = {torch.float32: {"rtol": 1e-5, "atol": 2e-5}, torch.bfloat16: {"rtol": 2**-8, "atol": 2e-5}}
SIZES = [(1, 1, 64), (2, 37, 150), (1, 5, 200), (3, 8, 4)]


def flipped(tensor, is_backward):
    return tensor.flip(1) if is_backward else tensor


@pytest.fixture(params=[1, 3], ids=["1 thread", "3 threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("is_backward", [False, True])
def test_convolution(size, dtype, is_backward):
    torch.manual_seed(0)
    num_channels = size[2]
    # a part of a wider projection, as the mixer has it
    x = (8 * torch.randn(*size[:2], 2 * num_channels)).to(dtype)[..., :num_channels]
    weight, bias = torch.randn(num_channels, 1, 4), torch.randn(num_channels)
    rows = flipped(x.float(), is_backward).transpose(1, 2)
    wanted = F.silu(F.conv1d(rows, weight, bias, padding=3, groups=num_channels)[..., : size[1]]).transpose(1, 2)
    found = convolve(x, weight, bias, is_backward)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), flipped(wanted, is_backward), **TOLERANCES[dtype])


def scanned(direction, is_backward):
    """In float32, by the plain implementation."""
    x, dt, B, C = (
        flipped(tensor.float(), is_backward).transpose(1, 2)
        for tensor in (direction.x, direction.dt, direction.B, direction.C)
    )
    y = selective_scan(x, dt, direction.A, B[:, None], C[:, None], direction.D, implementation="torch")
    return flipped(y.transpose(1, 2), is_backward)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", SIZES)
def test_scan_both_ways(size, dtype):
    torch.manual_seed(0)
    batch, length, channels = size
    states = 5

    def random(*shape, scale=1.0):
        return (scale * torch.randn(*shape)).to(dtype)

    directions = [
        Direction(
            x=random(*size),
            dt=random(*size, scale=20),  # far into both ends of the softplus
            A=-16 * torch.rand(channels, states),
            B=random(batch, length, states),
            C=random(batch, length, states),
            D=torch.randn(channels),
        )
        for _ in range(2)
    ]
    gate = random(batch, length, 2 * channels, scale=30)[..., channels:]
    wanted = (scanned(directions[0], False) + scanned(directions[1], True)) * F.silu(gate.float())
    found = scan_both_ways(*directions, gate)
    assert found.dtype == dtype
    scale = wanted.abs().max()  # sums of large terms
    torch.testing.assert_close(found.float() / scale, wanted / scale, **TOLERANCES[dtype])


CONFIG = {"hidden_size": 24, "num_hidden_layers": 2, "image_size": 32, "num_frames": 2, "clip_decoder_size": None}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return VideoMambaModel(VideoMambaConfig(**CONFIG)).eval()


@pytest.fixture
def calls(monkeypatch):
    """How often the compiled part ran."""
    calls = []

    def counted(*arguments):
        calls.append(1)
        return scan_both_ways(*arguments)

    monkeypatch.setattr(modeling_videomamba, "scan_both_ways", counted)
    return calls


def run(model, implementation, frames):
    model.config.scan_implementation = implementation
    with torch.no_grad():
        return model(frames).last_hidden_state


def test_model_is_that_of_plain_pytorch(model, calls):
    frames = torch.randn(2, 2, 3, 32, 32)
    found = run(model, "auto", frames)
    assert len(calls) == 2
    torch.testing.assert_close(found, run(model, "torch", frames), rtol=1e-4, atol=1e-5)
    assert len(calls) == 2


def test_model_in_bfloat16_is_as_near_to_float32_as_plain_pytorch(model, calls):
    frames = torch.randn(2, 2, 3, 32, 32)
    exact = run(model, "torch", frames)
    errors = {
        name: (run(model.bfloat16(), name, frames.bfloat16()).float() - exact).abs().mean()
        for name in ("torch", "auto")
    }
    assert len(calls) == 2
    assert errors["auto"] < 1.1 * errors["torch"]


def test_weights_can_be_resized_afterwards(model, calls):
    """As FSDP does: where NumPy has seen a weight, it could not."""
    run(model, "auto", torch.randn(1, 2, 3, 32, 32))
    assert calls
    assert all(parameter.untyped_storage().resizable() for parameter in model.parameters())


@pytest.mark.parametrize("case", ["gradient", "autocast", "float64", "torch", "float16", "adapter"])
def test_everything_else_goes_the_plain_way(model, calls, case):
    frames = torch.randn(1, 2, 3, 32, 32)
    if case == "torch":
        model.config.scan_implementation = "torch"
    if case == "adapter":
        for layer in model.layers:
            layer.mixer.conv1d = torch.nn.utils.parametrizations.weight_norm(layer.mixer.conv1d)
    dtype = {"float64": torch.float64, "float16": torch.float16}.get(case, torch.float32)
    model.to(dtype)
    with torch.set_grad_enabled(case == "gradient"), torch.autocast("cpu", enabled=case == "autocast"):
        model(frames.to(dtype))
    assert not calls


def test_frozen_weights_under_gradients_are_compiled_too(model, calls):
    model.requires_grad_(False)
    model(torch.randn(1, 2, 3, 32, 32))
    assert len(calls) == 2
