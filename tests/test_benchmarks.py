# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`benchmarks/`: README.md, docs/speed.md, docs/families.md, docs/on_device.md and the model cards say what was measured."""

import json

import pytest

from benchmark_pages import PAGES, machine_folders, machine_page
from benchmark_tables import (
    BENCHMARKS,
    FAMILIES_PAGE,
    NAMES,
    ON_DEVICE_PAGE,
    PHONES_PAGE,
    README,
    SPEED_PAGE,
    all_tables,
    family_speed_tables,
    first_token_table,
    read_results,
    readme_table,
    score_tables,
    size_table,
    speed_records,
    with_tables,
)
from on_device.tables import page_tables, weight_table
from transformers_mvgpt.conversion.model_card import SPEED_FILE, read_speed
from transformers_mvgpt.evaluation.choices import PUBLISHED_SIZES


RESULT = {
    "model": "0.5b",
    "num_parameters": 656_605_056,
    "runs": 5,
    "quantization": None,
    "parts": [
        {"part": "first token", "seconds": 3.0, "ratio": 1.5},
        {"part": "file to first token", "seconds": 3.25, "ratio": None},
        {"part": "second question", "seconds": 0.0815, "ratio": None},
        {"part": "decode step", "seconds": 0.02, "ratio": 2.0},
    ],
    "peak_memory_bytes": 5_120_000_000,
    "baselines": {"other": {"seconds": 12.0}},
    "machine": {
        "processor": "ABC",
        "threads": 2,
        "dtype": "float32",
        "python": "3",
        "torch": "2",
        "transformers": "5",
    },
}


@pytest.mark.parametrize("folder", machine_folders(), ids=lambda folder: folder.name)
def test_pages_of_machines(folder):
    page = (PAGES / f"{folder.name}.md").read_text("utf-8")
    assert page == machine_page(folder, NAMES), "`make benchmark-tables` writes it anew"
    assert f"(benchmarks/{folder.name}.md)" in SPEED_PAGE.read_text("utf-8")


@pytest.mark.parametrize(("page", "tables"), [(README, readme_table), (SPEED_PAGE, all_tables)])
def test_pages_say_what_was_measured(page, tables):
    text, table = page.read_text("utf-8"), tables(read_results())
    assert table in text
    assert with_tables(text, table) == text, "`make benchmark-tables` writes it anew"


def test_page_of_families_says_what_was_measured_and_reported():
    text = FAMILIES_PAGE.read_text("utf-8")
    tables = size_table(), family_speed_tables(read_results()), score_tables()
    assert with_tables(text, *tables) == text, "`make benchmark-tables` writes it anew"
    assert all(table in text for table in tables)
    assert tuple(NAMES) == PUBLISHED_SIZES


def test_pages_about_devices_say_what_was_measured():
    for page, tables in ((ON_DEVICE_PAGE, page_tables(BENCHMARKS)), (PHONES_PAGE, (weight_table(NAMES),))):
        assert with_tables(page.read_text("utf-8"), *tables) == page.read_text("utf-8"), "`make benchmark-tables`"


def test_weights():
    lines = weight_table({"0.5b": "ours"}).splitlines()
    # 163 million of the encoders and projectors, 358 of the layers, and twice 136 of the embeddings, which the head shares
    assert lines == [
        "| model | fp32 | fp16 | int8 | q4 |",
        "|---|---|---|---|---|",
        "| ours | 3.2 GB | 1.9 GB | 1.3 GB | 1.2 GB |",
    ]


def test_sizes():
    lines = size_table().splitlines()
    assert len(lines) == 2 + len(PUBLISHED_SIZES)
    assert "| MobileVLM V2 3B | an image of 336 x 336 | 144 | 3.01 billion |" in lines
    assert "| TinyLLaVA-Video 3B | 16 frames of 384 x 384 | 512 | 3.63 billion |" in lines


