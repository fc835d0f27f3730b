# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What docs/on_device.md says of the figures of `make on-device`."""

import statistics
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from transformers_mvgpt.evaluation.random_models import make_random_model

from .records import read_records


FILES = ("onnx-quality.json", "onnx-start.json", "onnx-0.5b.json")
_TIMES = ("load_seconds", "encode_seconds", "prefill_seconds", "first_token_seconds", "decode_step_seconds")
_VERSIONS = {"python": "Python", "onnxruntime": "onnxruntime", "torch": "torch", "transformers": "transformers"}
# Of a weight of the decoder's layers, and of one of the embeddings and the head, which are written twice where they are one. In q4, a block
# of 32 has 4 bits each, a scale of 32 bits and a zero of 4.
_BYTES_PER_WEIGHT = {"fp32": (4, 4), "fp16": (2, 2), "int8": (1, 1), "q4": (0.5 + 4 / 32 + 0.5 / 32, 1)}


def quality_table(machine: dict[str, Any], records: list[dict[str, Any]]) -> str:
    """Markdown: for each model and precision, how many answers are those of PyTorch in float32."""
    lines = [f"On {_place(machine, records)}:", ""]
    lines += [
        "| model | precision | same tokens | same frames | answers changed | right answers | decoder and embeddings |"
    ]
    lines += ["|---" * 7 + "|"]
    for record in records:
        number, frames = record["questions"], record["same_frames"]
        cells = [record["model"], record["precision"], f"{record['same_tokens']} of {number}"]
        cells += ["" if frames is None else f"{frames} of {number}"]
        cells += [f"{100 * record['changed_answers'] / number:.1f} %"]
        cells += [f"{100 * record['right']:.1f} % (PyTorch {100 * record['right_in_torch']:.1f} %)"]
        lines.append(f"| {' | '.join([*cells, _megabytes(record['decoder_bytes'])])} |")
    return "\n".join([*lines, ""])


def start_table(machine: dict[str, Any], records: list[dict[str, Any]]) -> str:
    """Markdown: what a process without torch needs for its first answer."""
    lines = [f"On {_place(machine, records)}:", ""]
    lines += ["| model | start to answer | peak memory | packages | exported folder |", "|---|---|---|---|---|"]
    for record in records:
        cells = [f"{record['model']}, {record['precision']}", _seconds(record["start_to_answer_seconds"])]
        cells += [_megabytes(record[name]) for name in ("peak_memory_bytes", "site_bytes", "folder_bytes")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def speed_table(machine: dict[str, Any], records: list[dict[str, Any]]) -> str:
    """Markdown: the published size of 0.5B, and ratios to the exported model in fp32."""
    rounds = max((record["round"] for record in records), default=0) + 1
    measured = "one round" if rounds == 1 else f"medians of {rounds} rounds in which all took turns"
    lines = [f"On {_place(machine, records)}, {measured}:", ""]
    loads = [record["load"] for record in records if "load" in record]
    if loads and max(loads) > machine["threads"] + 1:
        lines += [
            f"The machine did other work meanwhile (load {min(loads)} to {max(loads)}): ratios say more than times.",
            "",
        ]
    names = ["video to features", "prefill", "first token", "decode step", "peak memory", "files", "decoder"]
    lines += [f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    found = {(record["runtime"], record["precision"]): record for record in medians(records)}
    whole = found.get(("onnxruntime", "fp32"))
    for (runtime, precision), record in sorted(found.items(), key=lambda item: _order(item[0])):
        cells = [f"{runtime}, {precision}"]
        for name in ("encode_seconds", "prefill_seconds", "first_token_seconds", "decode_step_seconds"):
            ratio = "" if whole is None or record is whole else f" ({record[name] / whole[name]:.2f} x)"
            cells.append(_seconds(record[name]) + ratio)
        cells.append(_megabytes(record["peak_memory_bytes"]))
        cells += [_megabytes(record[name]) if name in record else "" for name in ("all_bytes", "decoder_bytes")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


_TABLES: tuple[Callable[..., str], ...] = (quality_table, start_table, speed_table)


def machine_tables(folder: Path) -> list[str]:
    """Of one machine: the three tables, `""` for what was not measured."""
    files = [folder / name for name in FILES]
    return [table(*read_records(file)) if file.exists() else "" for table, file in zip(_TABLES, files, strict=True)]


def all_tables(folder: Path) -> str:
    """Those of one machine, below each other."""
    return "\n".join(filter(None, machine_tables(folder)))


def page_tables(benchmarks: Path) -> tuple[str, ...]:
    """For docs/on_device.md: of each kind, the tables of all machines below each other."""
    folders = sorted({file.parent for name in FILES for file in benchmarks.glob(f"*/{name}")})
    columns = [machine_tables(folder) for folder in folders]
    return tuple("\n".join(filter(None, column)) for column in zip(*columns, strict=True)) or ("",) * len(FILES)


def medians(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One record for each runtime and precision: medians of the rounds, of memory the most, and how many rounds there were."""
    result = []
    key: Callable[[dict[str, Any]], tuple[str, str]] = lambda record: (record["runtime"], record["precision"])  # noqa: E731
    for _, group in groupby(sorted(records, key=key), key=key):
        some = list(group)
        times = {name: statistics.median(record[name] for record in some) for name in _TIMES}
        peak = max(record["peak_memory_bytes"] for record in some)
        result.append({**some[-1], **times, "peak_memory_bytes": peak, "rounds": len(some)})
    return result


def weight_table(names: dict[str, str]) -> str:
    """
    Markdown: what the weights of the published sizes take, computed from their shapes.

    Args:
        names (`dict[str, str]`): of the sizes, and how they are shown.
    """
    lines = [f"| model | {' | '.join(_BYTES_PER_WEIGHT)} |", "|---" * (len(_BYTES_PER_WEIGHT) + 1) + "|"]
    for name, shown in names.items():
        model = make_random_model(name, torch.device("meta"), torch.float32)
        embeddings = model.get_input_embeddings().weight.numel()
        language_model = sum(weight.numel() for weight in model.model.language_model.parameters())
        is_tied = model.lm_head.weight is model.get_input_embeddings().weight
        others = model.num_parameters() - language_model - (0 if is_tied else embeddings)
        cells = [
            f"{(4 * others + size * (language_model - embeddings) + 2 * table_size * embeddings) / 1e9:.1f} GB"
            for size, table_size in _BYTES_PER_WEIGHT.values()
        ]
        lines.append(f"| {' | '.join([shown, *cells])} |")
    return "\n".join([*lines, ""])


def _order(key: tuple[str, str]) -> tuple[str, int]:
    order = ("float32", "bfloat16", "fp32", "fp16", "int8", "q4")
    return key[0], order.index(key[1])


def _place(machine: dict[str, Any], records: list[dict[str, Any]]) -> str:
    versions = ", ".join(f"{shown} {machine[name]}" for name, shown in _VERSIONS.items())
    commits = ", ".join(dict.fromkeys(record["commit"] for record in records))
    threads = "1 thread" if machine["threads"] == 1 else f"{machine['threads']} threads"
    return f"{machine['processor']}, {threads} ({versions}, commit {commits})"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def _megabytes(num_bytes: int) -> str:
    megabytes = num_bytes / 1e6
    return f"{megabytes:.0f} MB" if megabytes >= 100 else f"{megabytes:.3g} MB"
