# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A folder as a repository on the Hub."""

import os

from huggingface_hub import HfApi


def claim_repository(repository: str, *, private: bool = False) -> None:
    """
    Makes a repository, or sees that one can be used. To be called before work that would be lost otherwise.

    Args:
        repository (`str`): its id, `"user/name"`.
        private (`bool`, defaults to `False`): whether only its owners may see it.

    Raises:
        ValueError: if it is to be private, but is public already.
        HfHubHTTPError: if nobody is logged in, or not as somebody who may write there.
    """
    api = HfApi()
    api.create_repo(repository, private=private or None, exist_ok=True)
    if private and not api.repo_info(repository).private:
        raise ValueError(
            f"{repository} is public already, and would show what is to be private: choose another repository, or make it "
            "private on its page first."
        )


def upload(folder: str | os.PathLike, repository: str, *, create_pr: bool = False) -> str:
    """
    Uploads a folder, with progress bars. After an interruption the same call goes on: what is there is not sent again.

    Args:
        folder (`str`): an exported folder.
        repository (`str`): a repository that [`claim_repository`] has seen.
        create_pr (`bool`, defaults to `False`): open a pull request instead of changing the repository.

    Returns:
        `str`: address of the commit or the pull request.

    Raises:
        HfHubHTTPError: if the upload fails.
    """
    message = "Upload model, processor and code with transformers-mvgpt"
    commit = HfApi().upload_folder(
        repo_id=repository, folder_path=os.fspath(folder), commit_message=message, create_pr=create_pr
    )
    return commit.pr_url or commit.commit_url