def test_speed_of_families():
    """On machines that have measured several."""
    others = [{**RESULT, "model": name} for name in ("tinyllava-video-3b", "mobilevlm-v2-3b", "/a/folder")]
    elsewhere = {**RESULT, "machine": {**RESULT["machine"], "processor": "DEF"}}
    assert family_speed_tables([*others, RESULT, elsewhere]) == (
        "On ABC, 2 threads, float32 (Python 3, torch 2, transformers 5), medians of 5 runs:\n"
        "\n"
        "| model | first token | file to first token | second question | decode step | memory |\n"
        "|---|---|---|---|---|---|\n"
        "| Mobile-VideoGPT 0.5B | 3.0 s | 3.2 s | 81.5 ms | 20 ms | 5.1 GB |\n"
        "| MobileVLM V2 3B | 3.0 s | 3.2 s | 81.5 ms | 20 ms | 5.1 GB |\n"
        "| TinyLLaVA-Video 3B | 3.0 s | 3.2 s | 81.5 ms | 20 ms | 5.1 GB |\n"
    )


def test_reported_scores():
    lines = score_tables().splitlines()
    header = next(line for line in lines if "MVBench" in line).strip("|").split("|")
    row = next(line for line in lines if line.startswith("| TinyLLaVA-Video-R1 ")).strip("|").split("|")
    scores = {name.strip(): cell.strip() for name, cell in zip(header, row, strict=True)}
    assert (scores["MVBench"], scores["MLVU"], scores["EgoSchema"]) == ("49.5", "52.4", "")
    assert "| MobileVLM_V2-7B | 62.6 | 74.8 | 62.3 | 85.3 | 1560.7 | 69.2 |" in lines


def test_cards_say_what_was_measured():
    assert json.loads(SPEED_FILE.read_text("utf-8")) == speed_records(read_results())


def test_tables():
    lines = all_tables([RESULT]).splitlines()
    assert lines[0] == "On ABC, 2 threads, float32 (Python 3, torch 2, transformers 5), medians of 5 runs:"
    assert (
        "| Mobile-VideoGPT 0.5B | 3.0 s, 1.50 x its roofline | 81.5 ms | 20 ms, 2.00 x its roofline | 5.1 GB |"
        in lines
    )
    assert "| other | 12.0 s | 0.25 |" in lines
    text = "before\n<!-- made by `make benchmark-tables` -->\nold\n<!-- end -->\nafter"
    assert with_tables(text, "new\n") == text.replace("old", "new")


def test_first_token_beside_baselines():
    inputs = {"num_prompt_tokens": 1822, "frame_size": [640, 352]}
    newer = {"other": {"seconds": 10.0, **inputs}, "new": {"seconds": 0.5, **inputs}}
    others = [{**RESULT, "model": "1.5b"}, {**RESULT, "baselines": {}}]
    table = first_token_table([RESULT, *others, {**RESULT, "note": "On a warm day.", "baselines": newer}])
    assert table == (
        "| | frames, prompt | ABC, 2 threads, float32 | ABC, 2 threads, float32 \\* |\n"
        "|---|---|---|---|\n"
        "| Mobile-VideoGPT 0.5B | 224 x 224, 2432 tokens | 3.0 s | 3.0 s |\n"
        "| other | 640 x 352, 1822 tokens | 12.0 s | 10.0 s |\n"
        "| new | 640 x 352, 1822 tokens |  | 500 ms |\n"
        "\n"
        "\\* ABC, 2 threads, float32: On a warm day.\n"
    )


def test_what_is_not_measured_is_said():
    assert "\nNot measured: no timm\n" in all_tables([{**RESULT, "left_out": {"new": "no timm"}}])


def test_notes_are_shown():
    assert "medians of 5 runs:\n\nOn a warm day.\n\n| model |" in all_tables([{**RESULT, "note": "On a warm day."}])


def test_quantized_results_say_so():
    tables = all_tables([RESULT, {**RESULT, "quantization": "int8", "baselines": {}}])
    assert "On ABC, 2 threads, float32, int8 weights (Python 3" in tables
    [_, record] = speed_records([RESULT, {**RESULT, "quantization": "int8"}])
    assert "int8 weights" in record["machine"]


def test_card_of_a_model_of_this_size(monkeypatch, tmp_path):
    file = tmp_path / "speed.json"
    file.write_text(json.dumps(speed_records([RESULT])))
    monkeypatch.setattr("transformers_mvgpt.conversion.model_card.SPEED_FILE", file)
    [record] = read_speed(656_605_056)
    assert record["machine"].startswith("ABC, 2 threads, float32")
    assert (record["first_token"], record["decode_step"], record["memory"]) == ("3 s", "20 ms", "5.1 GB")
    assert read_speed(5) == []
