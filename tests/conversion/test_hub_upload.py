# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What is asked of the Hub, as far as that can be tested without one."""

from types import SimpleNamespace
from unittest.mock import MagicMock, create_autospec

import pytest
from huggingface_hub import HfApi

from transformers_mvgpt.conversion import hub_upload


@pytest.fixture
def api(monkeypatch) -> MagicMock:
    api = create_autospec(HfApi, instance=True)
    api.repo_info.return_value = SimpleNamespace(private=True)
    api.upload_folder.return_value = SimpleNamespace(commit_url="https://hub/commit", pr_url=None)
    monkeypatch.setattr(hub_upload, "HfApi", lambda: api)
    return api


def test_a_repository_is_made_or_used(api):
    hub_upload.claim_repository("me/model")
    api.create_repo.assert_called_once_with("me/model", private=None, exist_ok=True)
    api.repo_info.assert_not_called()


def test_private(api):
    hub_upload.claim_repository("me/model", private=True)
    api.create_repo.assert_called_once_with("me/model", private=True, exist_ok=True)


def test_what_is_private_does_not_go_where_all_can_see_it(api):
    api.repo_info.return_value = SimpleNamespace(private=False)
    with pytest.raises(ValueError, match="me/model is public already, .*choose another repository"):
        hub_upload.claim_repository("me/model", private=True)


def test_upload(api, tmp_path):
    assert hub_upload.upload(tmp_path, "me/model") == "https://hub/commit"
    options = api.upload_folder.call_args.kwargs
    assert options.pop("commit_message")
    assert options == {"repo_id": "me/model", "folder_path": str(tmp_path), "create_pr": False}


def test_pull_request(api, tmp_path):
    api.upload_folder.return_value = SimpleNamespace(commit_url="https://hub/commit", pr_url="https://hub/pr")
    assert hub_upload.upload(tmp_path, "me/model", create_pr=True) == "https://hub/pr"
    assert api.upload_folder.call_args.kwargs["create_pr"] is True


def test_an_upload_that_failed_goes_on_with_the_same_call(api, tmp_path):
    finished = api.upload_folder.return_value
    api.upload_folder.side_effect = [ConnectionError("cut"), finished]
    with pytest.raises(ConnectionError, match="cut"):
        hub_upload.upload(tmp_path, "me/model")
    assert hub_upload.upload(tmp_path, "me/model") == "https://hub/commit"
    first, second = api.upload_folder.call_args_list
    assert first == second  # huggingface_hub leaves out what is there already
