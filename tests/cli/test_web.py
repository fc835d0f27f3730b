# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt web`: what it passes on, and what it says where it cannot."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from browsers import WEB_PACKAGES, find_chromium
from transformers_mvgpt.cli.main import app


def run(*arguments: str):
    return CliRunner().invoke(app, ["web", *arguments])


def test_without_a_folder():
    result = run("--model", "model")
    assert result.exit_code == 2
    assert "Invalid value for '--static': say with --static FOLDER where to write the page." in result.stderr


def test_a_page_is_written(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        "transformers_mvgpt.runtime.web_page.write_web_page",
        lambda folder, **options: written.append((folder, options)),
    )
    folder, packages = tmp_path / "page", tmp_path / "packages"
    result = run("--static", str(folder), "--model", "exported", "--precision", "int8", "--vendored", str(packages))
    assert result.exit_code == 0, result.output
    options = {"model": "exported", "precision": "int8", "vendored": packages, "overwrite": False}
    assert written == [(folder, options)]
    assert result.stdout.startswith(
        f"Wrote {folder}. To look at it: python -m http.server --bind 127.0.0.1 -d {folder}"
    )


def test_what_goes_wrong_is_a_line(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    result = run("--static", str(tmp_path))
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {tmp_path} is not empty: choose another folder, or let it be replaced (`--overwrite`).\n"
    )


@pytest.mark.slow
def test_the_small_model_is_exported(tmp_path):
    """By the command as it is."""
    find_chromium()
    arguments = ["web", "--static", str(tmp_path / "page"), "--vendored", str(WEB_PACKAGES)]
    result = subprocess.run(
        [sys.executable, "-m", "transformers_mvgpt.cli", *arguments], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    settings = json.loads((tmp_path / "page" / "page.json").read_text())
    assert settings["title"] == "A small Mobile-VideoGPT, trained on drawn shapes,"
    assert (tmp_path / "page" / "model" / "onnx" / "decoder_model_merged.onnx").is_file()
