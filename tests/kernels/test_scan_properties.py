# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The scans of a CPU against the recurrence itself, for sizes of all kinds: in float32 with gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from selective_scan_cases import (
    assert_all_close,
    double,
    make_inputs,
    output_and_grads,
    scan_by_the_formula,
    selective_scan_numba,
    selective_scan_torch,
)


# Lengths around the ends of the blocks that the scans work in, and any others.
SIZES = {
    "batch": st.integers(1, 3),
    "groups": st.integers(1, 2),
    "channels_per_group": st.integers(1, 70),
    "states": st.sampled_from([1, 2, 3, 4, 8, 16]),
    "length": st.one_of(st.sampled_from([1, 8, 9, 63, 64, 65]), st.integers(1, 150)),
}
IMPLEMENTATIONS = {"torch": selective_scan_torch, "numba": selective_scan_numba}


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@settings(max_examples=25)
@given(sizes=st.fixed_dictionaries(SIZES))
def test_any_size_in_float32(name, sizes):
    inputs = make_inputs(**sizes, dtype=torch.float32)
    expected = output_and_grads(scan_by_the_formula, double(inputs))
    assert_all_close(output_and_grads(IMPLEMENTATIONS[name], inputs), expected, tolerance=1e-5)


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
@settings(max_examples=25)
@given(sizes=st.fixed_dictionaries(SIZES), dtype=st.sampled_from([torch.bfloat16, torch.float16]))
def test_any_size_in_half_precision(name, sizes, dtype):
    inputs = make_inputs(**sizes, dtype=dtype)
    inputs["A"] = inputs["A"].float()
    y = IMPLEMENTATIONS[name](**inputs)
    assert y.dtype == dtype
    assert_all_close({"y": y}, {"y": scan_by_the_formula(**double(inputs))}, tolerance=torch.finfo(dtype).eps)


@settings(max_examples=25)
@given(sizes=st.fixed_dictionaries(SIZES), start=st.integers(0, 149))
def test_a_token_depends_on_those_before_it_alone(sizes, start):
    """What comes later changes nothing, to the bit."""
    inputs = make_inputs(**sizes, dtype=torch.float32)
    start = min(start, sizes["length"] - 1)
    changed = {name: tensor.clone() for name, tensor in inputs.items()}
    for name in ("x", "dt", "B", "C", "z"):
        changed[name][..., start + 1 :] = 7.0
    for scan in IMPLEMENTATIONS.values():
        torch.testing.assert_close(scan(**changed)[..., : start + 1], scan(**inputs)[..., : start + 1], rtol=0, atol=0)
