# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The command `mvgpt export-onnx`."""

import errno
import sys

import pytest
from typer.testing import CliRunner

from exported_folders import CHECKPOINTS
from transformers_mvgpt.cli.main import app
from transformers_mvgpt.runtime import onnx_export


MODEL = str(CHECKPOINTS["mobilevlm"])


def run(*arguments: object):
    return CliRunner().invoke(app, ["export-onnx", *map(str, arguments)])


@pytest.fixture
def no_encoders(monkeypatch):
    """Encoders take seconds to trace, and are the same for what is tested here."""
    monkeypatch.setattr("transformers_mvgpt.runtime.onnx_graphs.encoder_graphs", lambda model: {})


def last_line(result) -> str:
    assert result.exit_code == 1
    return result.stderr.splitlines()[-1]


def test_export(tmp_path, no_encoders):
    result = run(MODEL, tmp_path / "exported", "--precision", "int8, q4")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Wrote {tmp_path / 'exported'}\n"
    assert "Writing and checking ONNX files: 100%" in result.stderr
    assert "Warning" not in result.stderr
    stems = [
        "decoder_model_merged_int8",
        "decoder_model_merged_q4",
        "embed_tokens_int8",
        "embed_tokens_q4",
        "preprocess",
    ]
    assert sorted(file.stem for file in (tmp_path / "exported" / "onnx").iterdir()) == stems
    card = (tmp_path / "exported" / "README.md").read_text()
    assert "library_name: onnxruntime\n" in card
    assert 'chat = OnnxVideoChat(".", precision="int8")\nchat.ask("photo.jpg"' in card
    size = (tmp_path / "exported" / "onnx" / "embed_tokens_q4.onnx").stat().st_size
    assert f"| `onnx/embed_tokens_q4.onnx` | {size / 1e6:.3g} MB | ids to embeddings |" in card


def test_replaces_what_it_wrote(tmp_path, no_encoders):
    target = tmp_path / "exported"
    assert run(MODEL, target).exit_code == 0
    assert "is not empty" in last_line(run(MODEL, target))
    # Python leaves it where the driver ran
    (target / "__pycache__").mkdir()
    (target / "__pycache__" / "mvgpt_onnx_limits.cpython-311.pyc").touch()
    assert run(MODEL, target, "--precision", "fp16", "--overwrite").exit_code == 0
    assert not (target / "onnx" / "embed_tokens.onnx").exists()
    assert (target / "onnx" / "embed_tokens_fp16.onnx").exists()
    assert not (target / "__pycache__").exists()
    with (target / "README.md").open("a") as card:
        card.write("\nMine.\n")
    assert "README.md was edited after the export and is not replaced" in last_line(run(MODEL, target, "--overwrite"))


@pytest.mark.parametrize("name", ["notes.txt", "onnx/other.onnx"])
def test_what_others_wrote_stays(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    assert "was not made by a conversion and is not replaced" in last_line(run(MODEL, tmp_path, "--overwrite"))
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        ("int3", "Error: There is no precision 'int3': choose from fp32, int8, q4, fp16."),
        (",", "Error: No precision was given: choose from fp32, int8, q4, fp16."),
    ],
)
def test_unknown_precision(tmp_path, precision, message):
    assert last_line(run(MODEL, tmp_path / "exported", "--precision", precision)) == message
    assert not (tmp_path / "exported").exists()


def test_without_onnx(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert "pip install 'transformers-mvgpt[onnx]'" in last_line(run(MODEL, tmp_path / "exported"))


def test_interrupted(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(onnx_export, "_files", lambda *_: [interrupt])
    assert run(MODEL, tmp_path / "exported").exit_code != 0
    assert list(tmp_path.iterdir()) == []


def test_full_disk(tmp_path, monkeypatch):
    def fail():
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(onnx_export, "_files", lambda *_: [fail])
    message = last_line(run(MODEL, tmp_path / "exported"))
    assert "it was not written: make room, or choose another place" in message
    assert list(tmp_path.iterdir()) == []


def test_other_models(tmp_path):
    model = tmp_path / "other"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "bert"}')
    (model / "model.safetensors").touch()
    assert last_line(run(model, tmp_path / "exported")).startswith("Error: ")
    assert not (tmp_path / "exported").exists()
