# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`make on-device` in small: what is measured is made up, but for a process that finds five packages alone."""

import importlib.util
import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from on_device import __main__ as command
from on_device import quality, speed, startup
from on_device.heard_model import HeardModel
from on_device.peak_memory import peak_bytes
from on_device.quality import Given, TokenIds, compare, decoder_bytes
from on_device.records import Records, describe
from on_device.startup import PACKAGES, ask_once, link_packages
from on_device.tables import all_tables, medians, page_tables, quality_table, speed_table, start_table
from transformers_mvgpt.evaluation.questions import ScoredQuestion


MACHINE = {"processor": "ABC", "threads": 2, "python": "3", "onnxruntime": "1", "torch": "2", "transformers": "5"}
QUESTIONS = [ScoredQuestion("a.mp4", "colour", "What?", "red"), ScoredQuestion("b.mp4", "count", "How many?", "two")]
TIMES = {
    "load_seconds": 1.0,
    "encode_seconds": 4.0,
    "prefill_seconds": 8.0,
    "first_token_seconds": 12.0,
    "decode_step_seconds": 0.1,
    "peak_memory_bytes": 3_000_000_000,
}


@pytest.fixture
def records(tmp_path, monkeypatch):
    monkeypatch.setattr("on_device.records.commit", lambda: "abc1234")
    return Records(tmp_path / "onnx.json", MACHINE)


def no_report(what, done):
    pass


def test_an_interrupted_run_goes_on(records):
    records.add({"model": "small model", "precision": "int8"})
    again = Records(records.file, MACHINE)
    assert again.find(precision="int8") == {"model": "small model", "precision": "int8", "commit": "abc1234"}
    assert again.find(precision="q4") is None
    assert json.loads(records.file.read_text())["machine"] == MACHINE


def test_figures_of_two_machines_are_not_mixed(records):
    records.add({})
    with pytest.raises(
        ValueError, match="onnx.json was measured with another threads and torch: remove it to measure anew"
    ):
        Records(records.file, {**MACHINE, "threads": 4, "torch": "3"})


@pytest.mark.parametrize("content", ["", "[]", '{"parts": []}', '{"machine": {}, "records": 3}'])
def test_other_files_are_not_gone_on_with(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ValueError, match="x.json holds nothing that `make on-device` has measured: remove it"):
        Records(tmp_path / "x.json", MACHINE)


def test_the_machine_is_described():
    machine = describe(2)
    assert machine["threads"] == 2
    assert {"processor", "onnxruntime", "torch", "transformers", "numpy"} <= machine.keys()
    assert "dtype" not in machine


def logits(*tokens):
    return np.eye(9, dtype=np.float32)[list(tokens)]


class FakeModel:
    name = "fake"

    def extend(self, cache, inputs_embeds):
        return logits(len(inputs_embeds)), "cache"

    def step(self, cache, token_ids):
        return logits(*(token_ids + 1)), cache


class FakeChat:
    _language_model = FakeModel()


def test_tokens_of_the_last_answer_are_heard():
    chat = FakeChat()
    heard = HeardModel.of(chat)
    assert chat._opened_language_model is heard and heard.name == "fake"
    for start in (2, 3):
        # the video, then the question
        heard.extend(None, [None])
        _, cache = heard.extend("cache", start * [None])
        assert heard.step(cache, np.array([start]))[1] == "cache"
        heard.step(cache, np.array([start + 1]))
        assert heard.tokens == [start, start + 1, start + 2]
    assert (len(heard.prefills), len(heard.steps)) == (4, 4)
    assert heard.first_token_at > 0
    heard.clear()
    assert heard.tokens == heard.steps == heard.prefills == []


def test_ids_of_the_prompt_are_not_those_of_the_answer():
    streamer = TokenIds()
    streamer.put(torch.tensor([[1, 2, 3]]))
    streamer.put(torch.tensor([4]))
    streamer.put(torch.tensor([5]))
    streamer.end()
    assert streamer.ids == [4, 5]


def test_answers_are_compared():
    reference = [Given("red", [1, 2], [0, 3]), Given("two", [3], [1, 2])]
    given = [Given("red", [1, 7], [0, 3]), Given("three", [4], [0, 2])]
    assert compare(QUESTIONS, reference, given) == {
        "same_tokens": 0,
        "same_frames": 1,
        "changed_answers": 1,
        "right": 0.5,
        "right_in_torch": 1.0,
    }
    without_frames = [Given(answer.text, answer.tokens, None) for answer in reference]
    assert compare(QUESTIONS, without_frames, without_frames)["same_frames"] is None


