# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""lmms-eval with the models of this package, on questions about drawn clips and pictures. `make test-eval` has what it needs."""

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from torchvision.transforms.functional import to_pil_image
from transformers import pipeline

from lmms_eval_commands import PAGE, commands_of
from tiny_trained import (
    MOBILEVLM,
    PICTURE_SEEDS,
    TINYLLAVA,
    clip_questions,
    picture,
    picture_questions,
    write_drawn_clip,
)
from transformers_mvgpt.demo import CHECKPOINT, make_clip, write_clip
from transformers_mvgpt.demo.clip_files import write_test_clips
from transformers_mvgpt.evaluation import answer_questions, read_questions, score_by_type
from transformers_mvgpt.video.video_decoding import decode_video


pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("lmms_eval") is None, reason="needs lmms-eval, which `make test-eval` installs"
)

SCRIPT = Path(__file__).with_name("recorded_lmms_eval.py")
# An odd number: one of two processes has one question less.
NUM_QUESTIONS = 19
# Something appears in this clip, after the first second: then there are two things, and one before.
SEGMENT_SEED = 900_005


def write_lines(path, rows):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folders with data of the tasks in tests/data/lmms_eval."""
    folder = tmp_path_factory.mktemp("data")
    clips = folder / "clips"
    list(write_test_clips(clips, NUM_QUESTIONS, first_seed=900_000, width=128, height=128))
    rows = [json.loads(line) for line in (clips / "questions.jsonl").read_text("utf-8").splitlines()]
    write_lines(clips / "clips.jsonl", rows)
    write_lines(clips / "choices.jsonl", [row for row in rows if row["options"]])

    damaged = folder / "damaged"
    good, bad = {**rows[0], "video": str(clips / rows[0]["video"])}, {**rows[1], "video": "damaged.mp4"}
    write_lines(damaged / "clips.jsonl", [good, bad, {**bad, "video": "missing.mp4"}, good])
    options = {"options": ["red", "green"], "answer": "green"}
    write_lines(damaged / "choices.jsonl", [{**good, **options}, {**bad, **options}])
    (damaged / "damaged.mp4").write_bytes(b"no video")

    rounds = folder / "rounds"
    clip = make_clip(SEGMENT_SEED, "test", width=128, height=128)
    [count] = [question for question in clip.questions if question.type == "count"]
    row = {"video": "clip.mp4", "segment": None, "question": count.text, "answer": "two", "second_answer": "two"}
    first_second = {"segment": [0.0, 1.0], "answer": "one", "second_answer": "one"}
    write_lines(rounds / "rounds.jsonl", [row, {**row, **first_second}, {**row, "video": "frames"}])
    write_clip(clip, rounds / "clip.mp4")
    (rounds / "frames").mkdir()
    for number, frame in enumerate(decode_video(rounds / "clip.mp4")[0]):
        to_pil_image(frame).save(rounds / "frames" / f"{number:04d}.png")

    pictures = [
        {"image": f"{seed}.png", "question": question.text, "answer": question.answer}
        for seed in PICTURE_SEEDS
        for question in picture_questions(seed)
    ]
    write_lines(folder / "pictures" / "pictures.jsonl", pictures)
    for seed in PICTURE_SEEDS:
        picture(seed).save(folder / "pictures" / f"{seed}.png")

    rows = [
        {"video": "clip.mp4", "question": question.text, "answer": question.answer} for question in clip_questions()
    ]
    write_lines(folder / "tinyllava" / "clips.jsonl", rows)
    write_drawn_clip(folder / "tinyllava" / "clip.mp4")
    return folder


def task(name, data, model=CHECKPOINT, model_args="", **options):
    return {"task": f"drawn_{name}", "data": data, "model_args": f"pretrained={model}{model_args}", **options}


def run(folder, runs, num_processes=1):
    """What came of runs in new processes."""
    (folder / "plan.json").write_text(json.dumps(runs), encoding="utf-8")
    out = folder / f"{num_processes}.json"
    command = [sys.executable]
    if num_processes > 1:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        command += ["-m", "torch.distributed.run", f"--nproc_per_node={num_processes}", f"--master_port={port}"]
    process = subprocess.run(
        [*command, str(SCRIPT), str(folder / "plan.json"), str(out)],
        cwd=folder,
        env={**os.environ, "HF_HOME": str(folder / "hf"), "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    records = json.loads(out.read_text("utf-8"))
    assert records.pop("processes") == num_processes
    return records


@pytest.fixture(scope="module")
def records(folder):
    """What came of all runs in one process."""
    data = {name: str(folder / name) for name in ("clips", "damaged", "rounds", "pictures", "tinyllava")}
    return run(
        folder,
        {
            "1": task("clips", data["clips"]),
            "4": task("clips", data["clips"], batch_size=4),
            "empty": task("clips", data["damaged"], model_args=",on_error=empty,num_workers=1", batch_size=2),
            "damaged": task("clips", data["damaged"], batch_size=4),
            "choices": task("choices", data["clips"], batch_size=2, force_simple=True),
            "damaged choices": task("choices", data["damaged"], force_simple=True),
            "rounds": task("rounds", data["rounds"], batch_size=2),
            "MobileVLM": task("pictures", data["pictures"], MOBILEVLM, batch_size=3),
            "MobileVLM and videos": task("clips", data["tinyllava"], MOBILEVLM),
            "TinyLLaVA-Video": task("clips", data["tinyllava"], TINYLLAVA, batch_size=3),
        },
    )


@pytest.fixture(scope="module")
def known(folder):
    """The answers to the questions about clips that `mvgpt evaluate` gives, and their score."""
    questions = read_questions(folder / "clips" / "questions.jsonl")
    pipe = pipeline("video-text-to-text", model=str(CHECKPOINT), device="cpu")
    answers = list(answer_questions(pipe.model, pipe.processor, questions, max_new_tokens=32))
    return answers, score_by_type(questions, answers)["all"]


def test_entry_point():
    [entry] = entry_points(group="lmms_eval.models", name="mvgpt")
    assert entry.load()().model_id == "mvgpt"


@pytest.mark.parametrize("words", commands_of(PAGE), ids=" ".join)
def test_commands_of_the_page_are_read(words, monkeypatch):
    from lmms_eval.__main__ import parse_eval_args

    monkeypatch.setattr(sys, "argv", ["lmms-eval", *words])
    _, arguments = parse_eval_args()
    assert arguments.model == "mvgpt"
    assert arguments.output_path == "results"


def test_score_and_answers_are_those_of_the_package(records, known):
    answers, score = known
    assert 1 > score >= 0.9  # neither does it know all, nor does it guess
    for batch_size in ("1", "4"):
        assert records[batch_size]["answers"] == answers
        assert records[batch_size]["scores"]["exact"] == score


def test_two_processes(folder, known):
    answers, score = known
    data = str(folder / "clips")
    runs = {"1": task("clips", data), "4": task("clips", data, batch_size=4)}
    for record in run(folder, runs, num_processes=2).values():
        assert record["answers"] == answers
        assert record["scores"]["exact"] == score


def test_the_likelier_option_is_the_answer(records):
    # with the sign of a likelihood, lmms-eval would score the less likely ones
    assert records["choices"]["scores"]["acc"] >= 0.8


def test_rounds_segments_and_frames(records):
    assert records["rounds"]["answers"] == [["two", "two"], ["one", "one"], ["two", "two"]]
    assert records["rounds"]["scores"]["exact"] == 1


def test_other_families(records):
    assert records["MobileVLM"]["scores"]["exact"] == records["TinyLLaVA-Video"]["scores"]["exact"] == 1
    assert len(records["MobileVLM"]["answers"]) > len(records["TinyLLaVA-Video"]["answers"]) > 0
    assert re.fullmatch(
        "The task shows 'clip.mp4', of the kind 'video', and this model takes images alone: choose tasks about those, or "
        "another model.",
        records["MobileVLM and videos"]["error"],
    )


def test_nothing_is_scored_where_videos_cannot_be_read(records):
    assert re.fullmatch(
        "Documents could not be shown to the model, 2 in all: drawn_clips, document 1: The video 'damaged.mp4' .*; drawn_clips, "
        r"document 2: .*'missing.mp4'.*[^.]\. Nothing is scored. Replace the files, or pass `on_error=empty` in `--model_args`, which "
        "gives them empty answers.",
        records["damaged"]["error"],
    )
    assert re.match(
        "Documents could not be shown to the model, 1 in all: drawn_choices, document 1: The video 'damaged.mp4' ",
        records["damaged choices"]["error"],
    )


def test_processes_that_do_not_know_each_other(monkeypatch):
    from transformers_mvgpt.evaluation.lmms_eval_models import SimpleVisionLanguageModel

    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="2 processes were started, .* for one group: set ACCELERATE_USE_CPU=true"):
        SimpleVisionLanguageModel(str(CHECKPOINT))


def test_one_of_several_processes_does_not_leave_the_others_waiting():
    from transformers_mvgpt.evaluation.lmms_eval_models import SimpleVisionLanguageModel

    model = object.__new__(SimpleVisionLanguageModel)
    model.on_error, model._world_size = "raise", 2
    failed = {f"clips, document {number}": "It is damaged." for number in range(12)}
    with pytest.raises(
        SystemExit, match="model, 12 in all: .*; clips, document 9: It is damaged; and 2 more. Nothing is scored"
    ):
        model._report(failed)


def test_empty_answers_on_request(records, known):
    (first, *_), _ = known
    assert records["empty"]["answers"] == [first, "", "", first]
    assert records["empty"]["scores"]["exact"] == 0.5
