# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""An exported folder gives the same tokens without the package, with it, and saved again by either."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageTextToText,
    AutoModelForMultimodalLM,
    AutoProcessor,
    AutoVideoProcessor,
    pipeline,
)

from hub_folders import put_in_cache, read_json, run_without_package, write_untrained
from transformers_mvgpt import VideoTextToTextPipeline
from transformers_mvgpt.conversion import export_hub, remote_code
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.demo.clip_files import write_test_clips
from transformers_mvgpt.evaluation import read_questions


AUTO_CLASSES = (
    AutoConfig,
    AutoModel,
    AutoModelForImageTextToText,
    AutoModelForMultimodalLM,
    AutoProcessor,
    AutoVideoProcessor,
)
NUM_CLIPS = 10

# Loads the models that it is given in every way, answers with each, and saves all of them again.
REMOTE_CODE_RUN = """
import json
import transformers
from transformers import pipeline

questions, *models = json.loads(sys.argv[1])
pipes = {}
for model in models:
    for name in ("Config", "Model", "ModelForImageTextToText", "ModelForMultimodalLM", "Processor", "VideoProcessor"):
        loaded = getattr(transformers, f"Auto{name}").from_pretrained(model, trust_remote_code=True)
        assert type(loaded).__module__.startswith("transformers_modules."), type(loaded)
    pipes[model] = pipeline("video-text-to-text", model=model, trust_remote_code=True, device="cpu")
    assert type(pipes[model]).__module__.startswith("transformers_modules."), type(pipes[model])
    assert type(pipeline(model=model, trust_remote_code=True, device="cpu")).__name__ == "VideoTextToTextPipeline"
answers = {
    model: [pipe(video, text=text, return_tensors=True)[0]["generated_token_ids"].tolist() for video, text in questions]
    for model, pipe in pipes.items()
}
for number, pipe in enumerate(pipes.values()):
    pipe.model.save_pretrained(f"again-{number}")
    pipe.processor.save_pretrained(f"again-{number}")
assert not any(name.startswith("transformers_mvgpt") for name in sys.modules)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("hub")


@pytest.fixture(scope="module")
def questions(folder) -> list[tuple[str, str]]:
    """A question about each of ten clips that no model has seen."""
    list(write_test_clips(folder / "clips", NUM_CLIPS * 3, first_seed=800_000))
    asked = {
        question.video: (question.video, question.question)
        for question in read_questions(folder / "clips" / "questions.jsonl")
    }
    assert len(asked) >= NUM_CLIPS
    return list(asked.values())[:NUM_CLIPS]


@pytest.fixture(scope="module")
def exported(folder) -> Path:
    export_hub(CHECKPOINT, folder / "exported")
    return folder / "exported"


@pytest.fixture(scope="module")
def expected(folder, questions) -> list[list[int]]:
    """The package's answers, from the folder that was exported."""
    return answer(CHECKPOINT, questions)


@pytest.fixture(scope="module")
def remote_run(tmp_path_factory, exported, questions) -> Iterator[tuple[Path, list[list[int]]]]:
    """A folder with nothing but the exported one, and what remote code answered and saved in it."""
    alone = tmp_path_factory.mktemp("alone")
    shutil.copytree(exported, alone / "model")
    printed = run_without_package(REMOTE_CODE_RUN, alone, json.dumps([questions, "model"]))
    yield alone, json.loads(printed.splitlines()[-1])["model"]


def answer(model: Path | str, questions: list[tuple[str, str]], **options) -> list[list[int]]:
    """Tokens of prompt and answer."""
    pipe = pipeline("video-text-to-text", model=str(model), device="cpu", **options)
    assert type(pipe) is VideoTextToTextPipeline
    return [
        pipe(video, text=text, return_tensors=True)[0]["generated_token_ids"].tolist() for video, text in questions
    ]


def assert_complete(folder: Path) -> None:
    """The code and where to find what, as export wrote it."""
    for file in remote_code.code_files():
        assert (folder / file.name).read_text("utf-8") == remote_code.exported_code(file), file.name
    config = read_json(folder / "config.json")
    assert {name: config[name] for name in remote_code.config_entries} == remote_code.config_entries
    assert (
        read_json(folder / "processor_config.json")["auto_map"].items()
        >= {"AutoProcessor": "processing_mvgpt.MobileVideoGPTProcessor"}.items()
    )


