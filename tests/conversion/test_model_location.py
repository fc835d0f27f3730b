# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import httpx
import pytest
from huggingface_hub.errors import RepositoryNotFoundError

from transformers_mvgpt.conversion import model_location
from transformers_mvgpt.conversion.model_location import check_location


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "small").mkdir(parents=True)
    (tmp_path / "weights.gguf").touch()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(model_location, "HfApi", None)  # nothing asks it


@pytest.mark.parametrize("model", ["models/small", "./models/small/", "models"])
def test_folders(model):
    check_location(model)


@pytest.mark.parametrize("model", ["./missing", "../missing", "a/b/c", "~/x", "missing/"])
def test_paths_are_not_asked_for_on_the_hub(model):
    with pytest.raises(
        FileNotFoundError, match=f"^There is no model folder '{model}'. Check the path, or name a repo"
    ):
        check_location(model)


def test_a_file():
    with pytest.raises(
        NotADirectoryError, match="^'weights.gguf' is a file, and a model is a folder: name the folder"
    ):
        check_location("weights.gguf")


def test_offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        FileNotFoundError, match=r"'owner/name', and no repository of this name in the cache, .* go online"
    ):
        check_location("owner/name")


def refuse(monkeypatch, error):
    class Api:
        def model_info(self, name, timeout):
            assert timeout <= 10
            raise error

    monkeypatch.setattr(model_location, "HfApi", Api)


def test_without_network(monkeypatch):
    """At once, where loading would try for half a minute."""
    refuse(monkeypatch, httpx.ConnectError("[Errno -2] Name or service not known"))
    with pytest.raises(FileNotFoundError) as error:
        check_location("owner/name")
    assert str(error.value) == (
        "There is no model folder 'owner/name', no repository of this name in the cache, and https://huggingface.co cannot be reached to "
        "look for one ([Errno -2] Name or service not known). Check the name and the network."
    )


def test_no_such_repository(monkeypatch):
    response = httpx.Response(404, request=httpx.Request("GET", "https://huggingface.co"))
    refuse(monkeypatch, RepositoryNotFoundError("404", response=response))
    with pytest.raises(
        FileNotFoundError, match=r"no repository of this name on the Hub, or none that you may see\. Check"
    ):
        check_location("owner/name")
    with pytest.raises(FileNotFoundError, match="that you may see. Say where it is now.$"):
        check_location("owner/name", "Say where it is now.")


@pytest.mark.parametrize("model", ["owner/name", "models/name"])
def test_in_the_cache(monkeypatch, model):
    """Also where a folder has the owner's name, as a download of another repository leaves it."""
    monkeypatch.setattr(model_location, "try_to_load_from_cache", lambda name, file: f"/cache/{file}")
    check_location(model)
