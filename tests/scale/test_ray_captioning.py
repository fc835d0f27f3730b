# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Workers of a real Ray on this machine, one of which is killed."""

import itertools
import json
import os
import pickle
import shutil
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CHECKPOINT, make_clip, write_clip
from transformers_mvgpt.scale import Captioner, caption
from transformers_mvgpt.scale.input_rows import InputRow
from transformers_mvgpt.scale.ray_captioning import RayWorker, _anywhere


OPTIONS = {"prompt": "How many shapes are there?", "device": "cpu", "max_new_tokens": 6}


def test_a_worker_answers_row_by_row(clips):
    worker = RayWorker(pickle.loads(pickle.dumps(Captioner(CHECKPOINT, **OPTIONS))))
    names = ["a.mp4", "c.mp4", "b.mp4"]
    rows = [InputRow({"video": name, "id": number}, {"video": str(clips / name)}) for number, name in enumerate(names)]
    lines = [json.loads(line) for answer in worker({"row": [*map(pickle.dumps, rows)]}) for line in answer["line"]]
    assert [line["video"] for line in lines] == names and [line["id"] for line in lines] == [0, 1, 2]
    assert ["answer" in line for line in lines] == ["error" not in line for line in lines] == [True, False, True]


def test_paths_do_not_depend_on_the_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for given, expected in {
        "a.mp4": str(tmp_path / "a.mp4"),
        "https://x.org/a.mp4": "https://x.org/a.mp4",
        b"bytes": b"bytes",
    }.items():
        assert _anywhere(InputRow({"video": given}, {"video": given})) == ({"video": given}, {"video": expected})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"concurrency": 2}, "`concurrency=2` is of workers of Ray: give `ray=local` or an address too"),
        ({"ray": "local", "concurrency": 0}, r"`concurrency` \(0\) must be at least 1"),
    ],
)
def test_options_that_do_not_go_together(clips, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        caption(CHECKPOINT, str(clips), tmp_path / "a.jsonl", **OPTIONS, **options)


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """Twenty clips, and two that are damaged."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(4):
        write_clip(
            make_clip(700 + number, "test", width=96, height=96, fps=32, seconds=2), folder / f"{number:02}.mp4"
        )
    for number in range(4, 20):
        shutil.copy(folder / f"{number % 4:02}.mp4", folder / f"{number:02}.mp4")
    for name in ("07b.mp4", "20.mp4"):
        (folder / name).write_bytes((folder / "00.mp4").read_bytes()[:500])
    return folder


@pytest.fixture(scope="module")
def expected(many, tmp_path_factory):
    out = tmp_path_factory.mktemp("expected") / "answers.jsonl"
    counts = caption(CHECKPOINT, str(many), out, **OPTIONS)
    assert (counts.answers, counts.errors) == (20, 2)
    return out.read_bytes()


def workers() -> list[int]:
    """Processes of Ray that answer, below this one."""
    parents: dict[int, int] = {}
    titles: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            titles[int(folder.name)] = (folder / "cmdline").read_text()
        except OSError:
            continue

    def is_below(process: int) -> bool:
        return process == os.getpid() or (process in parents and is_below(parents[process]))

    return [process for process, title in titles.items() if "MapWorker" in title and is_below(process)]


@pytest.mark.slow
def test_a_worker_is_killed(many, expected, tmp_path):
    pytest.importorskip("ray")
    killed, number = [], itertools.count(1)

    def kill_one(row):
        if next(number) == 3:
            alive = workers()
            assert len(alive) == 2
            killed.append(alive[0])
            os.kill(alive[0], signal.SIGKILL)

    out = tmp_path / "answers.jsonl"
    counts = caption(CHECKPOINT, str(many), out, ray="local", concurrency=2, on_row=kill_one, **OPTIONS)
    assert len(killed) == 1 and next(number) == 23
    assert (counts.answers, counts.errors) == (20, 2)
    assert out.read_bytes() == expected


@pytest.mark.slow
def test_a_run_goes_on(many, expected, tmp_path):
    """What was answered without Ray, or before the process was stopped, is not answered again."""
    pytest.importorskip("ray")
    out = tmp_path / "answers.jsonl"
    number = itertools.count(1)

    def stop(row):
        if next(number) == 4:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match=r"^Stopped after \d+ of 22 rows. The same command goes on.$"):
        caption(CHECKPOINT, str(many), out, on_row=stop, **OPTIONS)
    num_done = len(out.read_bytes().splitlines())
    assert 0 < num_done < 22
    command = ["caption", str(many), "--model", str(CHECKPOINT), "--out", str(out), "--prompt", OPTIONS["prompt"]]
    command += ["--max-new-tokens", "6", "--device", "cpu", "--ray", "local", "--concurrency", "1"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 3 and result.stdout == f"Wrote {out}: 20 answered, 2 failed\n", result.stderr
    assert f" {num_done}/22 " in result.stderr
    assert out.read_bytes() == expected


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded(many, tmp_path):
    pytest.importorskip("ray")
    model = shutil.copytree(CHECKPOINT, tmp_path / "model")
    (model / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(RuntimeError, match=r"^A worker of Ray failed: .*safetensors"):
        caption(model, str(many), tmp_path / "answers.jsonl", ray="local", **OPTIONS)
