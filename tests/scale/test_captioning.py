# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Runs that are disturbed in any way give what an undisturbed one gives."""

import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest

import tiny_trained
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.evaluation.answer_lines import to_line
from transformers_mvgpt.scale import Captioner, CaptioningStopped, caption
from transformers_mvgpt.scale.answer_table import AnswerTable


QUESTION = "How many shapes are there?"
OPTIONS = {"prompt": QUESTION, "device": "cpu", "max_new_tokens": 8}


class Killed(BaseException):
    """As sudden as an exception can be."""


@pytest.fixture(scope="module")
def pipe():
    return Captioner(CHECKPOINT, device="cpu").pipe


@pytest.fixture(autouse=True)
def one_model(pipe, monkeypatch):
    """All runs ask one model, so that they begin quickly."""
    monkeypatch.setattr(Captioner, "pipe", pipe)


@pytest.fixture
def folder(clips, tmp_path, monkeypatch):
    """A list of seven rows, one of them twice, about clips of which one is damaged."""
    shutil.copytree(clips, tmp_path / "clips")
    monkeypatch.chdir(tmp_path)
    names = ("a.mp4", "b.mp4", "c.mp4", "a.mp4", "more/d.mp4", "b.mp4", "a.mp4")
    rows = [{"video": name, "id": number} for number, name in enumerate(names)]
    del rows[3]["id"], rows[6]["id"]
    write_list(rows)
    return tmp_path


def write_list(rows):
    Path("clips/list.jsonl").write_bytes(b"".join(map(to_line, rows)))


def run(out="out.jsonl", inputs="clips/list.jsonl", stop_after=None, **options):
    rows = []

    def remember(row):
        rows.append(row)
        if len(rows) == stop_after:
            raise Killed

    counts = caption(CHECKPOINT, inputs, out, on_row=remember, **{**OPTIONS, **options})
    return counts, rows


