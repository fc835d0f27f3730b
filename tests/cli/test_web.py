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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--precision", "int8"], "Invalid value for '--precision': it is for --static FOLDER: leave it out."),
        (["--overwrite"], "Invalid value for '--overwrite': it is for --static FOLDER: leave it out."),
        (
            ["--static", "page", "--port", "8000"],
            "Invalid value for '--port': it is of a server, and --static writes a page without one: leave it out.",
        ),
        (
            ["--static", "page", "--open"],
            "Invalid value for '--open': it is of a server, and --static writes a page without one: leave it out.",
        ),
    ],
)
def test_options_without_effect_are_refused(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_what_is_wrong_is_said_before_a_model_is_loaded(tmp_path):
    for arguments, message in (
        (["--model", str(tmp_path / "nothing")], "There is no model folder"),
        (["--limit", "max_redirects=many"], "Error: `--limit max_redirects=many`: the value must be a whole number."),
        (["--api-key", " "], "Error: The API key must be printable ASCII without blanks around it"),
        (["--device", "abacus"], "Error: `--device abacus` cannot be used here"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1
        assert message in result.stderr


def test_without_gradio(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "transformers_mvgpt.server.web_app", raising=False)
    monkeypatch.delitem(sys.modules, "transformers_mvgpt.server.web_layout", raising=False)
    result = run()
    assert result.exit_code == 1
    assert result.stderr.endswith("Error: `mvgpt web` needs gradio: pip install 'transformers-mvgpt[web]'.\n")


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
