# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The public names, and the rules that let the exported rooms be written into one flat Hub folder."""

import ast
import sys
from collections import Counter
from pathlib import Path

import pytest
from transformers.dynamic_module_utils import get_imports

import transformers_mvgpt


PACKAGE = Path(transformers_mvgpt.__file__).parent
FOLDERS = [PACKAGE / room for room in ("compat", "kernels", "modeling", "video", "processing")]
EXPORTED = [path for folder in FOLDERS for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
ALWAYS_INSTALLED = {"torch", "torchvision", "transformers", "numpy", "PIL", "huggingface_hub"}

every_exported_file = pytest.mark.parametrize("path", EXPORTED, ids=lambda path: f"{path.parent.name}/{path.name}")


def test_public_names():
    assert sorted(transformers_mvgpt.__all__) == [
        "MobileVideoGPTConfig",
        "MobileVideoGPTForConditionalGeneration",
        "MobileVideoGPTModel",
        "MobileVideoGPTProcessor",
        "MobileVideoGPTVideoProcessor",
        "VideoChat",
        "VideoMambaConfig",
        "VideoMambaModel",
        "VideoTextToTextPipeline",
        "load_video_features",
        "save_video_features",
    ]
    for name in transformers_mvgpt.__all__:
        assert getattr(transformers_mvgpt, name).__name__ == name


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
