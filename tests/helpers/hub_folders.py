# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Hub repositories in folders and in a cache, and a Python that does not have this package."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from train_demo.small_model import make_config, make_processor
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration


# What numba compiles would be compiled once more for files in another place. One run of `test_hub_repository.py` has it.
WITHOUT_NUMBA = {"MVGPT_DISABLE_NUMBA": 1}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
WITHOUT_PACKAGE = """\
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "transformers_mvgpt":
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Absent())
"""


def write_untrained(folder: Path, seed: int = 0) -> None:
    """A native folder of the small model with random weights."""
    processor = make_processor()
    torch.manual_seed(seed)
    model = MobileVideoGPTForConditionalGeneration(make_config(processor.tokenizer))
    model.generation_config.max_new_tokens = 8  # noise has no end
    model.save_pretrained(folder, save_original_format=False)
    processor.save_pretrained(folder)


def put_in_cache(cache: Path, repository: str, folder: Path) -> None:
    """As if `folder` had been downloaded as this repository: blobs, and links to them."""
    target = cache / f"models--{repository.replace('/', '--')}"
    snapshot = target / "snapshots" / COMMIT
    for part in (target / "refs", target / "blobs", snapshot):
        part.mkdir(parents=True)
    (target / "refs" / "main").write_text(COMMIT)
    for file in folder.rglob("*"):
        link = snapshot / file.relative_to(folder)
        if file.is_dir():
            link.mkdir()
            continue
        blob = target / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copyfile(file, blob)
        link.symlink_to(os.path.relpath(blob, link.parent))


def run_without_package(code: str, folder: Path, *arguments: object, **environment: object) -> str:
    """What Python prints that cannot import this package and runs `code` in `folder`, with a cache of modules of its own."""
    (folder / "run_without_package.py").write_text(WITHOUT_PACKAGE + code)
    result = subprocess.run(
        [sys.executable, "run_without_package.py", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "HF_MODULES_CACHE": str(folder / "modules"), **{k: str(v) for k, v in environment.items()}},
        stdin=subprocess.DEVNULL,  # a question whether code is trusted must not wait for an answer
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def read_json(path: Path) -> dict:
    return json.loads(path.read_text("utf-8"))
