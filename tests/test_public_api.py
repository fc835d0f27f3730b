# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The public names, and the rules that let the exported rooms be written into one flat Hub folder."""

import ast
import configparser
import json
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import pytest
from transformers.dynamic_module_utils import get_imports

import transformers_mvgpt
import transformers_mvgpt.training


PACKAGE = Path(transformers_mvgpt.__file__).parent
FOLDERS = [PACKAGE / room for room in ("compat", "kernels", "modeling", "video", "processing")]
EXPORTED = [path for folder in FOLDERS for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
ALWAYS_INSTALLED = {"torch", "torchvision", "transformers", "numpy", "PIL", "huggingface_hub"}

every_exported_file = pytest.mark.parametrize("path", EXPORTED, ids=lambda path: f"{path.parent.name}/{path.name}")


def test_public_names():
    assert sorted(transformers_mvgpt.__all__) == [
        "FrameSelection",
        "LiveVideo",
        "MobileVLMConfig",
        "MobileVLMForConditionalGeneration",
        "MobileVLMImageProcessor",
        "MobileVLMModel",
        "MobileVLMProcessor",
        "MobileVideoGPTConfig",
        "MobileVideoGPTForConditionalGeneration",
        "MobileVideoGPTModel",
        "MobileVideoGPTProcessor",
        "MobileVideoGPTVideoProcessor",
        "TinyLlavaVideoConfig",
        "TinyLlavaVideoForConditionalGeneration",
        "TinyLlavaVideoModel",
        "TinyLlavaVideoProcessor",
        "TinyLlavaVideoVideoProcessor",
        "UntrustedInput",
        "VideoChat",
        "VideoMambaConfig",
        "VideoMambaModel",
        "VideoTextToTextPipeline",
        "answer_of",
        "load_video_features",
        "plot_frame_selection",
        "save_video_features",
    ]
    for name in transformers_mvgpt.__all__:
        assert getattr(transformers_mvgpt, name).__name__ == name


@pytest.mark.parametrize("package", [transformers_mvgpt, transformers_mvgpt.training], ids=lambda p: p.__name__)
def test_names_that_are_loaded_when_asked_for(package):
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        # An import of a module of this name would take the name's place.
        assert not (Path(package.__file__).parent / f"{name}.py").exists()
        assert getattr(package, name).__name__ == name
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'VideoChats'"):
        package.VideoChats  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'VideoChats'"):
        exec(f"from {package.__name__} import VideoChats")


def test_version_is_that_of_the_metadata():
    setup = configparser.ConfigParser()
    setup.read(PACKAGE.parents[1] / "setup.cfg")
    assert transformers_mvgpt.__version__ == version("transformers-mvgpt") == setup["metadata"]["version"]


def test_type_checkers_may_read_the_package():
    setup = configparser.ConfigParser()
    setup.read(PACKAGE.parents[1] / "setup.cfg")
    assert (PACKAGE / "py.typed").is_file()
    assert "py.typed" in setup["options.package_data"]["transformers_mvgpt"].split()


# Loaded when they are used.
OPTIONAL = [
    "av",
    "cv2",
    "datasets",
    "decord",
    "llvmlite",
    "mamba_ssm",
    "matplotlib",
    "numba",
    "peft",
    "torchao",
    "torchcodec",
    "torchvision",
    "tqdm",
    "triton",
    "typer",
    "yaml",
]
# Of the kinds that are registered. They load torchvision, and torchao where it is installed.
TRANSFORMERS_CLASSES = """
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText, AutoModelForMultimodalLM
from transformers import AutoImageProcessor, AutoProcessor, AutoTokenizer, AutoVideoProcessor
from transformers import CLIPVisionModel, Qwen2Model
"""
REPORT = """
import json, sys, time
print(json.dumps({"modules": sorted(sys.modules), "seconds": time.process_time()}))
"""


def run_alone(code: str) -> dict:
    result = subprocess.run([sys.executable, "-c", code + REPORT], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_import_loads_what_transformers_loads():
    """And registers all the same."""
    # its pipelines, to which ours is added, load PyAV in older releases
    theirs = run_alone(TRANSFORMERS_CLASSES + "import transformers.pipelines\n")
    ours = run_alone(
        "import transformers_mvgpt; from transformers import AutoConfig; AutoConfig.for_model('mobile_videogpt')"
    )
    assert set(ours["modules"]) & set(OPTIONAL) <= set(theirs["modules"])
    # A few of transformers, such as its pipelines, and the package's own.
    more = {name.partition(".")[0] for name in set(ours["modules"]) - set(theirs["modules"])}
    assert more <= {"PIL", "transformers", "transformers_mvgpt", *sys.stdlib_module_names}
    # A tenth more is the aim, which is measured elsewhere: the times of two processes vary by more.
    assert ours["seconds"] < 1.5 * theirs["seconds"]


def test_all_rooms_have_files():
    assert {path.parent for path in EXPORTED} == set(FOLDERS)


def test_file_names_are_unique_across_the_rooms():
    counts = Counter(path.name for path in EXPORTED)
    assert [name for name, count in counts.items() if count > 1] == []


# compat < kernels < modeling and video < processing: an arrow never runs up
BELOW = {
    "compat": set(),
    "kernels": {"compat"},
    "modeling": {"compat", "kernels"},
    "video": {"compat"},
    "processing": {"compat", "video"},
}


@every_exported_file
def test_imports_go_down(path):
    room = path.parent
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.ImportFrom) or node.level == 0:
            continue
        if node.level == 1:
            assert (room / f"{node.module}.py").is_file()
        else:
            other, name = node.module.split(".")
            assert node.level == 2 and other in BELOW[room.name], node.lineno
            assert (room.parent / other / f"{name}.py").is_file()


@pytest.mark.parametrize("path", sorted((PACKAGE / "modeling").glob("*.py")), ids=lambda path: path.name)
def test_the_model_reaches_the_kernels_through_their_seam(path):
    imports = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    modules = {node.module for node in imports if (node.module or "").startswith("kernels")}
    assert modules <= {"kernels.dispatch", "kernels.dispatch_video"}


@every_exported_file
def test_no_relative_import_that_transformers_overlooks(path):
    imports = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    assert [node.lineno for node in imports if node.level and node.module is None] == []  # from . import x


@every_exported_file
def test_no_postponed_annotations(path):
    assert "from __future__ import annotations" not in path.read_text("utf-8")


@every_exported_file
def test_optional_packages_are_not_required(path):
    assert set(get_imports(path)) - ALWAYS_INSTALLED <= set(sys.stdlib_module_names)
