# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""One's own questions, asked of the small trained models of all families."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

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
from transformers_mvgpt.evaluation import ScoredQuestion, evaluate, read_questions
from transformers_mvgpt.evaluation.own_data import _keys_of
from transformers_mvgpt.evaluation.quality import frames_looked_at, give_answers
from transformers_mvgpt.modeling.outputs import VideoFeatures
from transformers_mvgpt.video.video_metadata import SampledVideoMetadata


def drawn(seed):
    """A clip that the small model of the package knows all about."""
    return make_clip(seed, "test", width=160, height=96, fps=20, seconds=4)


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """Drawn clips and pictures, and a file that is neither."""
    folder = tmp_path_factory.mktemp("media")
    for seed in (500, 501):
        write_clip(drawn(seed), folder / f"{seed}.mp4")
    write_drawn_clip(folder / "tinyllava.mp4")
    for seed in PICTURE_SEEDS:
        picture(seed).save(folder / f"{seed}.png")
    (folder / "damaged").write_bytes(b"neither a video nor an image")
    return folder


def rows_about(family):
    """Rows whose answers the family's model knows."""
    if family == "MobileVLM":
        asked = [("image", f"{seed}.png", one) for seed in PICTURE_SEEDS for one in picture_questions(seed)[:4]]
    elif family == "TinyLLaVA-Video":
        asked = [("video", "tinyllava.mp4", one) for one in clip_questions()]
    else:
        asked = [("video", f"{seed}.mp4", one) for seed in (500, 501) for one in drawn(seed).questions[:4]]
    return [
        {modality: name, "type": one.type, "question": one.text, "answer": one.answer, "options": list(one.options)}
        for modality, name, one in asked
    ]


MODELS = {"Mobile-VideoGPT": CHECKPOINT, "MobileVLM": MOBILEVLM, "TinyLLaVA-Video": TINYLLAVA}


@pytest.fixture(scope="module", params=MODELS)
def family(request):
    folder = MODELS[request.param]
    return (
        request.param,
        AutoModelForImageTextToText.from_pretrained(folder).eval(),
        AutoProcessor.from_pretrained(folder),
    )


@pytest.fixture(scope="module")
def small():
    return AutoModelForImageTextToText.from_pretrained(CHECKPOINT).eval(), AutoProcessor.from_pretrained(CHECKPOINT)


def write_rows(media, rows, name="rows.jsonl"):
    (media / name).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return read_questions(media / name)


def test_right_answers_and_a_damaged_file(family, media, tmp_path):
    name, model, processor = family
    rows = rows_about(name)
    modality = next(iter(rows[0]))
    # between the others, whose order it must not change
    rows.insert(2, {modality: "damaged", "type": "colour", "question": "What?", "answer": "red", "id": 7})
    questions = write_rows(media, rows)
    shown = []
    path = tmp_path / "answers.jsonl"
    result = evaluate(model, processor, questions, max_new_tokens=24, answers=path, on_row=shown.append)
    assert [row["question"] for row in result.rows] == [row["question"] for row in rows]
    for row, given in zip(result.rows, rows, strict=True):
        assert row[modality] == given[modality]
        if given.get("id") == 7:
            assert "could not be read" in row["error"]
            assert (row["id"], row["exact"], "answer" in row) == (7, 0, False)
        else:
            assert (row["answer"], row["right_answer"]) == (given["answer"], given["answer"])
    all_of = result.scores["all"]
    assert (all_of.num_questions, all_of.num_errors, result.num_errors) == (len(rows), 1, 1)
    assert all_of.metrics["exact"].value == (len(rows) - 1) / len(rows)
    assert result.to_dict()["all"]["metrics"]["exact"]["low"] == all_of.metrics["exact"].low
    written = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert written == [{**row, "run": {"max_new_tokens": 24, "model": str(MODELS[name])}} for row in shown]


