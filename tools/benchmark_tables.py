# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
What README.md, docs/speed.md, docs/families.md, docs/on_device.md, docs/phones.md, docs/benchmarks and the model cards say of speed and size, from what
`mvgpt bench` and `make on-device` have left in `benchmarks/`. `make benchmark-tables` writes it anew.
"""

import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any

import torch

from benchmark_pages import write_pages
from on_device.tables import page_tables, weight_table
from transformers_mvgpt.conversion.model_card import SPEED_FILE
from transformers_mvgpt.evaluation.random_models import make_random_model
from transformers_mvgpt.evaluation.speed_report import baseline_rows, seconds_of
from transformers_mvgpt.evaluation.visual_file import modality_of
from transformers_mvgpt.families import FAMILIES


ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
README, SPEED_PAGE, FAMILIES_PAGE = ROOT / "README.md", ROOT / "docs" / "speed.md", ROOT / "docs" / "families.md"
ON_DEVICE_PAGE, PHONES_PAGE = ROOT / "docs" / "on_device.md", ROOT / "docs" / "phones.md"
_TABLES = re.compile(r"(made by `make benchmark-tables` -->\n).*?(<!-- end -->)", re.DOTALL)
# of the published sizes
NAMES = {
    "0.5b": "Mobile-VideoGPT 0.5B",
    "1.5b": "Mobile-VideoGPT 1.5B",
    "mobilevlm-1.7b": "MobileVLM 1.7B",
    "mobilevlm-v2-1.7b": "MobileVLM V2 1.7B",
    "mobilevlm-v2-3b": "MobileVLM V2 3B",
    "tinyllava-video-3b": "TinyLLaVA-Video 3B",
}
_OUR_INPUTS = "224 x 224, 2432 tokens"


def read_results() -> list[dict[str, Any]]:
    """All results, those of one machine together."""
    results = [json.loads(file.read_text("utf-8")) for file in sorted(BENCHMARKS.rglob("*.json"))]
    # `make gpu` also leaves scans alone, and `make on-device` records
    results = [result for result in results if "parts" in result]
    return sorted(results, key=lambda result: (_machine(result), -result["num_parameters"]))


def speed_records(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What model cards need of them; a card has no room for a note, without which a figure would mislead."""
    return [
        {
            "num_parameters": result["num_parameters"],
            "machine": _machine(result),
            "first_token_seconds": round(seconds_of(result, "first token"), 4),
            "decode_step_seconds": round(seconds_of(result, "decode step"), 6),
            "peak_memory_bytes": result["peak_memory_bytes"],
        }
        for result in results
        if not result.get("note")
    ]


def first_token_table(results: list[dict[str, Any]]) -> str:
    """Markdown: for each baseline and our published size of 0.5B, what a first token takes on each machine with baselines."""
    some = [result for result in results if result["model"] == "0.5b" and result["baselines"]]
    # newer results say what the image encoder gets
    found = [item for result in some for item in result["baselines"].items()]
    baselines = dict(sorted(found, key=lambda item: "frame_size" in item[1]))
    names = dict.fromkeys(name for name, _ in found)
    marks = [r" \*" if result.get("note") else "" for result in some]
    places = [f"{_place(result)}{mark}" for result, mark in zip(some, marks, strict=True)]
    lines = [f"| | frames, prompt | {' | '.join(places)} |", "|---" * (len(some) + 2) + "|"]
    ours = [_time(seconds_of(result, "first token")) for result in some]
    lines.append(f"| Mobile-VideoGPT 0.5B | {_OUR_INPUTS} | {' | '.join(ours)} |")
    for name in names:
        size, tokens = baselines[name].get("frame_size"), baselines[name].get("num_prompt_tokens")
        inputs = f"{size[0]} x {size[1]}, {tokens} tokens" if size else f"{tokens} tokens" if tokens else ""
        times = [_time(result["baselines"][name]["seconds"]) if name in result["baselines"] else "" for result in some]
        lines.append(f"| {name} | {inputs} | {' | '.join(times)} |")
    notes = sorted({f"{_place(result)}: {note}" for result in some if (note := result.get("note"))})
    return "\n".join([*lines, *(["", rf"\* {' '.join(notes)}"] if notes else []), ""])


def readme_table(results: list[dict[str, Any]]) -> str:
    """Markdown: [`first_token_table`] in the dtype that the published models have."""
    return first_token_table([result for result in results if result["machine"]["dtype"] == "bfloat16"])


def all_tables(results: list[dict[str, Any]]) -> str:
    """Markdown: for each machine, our models, then others on the same frames."""
    lines = []
    for machine, group in groupby(results, _machine):
        some = list(group)
        lines += [f"On {machine}, medians of {some[0]['runs']} runs:", ""]
        for note in dict.fromkeys(result["note"] for result in some if result.get("note")):
            lines += [note, ""]
        lines += ["| model | first token | second question | decode step | memory |", "|---|---|---|---|---|"]
        for result in some:
            cells = [NAMES.get(result["model"], "small model")]
            cells += [_part(result, name) for name in ("first token", "second question", "decode step")]
            lines.append(f"| {' | '.join([*cells, _gigabytes(result['peak_memory_bytes'])])} |")
        lines.append("")
        for result in some:
            if batches := result.get("batches"):
                name = NAMES.get(result["model"], "small model")
                lines += [f"| {name}, videos at once | first token | decode steps |", "|---|---|---|"]
                for batch in batches:
                    seconds, rate = _time(batch["first_token_seconds"]), batch["tokens_per_second"]
                    lines.append(f"| {batch['batch_size']} | {seconds} | {rate:.0f} tokens per second |")
                lines.append("")
        for result in some:
            if result["baselines"]:
                lines += [*baseline_rows(result, result["baselines"], _time, ""), ""]
            for reason in result.get("left_out", {}).values():
                lines += [f"Not measured: {reason}", ""]
    return "\n".join(lines)


