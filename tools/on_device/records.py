# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What was measured, in a file that an interrupted run goes on with."""

import importlib.metadata
import json
import subprocess
from pathlib import Path
from typing import Any

import torch

from transformers_mvgpt.conversion.written_files import write_file
from transformers_mvgpt.evaluation.machine import describe_machine


ROOT = Path(__file__).parents[2]
_PACKAGES = ("onnx", "onnxruntime", "numpy", "av", "tokenizers")


class Records:
    """
    Records of one kind of measurement on one machine. Each is in the file as soon as it is added.

    Args:
        file (`Path`): where they are, or will be.
        machine (`dict[str, Any]`): of [`describe`].

    Raises:
        ValueError: if the file is something else, or of another machine, or of other versions.
    """

    def __init__(self, file: Path, machine: dict[str, Any]) -> None:
        self.file, self.machine = file, machine
        self.records: list[dict[str, Any]] = []
        if file.exists():
            kept = _read(file)
            if kept["machine"] != machine:
                changed = [name for name in machine if kept["machine"].get(name) != machine[name]]
                raise ValueError(
                    f"{file} was measured with another {' and '.join(changed)}: remove it to measure anew, or choose another `--machine`."
                )
            self.records = kept["records"]

    def find(self, **key: Any) -> dict[str, Any] | None:
        """The record with these fields, if it was measured."""
        return next((record for record in self.records if key.items() <= record.items()), None)

    def add(self, record: dict[str, Any]) -> None:
        """Keeps a record, with the commit that it was measured at."""
        self.records.append({**record, "commit": commit()})
        write_file(self.file, json.dumps({"machine": self.machine, "records": self.records}, indent=2) + "\n")


def describe(num_threads: int) -> dict[str, Any]:
    """The machine, the threads that everything is given, and the versions."""
    machine = describe_machine()
    # each record says its own
    del machine["dtype"]
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return machine | versions | {"threads": num_threads}


def commit() -> str:
    """Of the working tree, with a `+` behind it if source files differ from it; `"unknown"` without Git."""
    try:
        name = _git("rev-parse", "--short", "HEAD").strip()
        return name + "+" * bool(_git("status", "--porcelain", "--untracked-files=no", "--", "src", "tools").strip())
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def read_records(file: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Machine and records of a file.

    Raises:
        ValueError: if it is something else.
    """
    kept = _read(file)
    return kept["machine"], kept["records"]


def set_threads(num_threads: int) -> None:
    """For PyTorch, and with it for what numba has compiled."""
    torch.set_num_threads(num_threads)


def _read(file: Path) -> dict[str, Any]:
    try:
        kept = json.loads(file.read_text("utf-8"))
        if isinstance(kept["machine"], dict) and isinstance(kept["records"], list):
            return kept
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(f"{file} holds nothing that `make on-device` has measured: remove it.")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True).stdout