def test_files_of_a_precision(tmp_path):
    folder = tmp_path / "onnx"
    folder.mkdir()
    sizes = {
        "decoder_model_merged.onnx": 1,
        "decoder_model_merged.onnx_data": 10,
        "embed_tokens.onnx": 100,
        "decoder_model_merged_int8.onnx": 1000,
        "embed_tokens_int8.onnx": 10_000,
        "vision_encoder.onnx": 100_000,
    }
    for name, size in sizes.items():
        (folder / name).write_bytes(size * b"x")
    assert decoder_bytes(tmp_path, "fp32") == 111
    assert decoder_bytes(tmp_path, "int8") == 11_000
    assert speed.all_bytes(tmp_path, "int8") == 111_000


def test_only_what_is_missing_is_asked(records, monkeypatch, tmp_path):
    asked = []

    def answer(folder, precision, questions, report):
        asked.append((folder.parent.name, precision))
        return [Given("red", [1], [0])]

    monkeypatch.setattr(quality, "draw_questions", lambda asked, folder, number, report: QUESTIONS[:1])
    monkeypatch.setattr(quality, "answer_once", lambda *arguments: [Given("red", [1], [0])])
    monkeypatch.setattr(quality, "export_onnx", lambda source, target, *, precisions: target.mkdir(parents=True))
    monkeypatch.setattr(quality, "answer_exported", answer)
    monkeypatch.setattr(quality, "decoder_bytes", lambda folder, precision: 5)
    for model in ("small model", "tiny MobileVLM"):
        for precision in quality.PRECISIONS:
            if (model, precision) != ("tiny MobileVLM", "q4"):
                records.add({"model": model, "precision": precision, "questions": 6 if model == "small model" else 2})
    quality.measure_quality(records, tmp_path, 6, no_report)
    assert asked == [("tiny-mobilevlm", "q4")] + [("tiny-tinyllava-video", each) for each in quality.PRECISIONS]
    quality.measure_quality(records, tmp_path, 6, no_report)
    assert len(asked) == 5 and len(records.records) == 12


def test_all_take_turns_in_each_round(records, monkeypatch, tmp_path):
    (tmp_path / "onnx").mkdir()
    order = []

    def run(module, *arguments):
        order.append((module.partition(".")[2], arguments[1]))
        if len(order) == 7:
            raise KeyboardInterrupt
        return TIMES

    monkeypatch.setattr(speed, "_run", run)
    options = {"rounds": 2, "runs": 1, "num_new_tokens": 4, "num_threads": 2, "report": no_report}
    with pytest.raises(KeyboardInterrupt):
        speed.measure_speed(records, tmp_path, tmp_path, **options)
    speed.measure_speed(records, tmp_path, tmp_path, **options)
    one_round = [("torch_times", each) for each in speed.TORCH_DTYPES]
    one_round += [("onnx_times", each) for each in speed.ONNX_PRECISIONS]
    # the one that was interrupted is measured anew
    assert order == [*one_round, *one_round[:2], *one_round[1:]]


