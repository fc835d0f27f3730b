# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""An exported folder gives the same tokens without the package, with it, and saved again by either."""

import ast
import json
import re
import shutil
import sys
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
from transformers.dynamic_module_utils import (
    check_imports,
    get_imports,
    get_relative_import_files,
    get_relative_imports,
)

from hub_folders import WITHOUT_NUMBA, put_in_cache, read_json, run_without_package, write_untrained
from transformers_mvgpt import VideoTextToTextPipeline
from transformers_mvgpt.conversion import export_hub
from transformers_mvgpt.conversion.remote_code import RemoteCode
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.demo.clip_files import write_test_clips
from transformers_mvgpt.evaluation import read_questions
from transformers_mvgpt.families import family_of


AUTO_CLASSES = (
    AutoConfig,
    AutoModel,
    AutoModelForImageTextToText,
    AutoModelForMultimodalLM,
    AutoProcessor,
    AutoVideoProcessor,
)
ALWAYS_INSTALLED = {"torch", "torchvision", "transformers", "numpy", "PIL", "huggingface_hub"}
NUM_CLIPS = 10
REMOTE_CODE = RemoteCode(family_of("mobile_videogpt"))

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
def plain(folder) -> Path:
    export_hub(CHECKPOINT, folder / "plain", plain=True)
    return folder / "plain"


@pytest.fixture(scope="module")
def expected(folder, questions) -> list[list[int]]:
    """The package's answers, from the folder that was exported."""
    return answer(CHECKPOINT, questions)


@pytest.fixture(scope="module")
def remote_run(tmp_path_factory, exported, plain, questions) -> tuple[Path, dict[str, list[list[int]]]]:
    """A folder with nothing but the exported ones, and what remote code answered by each of them and saved beside them."""
    alone = tmp_path_factory.mktemp("alone")
    shutil.copytree(exported, alone / "model")
    shutil.copytree(plain, alone / "plain")
    printed = run_without_package(REMOTE_CODE_RUN, alone, json.dumps([questions, "model", "plain"]))
    return alone, json.loads(printed.splitlines()[-1])


def answer(model: Path | str, questions: list[tuple[str, str]], **options) -> list[list[int]]:
    """Tokens of prompt and answer."""
    pipe = pipeline("video-text-to-text", model=str(model), device="cpu", **options)
    assert type(pipe) is VideoTextToTextPipeline
    return [
        pipe(video, text=text, return_tensors=True)[0]["generated_token_ids"].tolist() for video, text in questions
    ]


def assert_complete(folder: Path, plain: bool = False) -> None:
    """The code and where to find what, as export wrote it."""
    assert {file.name: file.read_text("utf-8") for file in folder.glob("*.py")} == REMOTE_CODE.code(plain)
    config = read_json(folder / "config.json")
    assert {name: config[name] for name in REMOTE_CODE.config_entries} == REMOTE_CODE.config_entries
    assert (
        read_json(folder / "processor_config.json")["auto_map"].items()
        >= {"AutoProcessor": "processing_mvgpt.MobileVideoGPTProcessor"}.items()
    )


def entry_points(folder: Path) -> list[Path]:
    """The files that transformers is told of."""
    config, processor = read_json(folder / "config.json"), read_json(folder / "processor_config.json")
    references = [*config["auto_map"].values(), *processor["auto_map"].values()]
    references += [task["impl"] for task in config["custom_pipelines"].values()]
    return [folder / f"{reference.split('.')[0]}.py" for reference in references]


@pytest.mark.parametrize("kind", ["exported", "plain"])
def test_transformers_finds_each_file_and_no_other(request, kind):
    folder = request.getfixturevalue(kind)
    files = set(folder.glob("*.py"))
    for file in files:
        assert {folder / f"{name}.py" for name in get_relative_imports(file)} <= files, file.name
        assert set(get_imports(file)) <= ALWAYS_INSTALLED | set(sys.stdlib_module_names), file.name
        check_imports(file)
    found = set(entry_points(folder))
    for file in entry_points(folder):
        found |= set(map(Path, get_relative_import_files(file)))
    assert found == files


def test_plain_has_no_fast_paths(exported, plain):
    names, all_names = ({file.name for file in folder.glob("*.py")} for folder in (plain, exported))
    assert names < all_names
    assert [name for name in names if re.search("numba|triton|graphs|prefill|decode_step|threads", name)] == []
    for name in names:
        modules = {
            node for node in ast.walk(ast.parse((plain / name).read_text("utf-8"))) if isinstance(node, ast.Import)
        }
        assert {alias.name for node in modules for alias in node.names} & {"numba", "triton"} == set(), name


def test_without_the_package(remote_run, expected):
    _, answers = remote_run
    assert answers == {"model": expected, "plain": expected}


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
    for name, is_plain in (("again-0", False), ("again-1", True)):
        assert_complete(alone / name, is_plain)
        assert answer(alone / name, questions) == expected


def test_plain_saved_again_without_the_package(tmp_path, remote_run, questions, expected):
    alone, _ = remote_run
    shutil.copytree(alone / "again-1", tmp_path / "model")
    printed = run_without_package(REMOTE_CODE_RUN, tmp_path, json.dumps([questions, "model"]), **WITHOUT_NUMBA)
    assert json.loads(printed.splitlines()[-1])["model"] == expected
    assert_complete(tmp_path / "again-0", plain=True)


def test_saved_again_with_the_package(tmp_path, exported, questions, expected):
    (tmp_path / "alone").mkdir()
    again = tmp_path / "alone" / "model"
    AutoModelForImageTextToText.from_pretrained(exported).save_pretrained(again)
    AutoProcessor.from_pretrained(exported).save_pretrained(again)
    assert_complete(again)
    printed = run_without_package(REMOTE_CODE_RUN, again.parent, json.dumps([questions, "model"]), **WITHOUT_NUMBA)
    assert json.loads(printed.splitlines()[-1])["model"] == expected


def test_saved_by_one_then_the_other(tmp_path, remote_run, questions, expected):
    alone, _ = remote_run
    pipe = pipeline("video-text-to-text", model=str(alone / "again-0"), device="cpu")
    pipe.save_pretrained(tmp_path / "model")
    assert_complete(tmp_path / "model")
    printed = run_without_package(REMOTE_CODE_RUN, tmp_path, json.dumps([questions, "model"]), **WITHOUT_NUMBA)
    assert json.loads(printed.splitlines()[-1])["model"] == expected


@pytest.mark.parametrize("auto_class", [AutoProcessor, AutoVideoProcessor])
def test_processors_alone_take_the_code_along(tmp_path, exported, auto_class):
    auto_class.from_pretrained(exported).save_pretrained(tmp_path / "saved")
    names = {file.name for file in (tmp_path / "saved").glob("*.py")}
    assert names == set(REMOTE_CODE.code())


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
        printed = run_without_package(
            REMOTE_CODE_RUN, tmp_path, json.dumps([questions, *folders]), HF_HUB_CACHE=cache, **WITHOUT_NUMBA
        )
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