def read(out="out.jsonl"):
    return [json.loads(line) for line in Path(out).read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def undisturbed(clips, pipe, tmp_path_factory):
    """What the rows of the list come to, asked one by one."""
    answers = {}
    for name in ("a.mp4", "b.mp4", "c.mp4", "more/d.mp4"):
        [answers[name]] = pipe(str(clips / name), text=QUESTION, max_new_tokens=8, do_sample=False, on_error="return")
    return answers


def check(rows, undisturbed):
    assert [row["video"] for row in rows] == ["a.mp4", "b.mp4", "c.mp4", "a.mp4", "more/d.mp4", "b.mp4", "a.mp4"]
    assert [row.get("id") for row in rows] == [0, 1, 2, None, 4, 5, None]
    for row in rows:
        assert row["question"] == QUESTION
        if row["video"] == "c.mp4":
            assert row["error"].startswith("The video 'clips/c.mp4' could not be read") and "answer" not in row
        else:
            assert row["answer"] == undisturbed[row["video"]]["generated_text"] != ""
            assert "error" not in row


def test_rows_are_written_as_they_come(folder, undisturbed):
    seen = []

    def look(row):
        seen.append(read())
        assert seen[-1][-1] == row
        assert Path("out.jsonl.lock").exists()

    counts = caption(CHECKPOINT, "clips/list.jsonl", "out.jsonl", on_row=look, batch_size=2, **OPTIONS)
    assert [len(rows) for rows in seen] == [1, 2, 3, 4, 5, 6, 7]
    check(seen[-1], undisturbed)
    check(read(), undisturbed)
    assert (counts.answers, counts.errors, counts.others) == (6, 1, 0)
    assert sorted(path.name for path in folder.iterdir()) == ["clips", "out.jsonl", "out.jsonl.settings.json"]


@pytest.mark.parametrize("out", ["out.jsonl", "out.parquet"])
def test_a_run_that_is_killed_goes_on(folder, undisturbed, out):
    lines = Path(out if out.endswith("jsonl") else f"{out}.jsonl")
    for number in range(1, 4):
        with pytest.raises(Killed):
            run(out, stop_after=2, batch_size=number)
        assert len(read(lines)) == 2 * number
        with open(lines, "a") as file:
            file.write('{"video": "a.mp4", "answ')
    starts = []
    counts = caption(
        CHECKPOINT,
        "clips/list.jsonl",
        out,
        on_start=lambda rows, left, done: starts.append((len(rows), left, done)),
        **OPTIONS,
    )
    assert starts == [(7, 1, 6)]
    assert (counts.answers, counts.errors) == (6, 1)
    if out == "out.parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        rows = parquet.read_table(out).to_pylist()
        assert not lines.exists()
        rows = [{name: value for name, value in row.items() if value is not None} for row in rows]
    else:
        rows = read(out)
    check(rows, undisturbed)
    # nothing is left to do
    before = Path(out).read_bytes()
    counts, rows = run(out)
    assert (counts.answers, counts.errors, rows) == (6, 1, [])
    assert out == "out.parquet" or Path(out).read_bytes() == before


def test_parquet_goes_on_with_more_rows(folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    run("out.parquet", inputs="clips/a.mp4")
    assert parquet.read_schema("out.parquet").names == ["video", "question", "answer", "error"]
    run("out.parquet", inputs=["clips/a.mp4", "clips/c.mp4"])
    counts, rows = run("out.parquet", inputs=["clips/b.mp4", "clips/a.mp4", "clips/c.mp4"])
    assert [row["video"] for row in rows] == ["clips/b.mp4"]
    table = parquet.read_table("out.parquet").to_pylist()
    assert [row["video"] for row in table] == ["clips/b.mp4", "clips/a.mp4", "clips/c.mp4"]
    assert [row["error"] is None for row in table] == [True, True, False]
    assert (counts.answers, counts.errors) == (2, 1)


def test_inputs_that_have_changed(folder):
    run(inputs="clips")
    shutil.copy("clips/a.mp4", "clips/aa.mp4")
    Path("clips/b.mp4").unlink()
    counts, rows = run(inputs="clips")
    assert [row["video"] for row in rows] == ["clips/aa.mp4"]
    assert [row["video"] for row in read()] == [f"clips/{name}.mp4" for name in ("a", "aa", "c", "more/d", "b")]
    assert (counts.answers, counts.errors, counts.others) == (4, 1, 1)


def test_errors_are_tried_again_when_that_is_asked_for(folder, undisturbed):
    run()
    shutil.copy("clips/a.mp4", "clips/c.mp4")
    assert run()[1] == []
    counts, rows = run(retry_errors=True)
    assert [row["video"] for row in rows] == ["c.mp4"]
    assert (counts.answers, counts.errors) == (7, 0)
    assert [row["video"] for row in read()].index("c.mp4") == 2
    assert read()[2]["answer"] == undisturbed["a.mp4"]["generated_text"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": "What?"}, "`prompt` was 'How many shapes are there?', now 'What?'."),
        ({"max_new_tokens": 3}, "`max_new_tokens` was 8, now 3."),
        (
            {"start_seconds": 1, "prompt": "A?"},
            "`prompt` was 'How many shapes are there?', now 'A?', and `start_seconds`.",
        ),
        ({"dtype": "bfloat16"}, "`dtype` was 'auto', now 'bfloat16'."),
    ],
)
def test_other_settings_are_refused(folder, options, message):
    run(stop_after=None, inputs="clips/a.mp4")
    before = read()
    with pytest.raises(
        FileExistsError, match=re.escape(f"out.jsonl has answers with other settings: {message} Choose")
    ):
        run(inputs="clips/a.mp4", **options)
    assert read() == before
    # what the answers do not depend on
    assert run(inputs="clips/a.mp4", batch_size=3, num_workers=1)[1] == []


def test_the_same_names_in_another_folder_are_refused(folder, monkeypatch):
    run(inputs="clips/a.mp4")
    (folder / "other" / "clips").mkdir(parents=True)
    (folder / "other" / "clips" / "a.mp4").symlink_to(folder / "clips" / "b.mp4")
    monkeypatch.chdir("other")
    message = f"has answers with other settings: `relative_to` was ['{folder}'], now ['{folder}/other']."
    with pytest.raises(FileExistsError, match=re.escape(message)):
        caption(CHECKPOINT, "clips/a.mp4", folder / "out.jsonl", **OPTIONS)


def test_a_pattern_that_matches_the_output(folder, monkeypatch):
    Path("clips/list.jsonl").unlink()
    monkeypatch.chdir("clips")
    before = set(os.listdir())
    for _ in range(2):
        caption(CHECKPOINT, "*", "out.jsonl", **OPTIONS)
        assert {row["video"] for row in read()} == {name for name in before if os.path.isfile(name)}


@pytest.mark.parametrize("out", ["clips/list.jsonl", "link.jsonl"])
def test_questions_are_not_written_over(folder, out):
    Path("link.jsonl").symlink_to("clips/list.jsonl")
    before = Path("clips/list.jsonl").read_bytes()
    with pytest.raises(ValueError, match=r"clips/list\.jsonl holds the questions: choose another file to write to\.$"):
        run(out=out, overwrite=True)
    assert Path("clips/list.jsonl").read_bytes() == before


def test_a_run_is_begun_anew(folder):
    run(inputs="clips/a.mp4")
    counts, rows = run(inputs="clips/b.mp4", max_new_tokens=3, overwrite=True)
    assert [row["video"] for row in read()] == ["clips/b.mp4"]
    assert json.loads(Path("out.jsonl.settings.json").read_text())["settings"]["max_new_tokens"] == 3


def test_files_of_others_are_refused(folder):
    Path("out.jsonl").write_text('{"mine": 1}\n')
    with pytest.raises(FileExistsError, match="out.jsonl is there already, and no out.jsonl.settings.json beside it"):
        run()
    assert Path("out.jsonl").read_text() == '{"mine": 1}\n'
    assert not Path("out.jsonl.settings.json").exists()


@pytest.mark.parametrize(
    "content", ['{"settings": [1]}', "[1]", "[" * 100_000, "{"], ids=["list", "no_object", "deep", "cut"]
)
def test_settings_that_are_damaged(folder, content):
    Path("out.jsonl").write_text('{"mine": 1}\n')
    Path("out.jsonl.settings.json").write_text(content)
    with pytest.raises(FileExistsError, match="out.jsonl is there already, and no out.jsonl.settings.json beside it"):
        run()


def test_two_runs_at_once_are_refused(folder):
    def start_another(row):
        with pytest.raises(FileExistsError, match="Another run is writing to out.jsonl: wait for its end"):
            run()
        raise Killed

    with pytest.raises(Killed):
        caption(CHECKPOINT, "clips/list.jsonl", "out.jsonl", on_row=start_another, **OPTIONS)
    assert len(read()) == 1


def test_nothing_is_left_of_a_run_without_rows(folder, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("CUDA error")

    monkeypatch.setattr(Captioner, "answer_rows", fail)
    with pytest.raises(RuntimeError, match="CUDA error"):
        run()
    assert [path.name for path in folder.iterdir()] == ["clips"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_run_after_its_batch(folder, undisturbed, number, capsys):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def send(row):
        if row["id"] == 0:
            os.kill(os.getpid(), number)

    message = "Stopped after 3 of 7 rows. The same command goes on."
    with pytest.raises(CaptioningStopped, match=f"^{re.escape(message)}$") as stopped:
        caption(CHECKPOINT, "clips/list.jsonl", "out.jsonl", on_row=send, batch_size=3, **OPTIONS)
    assert stopped.value.signal_number == number
    assert "Stopping after this batch, whose answers are written" in capsys.readouterr().err
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert len(run()[1]) == 4
    check(read(), undisturbed)


class TestProcesses:
    """What several processes have left, in each state that a kill may leave."""

    @pytest.fixture
    def files(self, folder):
        """A finished run, taken apart: rows 0, 2, 4, 6 as the first process has written them, 1 and 3 as the second, 5 is missing."""
        run()
        lines = Path("out.jsonl").read_bytes().splitlines(keepends=True)
        Path("out.jsonl").write_bytes(b"".join(lines[::2]))
        Path("out.jsonl.part-1").write_bytes(lines[1] + lines[3] + lines[5][:20])
        return lines

    def test_parts_are_put_together(self, files, undisturbed):
        assert [row["id"] for row in run()[1]] == [5]
        check(read(), undisturbed)
        assert not Path("out.jsonl.part-1").exists()

    @pytest.mark.parametrize("is_part_there", [True, False])
    def test_a_kill_while_they_are_put_together(self, files, undisturbed, is_part_there):
        merged = [*files[::2], files[1], files[3]]
        Path("out.jsonl.merged").write_bytes(b"".join(merged))
        Path("out.jsonl.lines").write_bytes(files[0])  # of a merge that was not finished
        if not is_part_there:
            Path("out.jsonl.part-1").unlink()
        assert [row["id"] for row in run()[1]] == [5]
        check(read(), undisturbed)
        assert not Path("out.jsonl.merged").exists()

    def test_a_process_that_was_left_behind(self, files):
        table = AnswerTable("out.jsonl")
        with table.part(1), pytest.raises(FileExistsError, match="Another run is writing to out.jsonl"):
            # in another process, the lock of the file would be met; here, its own
            run()


def test_images(tmp_path, monkeypatch):
    monkeypatch.setattr(Captioner, "pipe", Captioner(tiny_trained.MOBILEVLM, device="cpu").pipe)
    (tmp_path / "pictures").mkdir()
    for seed in tiny_trained.PICTURE_SEEDS:
        tiny_trained.picture(seed).save(tmp_path / "pictures" / f"{seed}.png")
    (tmp_path / "pictures" / "z.jpg").write_bytes(b"\xff\xd8\xff no picture")
    options = {"prompt": "What shape is it?", "device": "cpu", "max_new_tokens": 8, "batch_size": 2}
    counts = caption(tiny_trained.MOBILEVLM, tmp_path / "pictures", tmp_path / "out.jsonl", **options)
    assert (counts.answers, counts.errors) == (2, 1)
    rows = read(tmp_path / "out.jsonl")
    assert [row["image"] for row in rows] == [
        str(tmp_path / "pictures" / name) for name in ("900000.png", "900004.png", "z.jpg")
    ]
    assert all(row["answer"] for row in rows[:2]) and rows[2]["error"]


@pytest.mark.parametrize(
    ("out", "error", "message"),
    [
        ("out.csv", ValueError, "The output out.csv must end in .jsonl or .parquet."),
        ("clips", ValueError, "must end in"),
        ("nowhere/out.jsonl", FileNotFoundError, "for out.jsonl: make it first."),
        ("folder.jsonl", IsADirectoryError, "folder.jsonl is a folder: name a file in it."),
    ],
)
def test_bad_outputs(folder, out, error, message):
    Path("folder.jsonl").mkdir()
    with pytest.raises(error, match=re.escape(message)):
        run(out)