SCRIPT = """
import sys
from importlib.util import find_spec
import mvgpt_onnx_part
import numpy
print(mvgpt_onnx_part.NAME, *sys.argv[1:], all(map(find_spec, {packages!r})), file=sys.stdout)
if sys.argv[1] == "bad.mp4":
    raise SystemExit("Error: no video")
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = tmp_path_factory.mktemp("site") / "packages"
    link_packages(PACKAGES, site)
    return site


def test_a_process_that_finds_five_packages_alone(tmp_path, site):
    (tmp_path / "mvgpt_onnx.py").write_text(SCRIPT.format(packages=PACKAGES))
    (tmp_path / "mvgpt_onnx_part.py").write_text("NAME = 'part'\n")
    result = ask_once(tmp_path, site, "clip.mp4", "What?", tmp_path / "note.json")
    assert result["answer"] == "part clip.mp4 What? True"
    assert result["importable"] == []
    assert 10e6 < result["peak_memory_bytes"] < 200e6
    assert 0 < result["seconds"] < 60
    with pytest.raises(RuntimeError, match="mvgpt_onnx.py ended with 1: Error: no video"):
        ask_once(tmp_path, site, "bad.mp4", "What?", tmp_path / "note.json")


def test_a_process_that_finds_torch_is_none_without_it(tmp_path, site):
    (tmp_path / "mvgpt_onnx.py").write_text("")
    (tmp_path / "torch.py").write_text("")
    with pytest.raises(RuntimeError, match="The process without torch finds torch."):
        ask_once(tmp_path, site, "clip.mp4", "What?", tmp_path / "note.json")


def test_what_an_installation_of_the_packages_takes(site):
    names = {entry.name for entry in site.iterdir()}
    assert {*PACKAGES, "markupsafe"} <= names
    assert not {"torch", "transformers", "transformers_mvgpt"} & names
    assert startup.installed_bytes(site) > 50e6
    assert importlib.util.find_spec("torch") is not None


def test_memory_of_this_process():
    assert peak_bytes() > 50e6


def test_tables():
    common = {"model": "small model", "precision": "int8", "questions": 180, "same_tokens": 178, "commit": "abc"}
    counts = {"same_frames": 180, "changed_answers": 1, "right": 0.95, "right_in_torch": 0.96}
    lines = quality_table(MACHINE, [{**common, **counts, "decoder_bytes": 1_230_000}]).splitlines()
    assert lines[0] == "On ABC, 2 threads (Python 3, onnxruntime 1, torch 2, transformers 5, commit abc):"
    assert lines[-1] == "| small model | int8 | 178 of 180 | 180 of 180 | 0.6 % | 95.0 % (PyTorch 96.0 %) | 1.23 MB |"
    record = {"start_to_answer_seconds": 1.25, "peak_memory_bytes": 159_000_000, "site_bytes": 250_000_000}
    lines = start_table(MACHINE, [{**common, **record, "folder_bytes": 8_000_000}]).splitlines()
    assert lines[-1] == "| small model, int8 | 1.2 s | 159 MB | 250 MB | 8 MB |"


def test_table_of_speed():
    sizes = {"all_bytes": 2_600_000_000, "decoder_bytes": 2_000_000_000}
    torch_times = {"runtime": "PyTorch", "precision": "bfloat16", "commit": "abc", **TIMES}
    whole = {**torch_times, **sizes, "runtime": "onnxruntime", "precision": "fp32"}
    small = {**whole, "precision": "int8", "prefill_seconds": 4.0, "decode_step_seconds": 0.04}
    found = [{**each, "round": number} for number in range(2) for each in (torch_times, whole, small)]
    found.append({**small, "round": 2, "prefill_seconds": 400.0})
    [record] = [each for each in medians(found) if each["precision"] == "int8"]
    assert (record["prefill_seconds"], record["rounds"]) == (4.0, 3)
    lines = speed_table(MACHINE, found).splitlines()
    assert lines[0].endswith("commit abc), medians of 3 rounds in which all took turns:")
    busy = speed_table(
        MACHINE, [{**each, "load": load} for each, load in zip(found, range(2, 9), strict=True)]
    ).splitlines()
    assert "did other work meanwhile (load 2 to 8): ratios" in busy[2] and busy[4:] == lines[2:]
    quiet = [{**each, "load": 2.5} for each in found]
    assert speed_table(MACHINE, quiet).splitlines() == lines
    assert lines[4:] == [
        "| PyTorch, bfloat16 | 4.0 s (1.00 x) | 8.0 s (1.00 x) | 12.0 s (1.00 x) | 100 ms (1.00 x) | 3000 MB |  |  |",
        "| onnxruntime, fp32 | 4.0 s | 8.0 s | 12.0 s | 100 ms | 3000 MB | 2600 MB | 2000 MB |",
        "| onnxruntime, int8 | 4.0 s (1.00 x) | 4.0 s (0.50 x) | 12.0 s (1.00 x) | 40 ms (0.40 x) | 3000 MB | 2600 MB | 2000 MB |",
    ]


def test_tables_of_all_machines(tmp_path):
    assert page_tables(tmp_path) == ("", "", "")
    record = {"model": "m", "precision": "fp32", "start_to_answer_seconds": 1, "peak_memory_bytes": 1, "commit": "c"}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        file = {"machine": MACHINE, "records": [{**record, "site_bytes": 1, "folder_bytes": 1}]}
        (tmp_path / name / "onnx-start.json").write_text(json.dumps(file))
    first, start, last = page_tables(tmp_path)
    assert first == last == ""
    assert start == "\n".join(2 * [all_tables(tmp_path / "a")])
    assert start.count("| m, fp32 | 1.0 s |") == 2


def test_the_command(monkeypatch, tmp_path):
    import typer

    def measure(records, work, runs, report):
        report("start", 1)
        figures = {"start_to_answer_seconds": 1, "peak_memory_bytes": 1, "site_bytes": 1, "folder_bytes": 1}
        records.add({"model": "small model", "precision": "fp32", **figures})

    monkeypatch.setattr(startup, "measure_start", measure)
    app = typer.Typer()
    app.command()(command.main)
    options = ["--machine", "mine", "--out", str(tmp_path), "--work", str(tmp_path / "work")]
    options += ["--threads", str(torch.get_num_threads())]
    result = CliRunner().invoke(app, [*options, "--part", "start"])
    assert result.exit_code == 0, result.output
    assert "| small model, fp32 | 1.0 s |" in result.stdout
    [record] = json.loads((tmp_path / "mine" / "onnx-start.json").read_text())["records"]
    assert record["commit"] != ""
    result = CliRunner().invoke(app, [*options, "--part", "all"])
    assert result.exit_code == 2 and "There is no part 'all'" in result.output
