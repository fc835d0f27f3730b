# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""VideoMamba's convolutions on CPU, against those of PyTorch."""

import pytest
import torch
from torch.nn.functional import conv1d, silu

from mixer_cases import TOLERANCES, convolved, make_convolution
from transformers_mvgpt.kernels.numba_mixer import convolve
from transformers_mvgpt.modeling.modeling_videomamba import VideoMambaConv1d


SIZES = [(1, 1, 64), (2, 37, 150), (1, 5, 200), (3, 8, 4)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("is_backward", [False, True])
def test_direction(size, is_backward):
    x, weight, bias = make_convolution(size, torch.float32)
    found = convolve(x, weight, bias, is_backward)
    torch.testing.assert_close(found, convolved(x, weight, bias, is_backward), **TOLERANCES[torch.float32])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("is_backward", [False, True])
def test_direction_rounds_where_pytorch_does(size, is_backward):
    x, weight, bias = (tensor.bfloat16() for tensor in make_convolution(size, torch.float32))
    rows = (x.flip(1) if is_backward else x).transpose(1, 2)
    expected = silu(conv1d(rows, weight, bias, padding=3, groups=size[2])[..., : size[1]]).transpose(1, 2)
    found = convolve(x, weight, bias, is_backward)
    found = found.flip(1) if is_backward else found
    assert (found != expected).float().mean() < 0.02  # sums in another order, on the edge
    torch.testing.assert_close(found, expected, rtol=2**-6, atol=1e-2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("layout", ["tokens in rows", "channels in rows", "part of wider rows"])
def test_convolution_is_that_of_pytorch(layout, dtype):
    torch.manual_seed(0)
    own = VideoMambaConv1d(24, 4).to(dtype)
    plain = torch.nn.Conv1d(24, 24, 4, groups=24, padding=3).to(dtype)
    plain.load_state_dict(own.state_dict())
    x = torch.randn(2, 9, 48, dtype=dtype).transpose(1, 2)[:, :24]
    x = {"tokens in rows": x.transpose(1, 2).contiguous().transpose(1, 2), "channels in rows": x.contiguous()}.get(
        layout, x
    )
    inputs = [x.detach().requires_grad_() for _ in range(2)]
    outputs = [conv(input) for conv, input in zip((own, plain), inputs, strict=True)]
    weights = torch.randn(outputs[0].shape, dtype=dtype)
    for output in outputs:
        (output * weights).sum().backward()
    tolerances = {"atol": 1e-5, "rtol": 1e-5} if dtype == torch.float32 else {"atol": 0.05, "rtol": 0.02}
    torch.testing.assert_close(outputs[0], outputs[1], **tolerances)
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, **tolerances)
    for parameter, expected in zip(own.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, expected.grad, **tolerances)
    if layout != "channels in rows":
        assert outputs[0].stride(1) == 1
