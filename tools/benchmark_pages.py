# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
docs/benchmarks, a page for each folder of `benchmarks/`: every part of an answer of each model that was measured there. `make benchmark-tables`
writes them anew.
"""

import json
from pathlib import Path
from typing import Any

from transformers_mvgpt.evaluation.speed_report import speed_table


ROOT = Path(__file__).parents[1]
BENCHMARKS, PAGES = ROOT / "benchmarks", ROOT / "docs" / "benchmarks"


def machine_page(folder: Path, names: dict[str, str]) -> str:
    """
    The page of a machine's folder, in Markdown.

    Args:
        folder (`Path`): in `benchmarks/`.
        names (`dict[str, str]`): what each measured model is called.
    """
    results = {file: json.loads(file.read_text("utf-8")) for file in sorted(folder.glob("*.json"))}
    # records of exported models and of scans have other pages
    results = {file: result for file, result in results.items() if "parts" in result}
    [place] = {_place(result["machine"]) for result in results.values()}
    lines = [
        f"# {place}",
        "",
        "Each part of an answer, as [`mvgpt bench`](../speed.md#how-it-is-measured) measures it.",
    ]
    for file, result in results.items():
        machine, model = result["machine"], names.get(result["model"], "Small model")
        weights = f", {result['quantization']} weights" if result["quantization"] else ""
        threads = "" if machine.get("gpu") else f"{machine['threads']} threads, "
        lines += ["", f"## {model}, {machine['dtype']}{weights}", ""]
        lines += [
            f"Medians of {result['runs']} runs; {threads}Python {machine['python']}, torch {machine['torch']}, transformers "
            f"{machine['transformers']}."
        ]
        if note := result.get("note"):
            lines += ["", note.replace("(precision.md", "(../precision.md")]
        lines += ["", speed_table(result).rstrip()]
        if file.with_suffix(".png").is_file():
            picture = f"../../benchmarks/{folder.name}/{file.stem}.png"
            lines += ["", f"![{model}, {machine['dtype']}: times of the parts as bars]({picture})"]
    return "\n".join(lines) + "\n"


def write_pages(names: dict[str, str]) -> None:
    PAGES.mkdir(exist_ok=True)
    for folder in machine_folders():
        (PAGES / f"{folder.name}.md").write_text(machine_page(folder, names), "utf-8")


def machine_folders() -> list[Path]:
    return sorted(folder for folder in BENCHMARKS.iterdir() if folder.is_dir())


def _place(machine: dict[str, Any]) -> str:
    return machine.get("gpu") or f"{machine['processor']}, {machine['cores']} cores"
