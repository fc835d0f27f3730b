# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The command `mvgpt export-hub`."""

import json
from types import SimpleNamespace
from unittest.mock import MagicMock, create_autospec

import pytest
from huggingface_hub import HfApi
from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.conversion import hub_upload


def run(*arguments: object):
    return CliRunner().invoke(app, ["export-hub", *map(str, arguments)])


@pytest.fixture
def api(monkeypatch) -> MagicMock:
    api = create_autospec(HfApi, instance=True)
    api.repo_info.return_value = SimpleNamespace(private=True)
    api.upload_folder.return_value = SimpleNamespace(commit_url="https://hub/commit", pr_url="https://hub/pr")
    monkeypatch.setattr(hub_upload, "HfApi", lambda: api)
    return api


def test_export(tmp_path, checkpoint, api):
    result = run(checkpoint, tmp_path / "exported")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Wrote {tmp_path / 'exported'}\n"
    assert f"Loading {checkpoint}\n" in result.stderr
    assert "Comparing tensors: 100%" in result.stderr
    assert "AutoProcessor" in json.loads((tmp_path / "exported" / "config.json").read_text())["auto_map"]
    assert 'model="exported"' in (tmp_path / "exported" / "README.md").read_text()
    assert api.mock_calls == []


def test_plain(tmp_path, checkpoint, api):
    result = run(checkpoint, tmp_path / "exported", "--plain")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Wrote {tmp_path / 'exported'}\n"
    assert not [file.name for file in (tmp_path / "exported").glob("*.py") if "numba" in file.name]
    assert (tmp_path / "exported" / "modeling_mvgpt.py").is_file()


def test_push(tmp_path, checkpoint, api):
    result = run(checkpoint, tmp_path / "exported", "--push", "me/model", "--private", "--create-pr")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [f"Wrote {tmp_path / 'exported'}", "Uploaded to https://hub/pr"]
    assert [call[0] for call in api.mock_calls] == ["create_repo", "repo_info", "upload_folder"]
    assert api.create_repo.call_args.kwargs["private"] is True
    assert api.upload_folder.call_args.kwargs["folder_path"] == str(tmp_path / "exported")
    assert 'model="me/model"' in (tmp_path / "exported" / "README.md").read_text()


def test_interrupted_push_goes_on(tmp_path, checkpoint, api):
    arguments = (checkpoint, tmp_path / "exported", "--push", "me/model")
    api.upload_folder.side_effect = ConnectionError("The connection was cut.")
    result = run(*arguments)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "Error: The connection was cut."
    api.upload_folder.side_effect = None
    assert run(*arguments, "--overwrite").exit_code == 0


def test_nothing_is_exported_for_a_repository_that_cannot_be_used(tmp_path, checkpoint, api):
    api.create_repo.side_effect = OSError("403 Forbidden")
    result = run(checkpoint, tmp_path / "exported", "--push", "you/model")
    assert result.exit_code == 1
    assert result.stderr == "Error: 403 Forbidden\n"
    assert not (tmp_path / "exported").exists()


@pytest.mark.parametrize("option", ["--private", "--create-pr"])
def test_options_of_a_push_without_one(tmp_path, checkpoint, option):
    result = run(checkpoint, tmp_path / "exported", option)
    assert result.exit_code == 1
    assert "say where to, with --push REPO" in result.stderr
    assert not (tmp_path / "exported").exists()


def test_not_empty(tmp_path, checkpoint):
    (tmp_path / "notes.txt").write_text("mine")
    result = run(checkpoint, tmp_path, "--overwrite")
    assert result.exit_code == 1
    assert "was not made by a conversion" in result.stderr
