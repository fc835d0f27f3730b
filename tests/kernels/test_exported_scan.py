# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The selective scan of exported graphs, against the recurrence itself, and what becomes of it in ONNX."""

import operator
from collections import Counter

import onnxruntime
import pytest
import torch
from torch.export import Dim

from selective_scan_cases import assert_all_close, double, make_inputs, scan_by_the_formula
from tiny_models import VIDEO_SIZE, tiny_video_config, with_seeded_weights
from transformers_mvgpt import VideoMambaModel
from transformers_mvgpt.kernels.dispatch_video import selective_scan
from transformers_mvgpt.kernels.exported_scan import scan_for_export
from transformers_mvgpt.kernels.naive_scan import ScanInputs


def export_scan(x, dt, A, B, C, D, z=None, dt_bias=None):
    """What [`selective_scan`] takes."""
    z = None if z is None else z.mT
    return scan_for_export(ScanInputs(x.mT, dt.mT, A, B.mT, C.mT, D, z, dt_bias)).mT


class Scan(torch.nn.Module):
    def __init__(self, implementation="auto"):
        super().__init__()
        self.implementation = implementation

    def forward(self, x, dt, A, B, C, D, z, dt_bias):
        return selective_scan(x, dt, A, B, C, D, z, dt_bias, self.implementation)


@pytest.mark.parametrize(("length", "groups"), [(1, 2), (65, 1), (66, 2)])
def test_matches_the_formula(length, groups):
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 5e-6)):
        inputs = make_inputs(groups=groups, length=length, dtype=dtype)
        expected = scan_by_the_formula(**double(inputs))
        assert_all_close({"y": export_scan(**inputs)}, {"y": expected}, tolerance)


def test_half_precision_computes_in_float32():
    inputs = make_inputs(length=65, dtype=torch.bfloat16)
    inputs["A"] = inputs["A"].float()
    y, expected = export_scan(**inputs), scan_by_the_formula(**double(inputs))
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.double(), expected, rtol=torch.finfo(y.dtype).eps / 2 + 1e-5, atol=1e-5)


def test_gate_and_bias_are_optional():
    inputs = make_inputs()
    z, dt_bias = inputs.pop("z"), inputs.pop("dt_bias")
    torch.testing.assert_close(export_scan(**inputs), selective_scan(**inputs))
    torch.testing.assert_close(
        export_scan(**inputs, z=z, dt_bias=dt_bias), selective_scan(**inputs, z=z, dt_bias=dt_bias)
    )


@pytest.mark.parametrize("implementation", ["torch", "numba"])
def test_exported_graph_needs_no_operator_of_this_package(implementation):
    exported = torch.export.export(Scan(implementation), (), make_inputs(length=9, dtype=torch.float32))
    targets = [node.target for node in exported.graph.nodes if node.op == "call_function"]
    operators = [str(target) for target in targets if target is not operator.getitem]
    assert operators.count("scan") == 1
    assert [name for name in operators if name != "scan" and not name.startswith("aten.")] == []


@torch.no_grad()
def test_video_encoder_in_onnx(tmp_path):
    model = with_seeded_weights(VideoMambaModel(tiny_video_config(num_hidden_layers=1)))
    videos = torch.randn(3, 8, 3, VIDEO_SIZE, VIDEO_SIZE)
    shapes = {"pixel_values_videos": {0: Dim.DYNAMIC}}
    inputs = {"pixel_values_videos": videos[:2]}
    program = torch.onnx.export(model, (), kwargs=inputs, dynamo=True, dynamic_shapes=shapes, verbose=False)
    nodes = program.model_proto.graph.node
    assert Counter(node.op_type for node in nodes)["Scan"] == len(model.layers)
    assert {node.domain for node in nodes} == {""}
    program.save(tmp_path / "video_encoder.onnx")
    runs = onnxruntime.InferenceSession(tmp_path / "video_encoder.onnx")
    found = torch.from_numpy(runs.run(None, {"pixel_values_videos": videos.numpy()})[0])
    torch.testing.assert_close(found, model(videos).last_hidden_state, rtol=1e-5, atol=1e-5)