def test_frames_that_were_looked_at(family, media):
    name, model, processor = family
    result = evaluate(model, processor, write_rows(media, rows_about(name)[:1]), max_new_tokens=2)
    [row] = result.rows
    if name == "MobileVLM":
        assert not {"selected_frames", "sampled_frames"} & row.keys()
        return
    if name == "TinyLLaVA-Video":
        assert "selected_frames" not in row
        frames = row["sampled_frames"]
        assert len(frames) == 8
        assert frames[0] == {"video": 0, "index": 0, "seconds": 0.0}
    else:
        assert "sampled_frames" not in row
        frames = row["selected_frames"]
        assert len(frames) == 8
        assert frames[0].keys() == {"video", "index", "seconds", "score"}
    assert [frame["index"] for frame in frames] == sorted({frame["index"] for frame in frames})


def test_batches_change_no_answer(family, media):
    name, model, processor = family
    rows = rows_about(name)
    modality = next(iter(rows[0]))
    rows.insert(1, {modality: "damaged", "question": "What?", "answer": "red"})
    if name == "Mobile-VideoGPT":  # also of both kinds
        rows.insert(3, {"image": f"{PICTURE_SEEDS[0]}.png", "question": "Is there a circle?", "answer": "yes"})
    questions = write_rows(media, rows)
    options = {"on_error": "return", "max_new_tokens": 6}
    expected = list(give_answers(model, processor, questions, **options))
    assert [answer.error is None for answer in expected].count(False) == 1
    for batch_size in (1, 3, 100):
        assert list(give_answers(model, processor, questions, batch_size=batch_size, **options)) == expected


def test_batches_hold_questions_about_several_videos(small, media, monkeypatch):
    model, processor = small
    sizes = []
    generate = model.generate
    monkeypatch.setattr(
        model, "generate", lambda **inputs: sizes.append(len(inputs["input_ids"])) or generate(**inputs)
    )
    questions = write_rows(media, rows_about("Mobile-VideoGPT"))
    list(give_answers(model, processor, questions, batch_size=3, max_new_tokens=1))
    assert len(questions) == 7
    assert sizes == [3, 3, 1]


def test_selected_frames_of_shuffled_ones_are_those_of_the_video():
    """Frames 3, 0, 2 and 1 of the sampled ones were shown, and the second and third place were selected."""
    video = SampledVideoMetadata(40, fps=10, frames_indices=[0, 10, 20, 30], timestamps_seconds=[0.0, 1.0, 2.0, 3.0])
    encoded = VideoFeatures(
        selected_frames=torch.tensor([[1, 2]]), frame_scores=torch.tensor([[0.125, 0.25, 0.5, 1.0]])
    )
    frames = frames_looked_at({"video_metadata": [video]}, encoded, torch.tensor([3, 0, 2, 1]))["selected_frames"]
    assert frames == [
        {"video": 0, "index": 0, "seconds": 0.0, "score": 0.25},
        {"video": 0, "index": 20, "seconds": 2.0, "score": 0.5},
    ]


def test_earlier_turns_are_part_of_what_is_asked(small, media):
    """A row of training data: the model gets the chat, not the last question alone."""
    model, processor = small
    [first, second] = drawn(500).questions[:2]
    turns = [("human", first.text), ("gpt", first.answer), ("human", second.text), ("gpt", second.answer)]
    row = {"video": "500.mp4", "conversations": [{"from": role, "value": text} for role, text in turns]}
    questions = write_rows(media, [row])
    seen = []
    encode = processor.encode_chat

    class Spy:
        def __getattr__(self, name):
            return getattr(processor, name)

        def encode_chat(self, chat, **options):
            seen.append(chat)
            return encode(chat, **options)

    result = evaluate(model, Spy(), questions, max_new_tokens=24)
    [chat] = seen
    assert [message["role"] for message in chat] == ["user", "assistant", "user"]
    assert [part["type"] for part in chat[0]["content"]] == ["video", "text"]
    assert result.rows[0]["right_answer"] == second.answer
    assert result.rows[0]["messages"] == chat
    # what is written can be asked again
    (media / "again.jsonl").write_text(json.dumps(result.rows[0]) + "\n", "utf-8")
    assert read_questions(media / "again.jsonl") == questions


