# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A published size with random weights, exported in full, and beside it PyTorch: each in a process of its own, in turns."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from transformers_mvgpt.demo import CLIP
from transformers_mvgpt.evaluation.random_models import make_processor, make_random_model
from transformers_mvgpt.runtime import export_onnx

from .quality import OnProgress, decoder_bytes
from .records import ROOT, Records


SIZE = "0.5b"
ONNX_PRECISIONS = ("fp32", "int8", "q4")
TORCH_DTYPES = ("float32", "bfloat16")


def measure_speed(
    records: Records,
    work: Path,
    exported: Path | None,
    *,
    rounds: int,
    runs: int,
    num_new_tokens: int,
    num_threads: int,
    report: OnProgress,
) -> None:
    """
    Adds a record for each round and each of PyTorch's dtypes and the precisions of the exported model that has none yet. In a round,
    all of them take turns, so that a machine that does other work does so to all.

    Args:
        records ([`Records`]): where they go.
        work (`Path`): a folder for the model, which an interrupted run finds again.
        exported (`Path` or `None`): the exported model, if it is there already.
        rounds, runs (`int`): how often everything takes its turn, and how often it is measured then.
        num_new_tokens (`int`): of an answer.
        num_threads (`int`): of each process.
        report (`Callable[[str, int], None]`): called with what is done and how much of it.
    """
    options = [str(CLIP), *map(str, (runs, num_new_tokens, num_threads))]
    for round_ in range(rounds):
        for dtype in TORCH_DTYPES:
            if records.find(runtime="PyTorch", precision=dtype, round=round_) is None:
                report(f"PyTorch {dtype}", round_)
                times = _run("on_device.torch_times", SIZE, dtype, *options)
                records.add({"size": SIZE, "runtime": "PyTorch", "precision": dtype, "round": round_, **times})
        for precision in ONNX_PRECISIONS:
            if records.find(runtime="onnxruntime", precision=precision, round=round_) is None:
                exported = exported or export_size(work, report)
                report(f"onnxruntime {precision}", round_)
                times = _run("on_device.onnx_times", str(exported), precision, *options)
                files = {
                    "decoder_bytes": decoder_bytes(exported, precision),
                    "all_bytes": all_bytes(exported, precision),
                }
                records.add(
                    {"size": SIZE, "runtime": "onnxruntime", "precision": precision, "round": round_, **times, **files}
                )


def export_size(work: Path, report: OnProgress) -> Path:
    """The size with random weights, in all precisions that are measured. It is made once."""
    target, source = work / f"{SIZE}-onnx", work / f"{SIZE}-model"
    if not target.is_dir():
        report("exporting", 0)
        # another process, so that its memory is given back
        subprocess.run(
            [sys.executable, "-m", "on_device.speed", str(source), str(target)], check=True, env=_environment()
        )
    shutil.rmtree(source, ignore_errors=True)
    return target


def all_bytes(exported: Path, precision: str) -> int:
    """Of all files that one precision needs."""
    parts = ("decoder_model_merged", "embed_tokens")
    others = [file for file in (exported / "onnx").iterdir() if not file.name.startswith(parts)]
    return sum(file.stat().st_size for file in others) + decoder_bytes(exported, precision)


def _run(module: str, *arguments: str) -> dict[str, Any]:
    """The times that a process writes, with the load of the machine while it ran: processes that wanted a processor, this one included."""
    process = subprocess.run(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, check=True, env=_environment()
    )
    return {**json.loads(process.stdout.splitlines()[-1]), "load": round(os.getloadavg()[0], 1)}


def _environment() -> dict[str, str]:
    paths = [str(ROOT / "src"), str(ROOT / "tools"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": os.pathsep.join(paths)}


def _export(source: Path, target: Path) -> None:
    model = make_random_model(SIZE, torch.device("cpu"), torch.float32)
    processor = make_processor(model.config)
    for name in processor.placeholders:
        setattr(model.config, f"{name}_token_id", getattr(processor, f"{name}_token_id"))
    model.save_pretrained(source)
    processor.save_pretrained(source)
    del model
    export_onnx(source, target, precisions=ONNX_PRECISIONS)


if __name__ == "__main__":
    _export(*map(Path, sys.argv[1:]))