def test_without_the_package(remote_run, expected):
    _, answers = remote_run
    assert answers == expected


@pytest.mark.parametrize(
    "options", [{}, {"trust_remote_code": False}, {"trust_remote_code": True}], ids=["unset", "no", "yes"]
)
def test_with_the_package_trust_makes_no_difference(exported, questions, expected, options):
    for auto_class in AUTO_CLASSES:
        assert type(auto_class.from_pretrained(exported, **options)).__module__.startswith("transformers_mvgpt.")
    assert answer(exported, questions, **options) == expected


def test_with_the_package(exported, questions, expected):
    assert answer(exported, questions) == expected


def test_saved_again_without_the_package(remote_run, questions, expected):
    alone, _ = remote_run
    assert_complete(alone / "again-0")
    assert answer(alone / "again-0", questions) == expected


def test_saved_again_with_the_package(tmp_path, exported, questions, expected):
    (tmp_path / "alone").mkdir()
    again = tmp_path / "alone" / "model"
    AutoModelForImageTextToText.from_pretrained(exported).save_pretrained(again)
    AutoProcessor.from_pretrained(exported).save_pretrained(again)
    assert_complete(again)
    printed = run_without_package(REMOTE_CODE_RUN, again.parent, json.dumps([questions, "model"]))
    assert json.loads(printed.splitlines()[-1])["model"] == expected


def test_saved_by_one_then_the_other(tmp_path, remote_run, questions, expected):
    alone, _ = remote_run
    pipe = pipeline("video-text-to-text", model=str(alone / "again-0"), device="cpu")
    pipe.save_pretrained(tmp_path / "model")
    assert_complete(tmp_path / "model")
    printed = run_without_package(REMOTE_CODE_RUN, tmp_path, json.dumps([questions, "model"]))
    assert json.loads(printed.splitlines()[-1])["model"] == expected


@pytest.mark.parametrize("auto_class", [AutoProcessor, AutoVideoProcessor])
def test_processors_alone_take_the_code_along(tmp_path, exported, auto_class):
    auto_class.from_pretrained(exported).save_pretrained(tmp_path / "saved")
    names = {file.name for file in (tmp_path / "saved").glob("*.py")}
    assert names == {file.name for file in remote_code.code_files()}


def test_a_native_folder_is_saved_without_code(tmp_path):
    write_untrained(tmp_path / "native")
    AutoModelForImageTextToText.from_pretrained(tmp_path / "native").save_pretrained(tmp_path / "again")
    AutoProcessor.from_pretrained(tmp_path / "native").save_pretrained(tmp_path / "again")
    assert list((tmp_path / "again").glob("*.py")) == []
    assert read_json(tmp_path / "again" / "config.json").keys() & {"auto_map", "custom_pipelines"} == set()


@pytest.fixture(scope="module")
def repositories(tmp_path_factory, exported) -> tuple[Path, dict[str, Path]]:
    folder = tmp_path_factory.mktemp("cache")
    write_untrained(folder / "native", seed=1)
    export_hub(folder / "native", folder / "other")
    folders = {"me/shapes": exported, "you/other.model-2": folder / "other"}
    for repository, exported_folder in folders.items():
        put_in_cache(folder / "hub", repository, exported_folder)
    return folder / "hub", folders


class TestHubCache:
    """Two repositories in one process, offline."""

    def test_without_the_package(self, tmp_path, repositories, questions):
        cache, folders = repositories
        printed = run_without_package(REMOTE_CODE_RUN, tmp_path, json.dumps([questions, *folders]), HF_HUB_CACHE=cache)
        answers = json.loads(printed.splitlines()[-1])
        assert answers == {repository: answer(folder, questions) for repository, folder in folders.items()}
        for number in range(2):
            assert_complete(tmp_path / f"again-{number}")

    def test_with_the_package(self, monkeypatch, repositories, questions, expected):
        cache, folders = repositories
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
        options = {"model_kwargs": {"cache_dir": str(cache)}}
        answers = {repository: answer(repository, questions, **options) for repository in folders}
        assert answers["me/shapes"] == expected
        assert answers["you/other.model-2"] != expected
