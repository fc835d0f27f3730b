# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The small trained models as ONNX files, exported once in a run of the tests."""

import os
from pathlib import Path

import pytest

from tiny_trained import MOBILEVLM, TINYLLAVA
from transformers_mvgpt import demo
from transformers_mvgpt.runtime import export_onnx


# By family: its checkpoint.
CHECKPOINTS = {"mobile_videogpt": demo.CHECKPOINT, "mobilevlm": MOBILEVLM, "tinyllava_video": TINYLLAVA}
PRECISIONS = ("fp32", "fp16", "int8", "q4")


def export_once(family: str, folder: Path) -> Path:
    """
    The exported model of a family, in all precisions. Not to be written to.

    Args:
        family (`str`): its `model_type`.
        folder (`Path`): one that all processes of a run share.
    """
    fcntl = pytest.importorskip("fcntl", reason="no locks of files here")
    target = folder / "onnx_exports" / family
    target.parent.mkdir(exist_ok=True)
    with open(target.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            export_onnx(os.fspath(CHECKPOINTS[family]), target, precisions=PRECISIONS)
    return target