def test_a_run_that_stopped_goes_on(small, media, tmp_path):
    """Nothing is asked twice and nothing is lost, wherever it stopped; a finished one asks nothing."""
    questions = write_rows(media, rows_about("Mobile-VideoGPT"))
    whole = evaluate(*small, questions, max_new_tokens=4, answers=tmp_path / "whole.jsonl")
    path = tmp_path / "answers.jsonl"

    class Killed(Exception):
        pass

    def stop_after(number):
        def stop(row):
            asked.append(row["key"])
            if len(asked) == number:
                raise Killed

        return stop

    for number in (3, 6):
        asked = []
        with pytest.raises(Killed):
            evaluate(*small, questions, max_new_tokens=4, answers=path, on_row=stop_after(number))
        assert len(path.read_text("utf-8").splitlines()) == number
    result = evaluate(*small, questions, max_new_tokens=4, answers=path)
    assert path.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert result.scores == whole.scores
    again = evaluate(*small, questions, max_new_tokens=4, answers=path, judge=None)
    assert again.scores == whole.scores
    assert path.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    # more questions, some of them new, and one twice
    more = [*questions, questions[0], replace(questions[0], question="How many?", answer="two")]
    assert len(evaluate(*small, more, max_new_tokens=4, answers=path).rows) == len(more)
    assert len(path.read_text("utf-8").splitlines()) == len(more)
    with pytest.raises(FileExistsError, match="has answers with max_new_tokens 4, and this run has 5"):
        evaluate(*small, questions, max_new_tokens=5, answers=path)


def test_answers_are_of_the_video_and_not_of_its_name(small, media, tmp_path, monkeypatch):
    """In another folder, the same name is another video; another spelling of a path is the same one."""
    for name, seed in (("one", 500), ("two", 501)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "clip.mp4").symlink_to(media / f"{seed}.mp4")
        record = {"video": "clip.mp4", "question": drawn(500).questions[0].text, "answer": "x"}
        (tmp_path / name / "questions.jsonl").write_text(json.dumps(record) + "\n")
    answers = tmp_path / "answers.jsonl"
    frames = []
    for name in ("one", "two"):
        monkeypatch.chdir(tmp_path / name)
        questions = read_questions("questions.jsonl", media_anywhere=True)
        frames.append(evaluate(*small, questions, max_new_tokens=2, answers=answers).rows[0]["selected_frames"])
    assert frames[0] != frames[1]
    monkeypatch.chdir(tmp_path)
    for spelled in ("one/questions.jsonl", tmp_path / "two" / ".." / "one" / "questions.jsonl"):
        evaluate(*small, read_questions(spelled, media_anywhere=True), max_new_tokens=2, answers=answers)
    assert len(answers.read_text("utf-8").splitlines()) == 2


def test_objects_in_memory_are_told_apart_by_what_they_hold():
    def key_of(video):
        [key] = _keys_of([ScoredQuestion(video, "mine", "What?", "x")])
        return key

    pictures = [picture(seed) for seed in PICTURE_SEEDS[:2]]
    for one, same, other in (
        (np.zeros((2, 4)), np.zeros((2, 4)), np.zeros((4, 2))),
        (torch.zeros(2, dtype=torch.bfloat16), torch.zeros(2, dtype=torch.bfloat16), torch.ones(2)),
        (pictures, [one.copy() for one in pictures], pictures[::-1]),
    ):
        assert key_of(one) == key_of(same) != key_of(other)
    assert key_of(object()) != key_of(object())


def test_a_corrected_right_answer_has_one_row(small, media, tmp_path):
    row, other = rows_about("Mobile-VideoGPT")[:2]
    answers = tmp_path / "answers.jsonl"
    for right in ("wrong", row["answer"]):
        questions = write_rows(media, [{**row, "answer": right, "options": []}, other])
        result = evaluate(*small, questions, max_new_tokens=24, answers=answers)
    assert result.rows[0]["exact"] == 1
    written = [json.loads(line) for line in answers.read_text("utf-8").splitlines()]
    assert sorted(one["right_answer"] for one in written) == sorted([row["answer"], other["answer"]])


