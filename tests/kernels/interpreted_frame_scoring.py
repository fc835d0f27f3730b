# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Frame scoring by Triton kernels, against plain PyTorch. test_triton_elementwise.py runs these tests in a process of their own: in
Triton's interpreter, on CPU, or compiled, on a GPU.
"""

import pytest
import torch

from transformers_mvgpt.kernels import gates, triton_frame_scoring
from transformers_mvgpt.kernels.fast_paths_video import FastVideoPaths
from transformers_mvgpt.modeling.frame_scoring_mvgpt import score_frames, select_frames
from triton_runs import DEVICE, IS_INTERPRETED


# the interpreter cuts bfloat16 off where a GPU rounds
DTYPES = [torch.float16, *([] if IS_INTERPRETED else [torch.bfloat16])]
of_dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)


@pytest.fixture(autouse=True)
def on_this_device(monkeypatch):
    monkeypatch.setattr(gates, "_TRITON_DEVICE", DEVICE.type)
    monkeypatch.setattr(gates, "SUITS_AUTO", True)
    if IS_INTERPRETED:
        for name in ("_TILE", "_WIDTH", "_COLUMNS"):
            monkeypatch.setattr(triton_frame_scoring, name, 16)


@pytest.fixture
def calls(monkeypatch):
    calls, compute = [], FastVideoPaths.score_frames
    monkeypatch.setattr(FastVideoPaths, "score_frames", lambda *inputs: calls.append(1) or compute(*inputs))
    return calls


def make_features(size, dtype, factor=1.0):
    """Without the class token, which lies before the patches of a frame."""
    videos, frames, patches, width = size
    features = (factor * torch.randn(videos * frames, patches + 1, width)).to(DEVICE, dtype)
    return features[:, 1:].unflatten(0, (videos, frames))


def exact_scores(features, frames_per_chunk):
    """In float64."""
    chunks = features.double().reshape(-1, frames_per_chunk * features.shape[2], features.shape[3])
    received = torch.softmax(chunks @ chunks.mT / features.shape[3] ** 0.5, dim=-1).sum(1)
    return received.reshape(features.shape[:3]).sum(-1)


@of_dtypes
@pytest.mark.parametrize("factor", [0.1, 1.0, 4.0])
@pytest.mark.parametrize(
    ("size", "frames_per_chunk"),
    [
        ((1, 2, 5, 7), 2),
        ((2, 6, 11, 24), 2),
        *([] if IS_INTERPRETED else [((1, 16, 196, 768), 8), ((3, 16, 196, 768), 8)]),
    ],
    ids=str,
)
def test_scores(calls, size, frames_per_chunk, factor, dtype):
    features = make_features(size, dtype, factor)
    found = score_frames(features, frames_per_chunk)
    assert calls == [1]
    assert found.shape == size[:2] and found.dtype == torch.float32
    torch.testing.assert_close(found, exact_scores(features, frames_per_chunk).float(), rtol=2e-6, atol=1e-5)
    assert torch.equal(found, score_frames(features, frames_per_chunk))


@of_dtypes
def test_frames_that_are_alike_have_the_same_score(dtype):
    """Of which the first ones are selected."""
    features = make_features((1, 8, 7, 24) if IS_INTERPRETED else (1, 8, 196, 768), dtype)
    features[:, [3, 4, 7]] = features[:, :1].clone()
    scores = score_frames(features, 8)
    assert (scores[0, [3, 4, 7]] == scores[0, 0]).all()


@of_dtypes
def test_close_scores_select_the_same_frames(dtype):
    """Frames that differ in one value of one patch."""
    features = make_features((1, 8, 7, 24) if IS_INTERPRETED else (1, 8, 196, 768), dtype)
    features[:] = features[:, :1].clone()
    features[0, :, 0, 0] = torch.tensor([3.0, 1.0, 4.0, 1.5, 5.0, 9.0, 2.0, 6.0]).to(DEVICE, dtype) / 8
    found, expected = score_frames(features, 8), exact_scores(features, 8)
    gaps = expected.sort().values.diff()
    assert 1e-4 < gaps.min() < 0.1
    assert torch.equal(select_frames(found, 8, 4), select_frames(expected, 8, 4))


def test_gate(calls):
    features = make_features((1, 2, 5, 7), torch.float16)
    for other in (features.float(), features.mT.contiguous().mT):
        torch.testing.assert_close(score_frames(other, 2), exact_scores(other, 2).float())
    compiled = torch.compile(lambda x: score_frames(x, 2), backend="eager")
    torch.testing.assert_close(compiled(features), exact_scores(features, 2).float())
    with torch.autocast(DEVICE.type, torch.bfloat16):
        score_frames(features, 2)
    assert not calls
    score_frames(features, 2)
    assert calls
