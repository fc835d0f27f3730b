# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The measurement of `make frame-choice`: its clips are what it says, and the page shows its results."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from frame_choice import __main__ as command
from frame_choice import measure
from frame_choice.pictures import PICTURED_SEED
from frame_choice.rare_clips import make_rare_clip
from frame_choice.table import BEGIN, END, table
from transformers_mvgpt.demo.drawn_clip import progress_of_frame
from transformers_mvgpt.modeling.frame_scoring_mvgpt import select_frames


DOCS = Path(__file__).parents[2] / "docs"
RESULTS = json.loads((DOCS / "frame_choice" / "frame_choice.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def loaded():
    return measure.load_small_model()


@pytest.mark.parametrize("moves", [False, True], ids=["still", "moving"])
def test_something_happens_in_one_sampled_frame(loaded, moves):
    sampled = measure.sampled_indices(loaded[1])
    assert len(sampled) == 16
    for seed in range(40):
        rare = make_rare_clip(seed, sampled, moves=moves)
        assert rare == make_rare_clip(seed, sampled, moves=moves)
        times = [progress_of_frame(rare.clip, index) for index in sampled]
        *others, flashing = rare.clip.scene.actors
        assert [place for place, time in enumerate(times) if flashing.is_visible(time)] == [rare.position]
        assert all(actor.is_visible(time) for actor in others for time in times)
        assert [actor.start != actor.end for actor in others] == [moves] + [False] * (len(others) - 1)


def test_the_page_shows_the_results():
    page = (DOCS / "frames.md").read_text("utf-8")
    assert page.partition(BEGIN)[2].partition(END)[0].strip() == table(RESULTS).strip()
    # what its text says of them
    rare, answers = RESULTS["rare_frames"], RESULTS["answers"]
    assert rare["still"]["scores"] < rare["still"]["chance"] < rare["still"]["rarest"]
    number = re.search(r"no answer of (\d+) is another one", page)[1]
    assert int(number) == answers["num_questions"]
    assert [answers[way]["others_than_published"] for way in ("uniform", "rarest")] == [0, 0]


def test_what_was_measured_is_so(loaded):
    """The first clips anew."""
    model, processor = loaded
    found = measure.measure_rare_frames(6, lambda text: None)
    sampled = measure.sampled_indices(processor)
    for kind in ("still", "moving"):
        clips = [make_rare_clip(seed, sampled, moves=kind == "moving") for seed in range(6)]
        chosen = [select_frames(measure.score(model, processor, rare), 8, 4)[0].tolist() for rare in clips]
        assert found[kind]["scores"] == sum(
            rare.position in frames for rare, frames in zip(clips, chosen, strict=True)
        )
        assert found[kind]["chance"] == 3
        assert found[kind]["scores"] < found[kind]["rarest"]
    # as the captions on the page say
    rare = make_rare_clip(PICTURED_SEED, sampled, moves=True)
    scores = measure.score(model, processor, rare)[0].tolist()
    chunk = rare.position // 8 * 8
    assert scores[rare.position] == min(scores[chunk : chunk + 8])
    assert (rare.clip.scene.actors[-1].color, rare.clip.scene.actors[-1].shape) == ("white", "triangle")


def test_the_command(tmp_path, capsys):
    """With few clips and questions, into other files."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{BEGIN}\nold\n{END}\nafter\n")
    options = {"--clips": 2, "--questions": 2, "--page": page, "--images": tmp_path, "--work": tmp_path / "work"}
    arguments = [str(part) for option in options.items() for part in option]
    command.main([*arguments, "--results", str(tmp_path / "results.json")])
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["answers"]["num_questions"] == results["rare_frames"]["num_clips"] == 2
    assert page.read_text() == f"before\n\n{BEGIN}\n\n{table(results)}\n{END}\nafter\n"
    for name in ("light", "dark", "scores", "rarest"):
        drawn, kept = tmp_path / f"frames_{name}.png", DOCS / "images" / f"frames_{name}.png"
        assert Image.open(drawn).size == Image.open(kept).size
        assert max(drawn.stat().st_size, kept.stat().st_size) < 150_000