def test_questions_that_are_too_long(family, media):
    """One is a row with an error, and the others, also those of its batch, are answered."""
    name, model, processor = family
    rows = rows_about(name)[:2]
    rows.insert(1, {**rows[0], "question": "w " * 5000})
    result = evaluate(model, processor, write_rows(media, rows), max_new_tokens=24, batch_size=3)
    assert [row.get("answer") for row in result.rows] == [rows[0]["answer"], None, rows[2]["answer"]]
    assert re.match(r"The prompt has \d+ tokens, the language model takes at most \d+", result.rows[1]["error"])


def test_segments_of_a_video(small, media):
    """Only what is seen of the segment counts, and the two are encoded apart; they are about one video all the same."""
    rows = [{**rows_about("Mobile-VideoGPT")[0], "start_seconds": start, "end_seconds": "2.0"} for start in (0, 1.5)]
    result = evaluate(*small, write_rows(media, rows), max_new_tokens=2)
    first, second = ([frame["seconds"] for frame in row["selected_frames"]] for row in result.rows)
    assert first[0] < 1.5 <= second[0]
    assert max(first + second) <= 2.05
    assert (result.rows[1]["start_seconds"], result.scores["all"].num_visuals) == (1.5, 1)
    with pytest.raises(ValueError, match="`start_seconds` is 'soon', not a number of seconds"):
        write_rows(media, [{**rows[0], "start_seconds": "soon"}])


def test_a_judge_scores_answers_in_words(small, media):
    rows = rows_about("Mobile-VideoGPT")[:2]
    rows.append({**rows[0], "question": "Which?\nA. x\nB. y", "answer": "A", "options": []})
    rows.append({**rows[0], "video": "damaged", "options": []})
    judged = []

    def judge(*texts):
        judged.append(texts)
        return 0.25

    result = evaluate(*small, write_rows(media, rows), max_new_tokens=24, judge=judge)
    assert judged == [
        (row["question"], row["answer"], result.rows[place]["answer"]) for place, row in enumerate(rows[:2])
    ]
    assert [row.get("judge") for row in result.rows] == [0.25, 0.25, None, 0]
    assert result.scores["all"].metrics["judge"].value == pytest.approx(0.5 / 3)


def test_letters_are_asked_for_where_there_are_options(small, media):
    rows = [
        {"video": "500.mp4", "question": "Which?", "options": ["red", "blue"], "answer": 1},
        {"video": "500.mp4", "question": "What color is the circle?", "answer": "red"},
    ]
    questions = write_rows(media, rows)
    result = evaluate(*small, questions, letters=True, max_new_tokens=3)
    assert list(result.scores) == ["multiple choice", "open", "all"]
    assert [("f1" in row) for row in result.rows] == [False, True]
    assert (result.rows[0]["question"], result.rows[0]["options"]) == ("Which?", ["red", "blue"])
    with pytest.raises(ValueError, match="No question has `options` to choose from: leave out `letters=True`"):
        evaluate(*small, questions[1:], letters=True)
    with pytest.raises(ValueError, match="There are no questions to answer"):
        evaluate(*small, [])


def test_images_of_a_dataset(media):
    """Questions about one of them are known as such, whether `datasets` would decode it or not."""
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    model, processor = (each.from_pretrained(MOBILEVLM) for each in (AutoModelForImageTextToText, AutoProcessor))
    rows = [{**row, "image": str(media / row["image"])} for row in rows_about("MobileVLM")]
    dataset = datasets.Dataset.from_list(rows).cast_column("image", datasets.Image())
    result = evaluate(model.eval(), processor, read_questions(dataset, media_anywhere=True), max_new_tokens=8)
    assert result.scores["all"].num_visuals == len(PICTURE_SEEDS) < len(rows)
    assert result.scores["all"].metrics["exact"].value == 1
    assert result.rows[0]["image"] == rows[0]["image"]


def test_questions_without_a_file(small, media):
    """Made in Python, about a video in memory; none of its bytes are in the row."""
    content = (media / "500.mp4").read_bytes()
    question = drawn(500).questions[0]
    result = evaluate(*small, [ScoredQuestion(content, "mine", question.text, question.answer)], max_new_tokens=24)
    assert result.rows[0]["video"] == f"<{len(content)} bytes>"
    assert result.rows[0]["exact"] == 1