def size_table() -> str:
    """Markdown: what each published size sees, and how large it is."""
    lines = ["| model | sees | visual tokens | parameters |", "|---|---|---|---|"]
    for name, shown in NAMES.items():
        model = make_random_model(name, torch.device("meta"), torch.bfloat16)
        config, modality = model.config, modality_of(model)
        size = config.vision_config.image_size
        sees = (
            f"{config.num_frames} frames of {size} x {size}" if modality == "video" else f"an image of {size} x {size}"
        )
        tokens = f"{getattr(config, f'num_{modality}_tokens'):,}"
        lines.append(f"| {shown} | {sees} | {tokens} | {model.num_parameters() / 1e9:.2f} billion |")
    return "\n".join([*lines, ""])


def family_speed_tables(results: list[dict[str, Any]]) -> str:
    """Markdown: for each machine that has measured more than one family, its published sizes in the order of `NAMES`."""
    parts = ("first token", "file to first token", "second question", "decode step")
    lines = []
    for machine, group in groupby(results, _machine):
        measured = {result["model"]: result for result in group if result["model"] in NAMES}
        if len({NAMES[name].partition(" ")[0] for name in measured}) < 2:
            continue
        runs = max(result["runs"] for result in measured.values())
        lines += [f"On {machine}, medians of {runs} runs:", "", f"| model | {' | '.join(parts)} | memory |"]
        notes = dict.fromkeys(note for result in measured.values() if (note := result.get("note")))
        lines.append("|---" * (len(parts) + 2) + "|")
        for name in NAMES:
            if (result := measured.get(name)) is not None:
                cells = [_time(seconds_of(result, part)) for part in parts]
                lines.append(f"| {NAMES[name]} | {' | '.join(cells)} | {_gigabytes(result['peak_memory_bytes'])} |")
        lines += ["", *(line for note in notes for line in (note, ""))]
    return "\n".join(lines)


def score_tables() -> str:
    """Markdown: what is reported of the published models, those of videos together, and those of images."""
    lines = []
    for task, visuals in (("video-text-to-text", "videos"), ("image-text-to-text", "images")):
        families = [family for family in FAMILIES if family.task == task]
        models = [model for family in families for model in family.published.models if model.scores]
        benchmarks = list(dict.fromkeys(name for model in models for name in model.scores))
        sources = "; ".join(family.published.scores_source for family in families)
        lines += [f"Questions about {visuals}, as reported in {sources}:", ""]
        lines += [f"| | {' | '.join(benchmarks)} |", "|---" * (len(benchmarks) + 1) + "|"]
        for model in models:
            name = model.repository.partition("/")[2]
            cells = [f"{model.scores[benchmark]:.1f}" if benchmark in model.scores else "" for benchmark in benchmarks]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def with_tables(page: str, *tables: str) -> str:
    """The text of a page with these tables in their places, one in each."""
    remaining = iter(tables)
    return _TABLES.sub(lambda match: match[1] + next(remaining) + match[2], page)


def _machine(result: dict[str, Any]) -> str:
    machine = result["machine"]
    versions = f"Python {machine['python']}, torch {machine['torch']}, transformers {machine['transformers']}"
    return f"{_place(result)} ({versions})"


def _place(result: dict[str, Any]) -> str:
    machine = result["machine"]
    place = machine.get("gpu") or f"{machine['processor']}, {machine['threads']} threads"
    weights = f", {result['quantization']} weights" if result["quantization"] else ""
    return f"{place}, {machine['dtype']}{weights}"


def _part(result: dict[str, Any], name: str) -> str:
    [part] = [part for part in result["parts"] if part["part"] == name]
    return _time(part["seconds"]) + (f", {part['ratio']:.2f} x its roofline" if part["ratio"] else "")


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def _gigabytes(num_bytes: int | None) -> str:
    return "" if num_bytes is None else f"{num_bytes / 1e9:.1f} GB"


if __name__ == "__main__":
    found = read_results()
    SPEED_FILE.write_text(json.dumps(speed_records(found), indent=2) + "\n", encoding="utf-8")
    pages = {
        README: (readme_table(found),),
        SPEED_PAGE: (all_tables(found),),
        FAMILIES_PAGE: (size_table(), family_speed_tables(found), score_tables()),
        ON_DEVICE_PAGE: page_tables(BENCHMARKS),
        PHONES_PAGE: (weight_table(NAMES),),
    }
    for page, tables in pages.items():
        page.write_text(with_tables(page.read_text("utf-8"), *tables), encoding="utf-8")
    write_pages(NAMES)
