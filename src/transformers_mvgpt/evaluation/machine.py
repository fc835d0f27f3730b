# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""On what a figure was measured."""

import os
import platform
from pathlib import Path
from typing import Any

import torch
import transformers


def describe_machine(device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> dict[str, Any]:
    """The machine and the versions that stand beside a figure."""
    description = {
        "processor": _processor_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "dtype": str(dtype).removeprefix("torch."),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    if torch.device(device).type == "cuda":
        description["gpu"] = torch.cuda.get_device_name(device)
    return description


def _processor_name() -> str:
    """The name that the processor gives itself, or at least its architecture."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), "") or platform.processor() or platform.machine()
