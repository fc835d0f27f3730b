# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import re

from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CLIP_SEED, make_clip, viewing


def run(*arguments):
    return CliRunner().invoke(app, ["demo", *arguments])


def test_questions_about_both_clips_are_answered():
    result = run("--seed", "5")
    assert result.exit_code == 0, result.stderr
    clips = [make_clip(CLIP_SEED, "test"), make_clip(5, "test")]
    questions = [question for clip in clips for question in clip.questions]
    assert re.findall(r"Question:  (.+)", result.stdout) == [question.text for question in questions]
    assert re.findall(r"Truth:     (.+)", result.stdout) == [question.answer for question in questions]
    num_right = result.stdout.count("[right]")
    assert num_right + result.stdout.count("[WRONG]") == len(questions)
    assert f"\n{num_right} of {len(questions)} answers are right.\n" in result.stdout
    assert num_right >= 0.75 * len(questions)

    titles = ("clip.mp4, which comes with the package", "fresh.mp4, drawn just now from seed 5")
    for clip, title, part in zip(clips, titles, result.stdout.split("fresh.mp4"), strict=True):
        seconds = clip.num_frames / clip.fps
        size = f"{clip.width} x {clip.height} pixels, {clip.fps} frames per second, {seconds:.1f} seconds"
        assert f"{title}: {size}\n" in result.stdout
        times = [float(time) for time in re.findall(r"frame +\d+ +([\d.]+) s", part)]
        assert len(times) == 8
        assert times == sorted(times)
        assert 0 <= times[0] < times[-1] < seconds


def test_wrong_answers_are_no_failure_and_each_run_draws_another_clip(monkeypatch):
    monkeypatch.setattr(viewing, "is_same_answer", lambda *answers: False)
    seeds = set()
    for _ in range(2):
        result = run()
        assert result.exit_code == 0, result.stderr
        assert re.search(r"\n0 of \d+ answers are right\.\n", result.stdout)
        [seed] = re.findall(r"fresh\.mp4, drawn just now from seed (\d+): ", result.stdout)
        [_, description] = re.findall(r"(?:Describe|What happens in) the video[.?]\n.*\n +Truth: +(.*)", result.stdout)
        assert description in [question.answer for question in make_clip(int(seed), "test").questions]
        seeds.add(seed)
    assert len(seeds) == 2
