# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`make gpu` without a GPU: the parts are small scripts, and one of each kind ends badly."""

import json
import sys
import time

import pytest
import torch
import typer
from typer.testing import CliRunner

from gpu_checks import __main__ as gpu_checks
from gpu_checks import scans
from gpu_checks.goals import Row, scan_rows, speed_rows
from transformers_mvgpt.evaluation.choices import BASELINE_NAMES


BENCH = {
    "parts": [
        {"part": "first token, eager", "seconds": 0.05},
        {"part": "first token", "seconds": 0.011},
    ],
    "baselines": {
        "llava-onevision-0.5b": {"seconds": 0.075, "our_seconds": 0.011, "our_eager_seconds": 0.05},
        "qwen3.5-0.8b": {"seconds": 0.022, "our_seconds": 0.011, "our_eager_seconds": 0.05},
    },
    "recorded_bytes": 800_000_000,
    "batches": [{"batch_size": 1, "tokens_per_second": 480.0}, {"batch_size": 32, "tokens_per_second": 9000.0}],
}
SCANS = [
    {"implementation": "triton", "dtype": "bfloat16", "batch_size": 1, "forward_seconds": 8e-5, "training_seconds": 9e-4},
    {"implementation": "mamba_ssm", "dtype": "bfloat16", "batch_size": 1, "error": "ImportError: not installed"},
    {"implementation": "triton", "dtype": "bfloat16", "batch_size": 8, "forward_seconds": 3e-4, "training_seconds": 3e-3},
    {"implementation": "mamba_ssm", "dtype": "bfloat16", "batch_size": 8, "forward_seconds": 5e-4, "training_seconds": 2e-3},
]  # fmt: skip


@pytest.fixture
def app():
    app = typer.Typer()
    app.command()(gpu_checks.main)
    return app


def script(code):
    return [sys.executable, "-c", code]


def test_what_fails_is_said_and_the_rest_goes_on(app, monkeypatch, tmp_path):
    machine = tmp_path / "benchmarks" / "nvidia-h100"
    machine.mkdir(parents=True)
    (machine / "scans.json").write_text(json.dumps({"scans": SCANS}))  # of an earlier run
    write = f"open({str(machine / '0.5b-bfloat16.json')!r}, 'w').write({json.dumps(BENCH)!r})"
    parts = [
        gpu_checks.Part("bench", script(f"{write}; print('a | table')"), 30),
        gpu_checks.Part("scans", script("import sys; print('no kernel', file=sys.stderr); sys.exit(3)"), 30),
        gpu_checks.Part("tests", script("import time; print('running', flush=True); time.sleep(60)"), 1),
    ]
    monkeypatch.setattr(gpu_checks, "make_parts", lambda folder: parts)
    monkeypatch.setattr(gpu_checks, "machine_name", lambda: "nvidia-h100")
    monkeypatch.setattr(gpu_checks, "LOGS", tmp_path / "logs")
    start = time.monotonic()
    result = CliRunner().invoke(app, ["--out", str(tmp_path / "benchmarks")])
    assert time.monotonic() - start < 30
    assert result.exit_code == 1
    table = (machine / "checks.md").read_text()
    assert result.stdout == table
    lines = table.splitlines()
    assert lines[2:5] == [
        "| bench | passed | 0 | a / table |",
        "| scans | failed with exit code 3 | 0 | no kernel |",
        "| tests | ended after 1 s | 1 | running |",
    ]
    assert "| first token, eager | 50 ms | at most 45 ms | missed |" in lines
    assert "| first token, third call | 11 ms | at most 12 ms | reached |" in lines
    assert "| scan forward and backward, bfloat16, batch 1 | not measured | at most 0.81 ms |  |" in lines
    assert (tmp_path / "logs" / "scans.txt").read_text() == "no kernel\n"


def test_all_parts_pass(app, monkeypatch, tmp_path):
    monkeypatch.setattr(gpu_checks, "make_parts", lambda folder: [gpu_checks.Part("bench", script("print(1)"), 30)])
    monkeypatch.setattr(gpu_checks, "LOGS", tmp_path / "logs")
    result = CliRunner().invoke(app, ["--machine", "mine", "--out", str(tmp_path)])
    assert result.exit_code == 0
    assert (tmp_path / "mine" / "checks.md").exists()


def test_parts(tmp_path):
    parts = {part.name: part for part in gpu_checks.make_parts(tmp_path)}
    assert sum(part.max_seconds for part in parts.values()) < 8 * 60
    assert all(part.command[0] == sys.executable for part in parts.values())
    assert parts["bench"].command[parts["bench"].command.index("--compare") + 1] == ",".join(BASELINE_NAMES)
    files = [argument for argument in parts["tests"].command if argument.endswith(".py")]
    assert any(file.endswith("test_graphs.py") for file in files)
    assert 5 < len(files) < 40


def test_scans_need_no_more_than_is_there(monkeypatch, tmp_path):
    """Whatever the scans cannot do on this machine is in their records."""
    monkeypatch.setattr(scans, "make_inputs", lambda size, dtype: {"x": torch.zeros(size, 2, 3, dtype=dtype)})
    records = scans.measure()
    assert [(record["dtype"], record["batch_size"]) for record in records[::2]] == [
        ("bfloat16", 1),
        ("bfloat16", 8),
        ("float32", 1),
        ("float32", 8),
    ]
    assert all("TypeError: " in record["error"] for record in records)


def test_inputs_of_the_scan_are_those_of_the_model():
    inputs = scans.make_inputs(2, torch.bfloat16, "cpu")
    assert inputs["x"].shape == (2, 1152, 1569) and inputs["x"].mT.is_contiguous()
    assert inputs["B"].shape == (2, 1, 16, 1569)
    assert (inputs["A"] < 0).all() and inputs["A"].dtype == torch.float32
    assert all(tensor.requires_grad and tensor.is_leaf for tensor in inputs.values())


def test_goals():
    rows = {row.what: row for row in speed_rows(BENCH)}
    assert rows["eager / llava-onevision-0.5b"].value == pytest.approx(2 / 3)
    assert rows["eager / llava-onevision-0.5b"].is_reached
    assert rows["third call / llava-onevision-0.5b"].is_reached
    assert rows["third call / smolvlm2-500m"].is_reached is None
    assert rows["third call / qwen3.5-0.8b"].value == 0.5
    assert rows["tokens per second, batch 1"].is_reached is False
    assert rows["tokens per second, batch 32"].is_reached
    assert rows["tokens per second, batch 8"].value is None
    assert rows["memory of recordings"].cells() == ["memory of recordings", "0.8 GB", "at most 1 GB", "reached"]
    assert all(row.value is None for row in speed_rows({}))
    assert Row("a", 2.0, "", 1, is_least=True).cells() == ["a", "2", "at least 1", "reached"]
    rows = {row.what: row for row in scan_rows(SCANS)}
    assert rows["scan forward and backward, bfloat16, batch 1"].is_reached is False
    assert rows["scan forward and backward, bfloat16, batch 8"].is_reached
    assert "scan forward, bfloat16, batch 1, mamba-ssm" not in rows
    assert rows["scan forward, bfloat16, batch 8, mamba-ssm"].value == pytest.approx(0.5)


def test_machine_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100 80GB HBM3")
    assert gpu_checks.machine_name() == "nvidia-h100-80gb-hbm3"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="no CUDA device: `make gpu` needs a machine with an NVIDIA GPU"):
        gpu_checks.machine_name()
