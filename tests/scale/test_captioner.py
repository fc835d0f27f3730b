# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pickle
import re

import numpy as np
import pytest
from PIL import Image

import tiny_trained
from transformers_mvgpt.chat import VideoChat
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.scale import Captioner


QUESTION = "How many shapes are there?"
OPTIONS = {"device": "cpu", "max_new_tokens": 8}


@pytest.fixture(scope="module")
def captioner():
    return Captioner(CHECKPOINT, prompt=QUESTION, batch_size=2, **OPTIONS)


@pytest.fixture
def rows(clips):
    """Among them a question of its own, a video that is damaged and one that is missing."""
    names = ("a.mp4", "c.mp4", "b.mp4", "missing.mp4", "more/d.mp4")
    rows = [{"id": number, "video": str(clips / name)} for number, name in enumerate(names)]
    rows[2]["question"] = "Describe the video."
    return rows


@pytest.mark.parametrize(("batch_size", "num_workers"), [(1, 0), (2, 0), (4, 1)])
def test_rows(captioner, rows, batch_size, num_workers):
    captioner.batch_size, captioner.num_workers = batch_size, num_workers
    answered = list(captioner.answer_rows(rows))
    asked = [
        captioner.pipe(row["video"], text=row.get("question", QUESTION), do_sample=False, max_new_tokens=8)
        for row in (rows[0], rows[2], rows[4])
    ]
    texts = [answer["generated_text"] for [answer] in asked]
    assert texts[0] and texts[1] != texts[0]
    assert [answered[index] for index in (0, 2, 4)] == [
        {**rows[index], "answer": text} for index, text in zip((0, 2, 4), texts, strict=True)
    ]
    assert [{**row, "error": row["error"][:11]} for row in (answered[1], answered[3])] == [
        {**rows[1], "error": "The video '"},
        {**rows[3], "error": "There is no"},
    ]


def test_rows_that_are_none(captioner, clips):
    video = str(clips / "a.mp4")
    rows = [
        {"path": video},
        {"video": video, "image": video},
        {"video": video, "question": 3},
        {"video": video},
        {"image": video, "start_seconds": 1.0},
        {"video": video, "start_seconds": "soon"},
        {"video": video, "start_seconds": 10**400},
        {"video": video, "question": "long " * 1200},
        {"video": float("nan")},
        {"video": video, "error": "It was bad before."},
    ]
    answered = list(captioner.answer_rows(rows))
    errors = [row.get("error") for row in answered]
    assert errors.pop(6).endswith(", not a number")
    # in a batch with others, which are answered
    assert re.match(r"The prompt has \d{4} tokens, the language model takes at most 1024 ", errors.pop(6))
    assert errors == [
        "it has neither `video` nor `image`, but path",
        "it has both `video` and `image`: leave one",
        "`question` is of the type int, not text",
        None,
        "`start_seconds` is of videos, not of images",
        "`start_seconds` is 'soon', not a number",
        "it has neither `video` nor `image`, but video",
        "It was bad before.",
    ]
    assert answered[3]["answer"]
    [row] = Captioner(CHECKPOINT, **OPTIONS).answer_rows([{"video": video}])
    assert row["error"] == "it has no `question`: give one, or a `prompt` for all rows without"


def test_rows_that_hold_arrays_are_not_about_the_same(captioner, clips):
    row = {"video": str(clips / "a.mp4"), "start_seconds": np.zeros(2)}
    picture = {"video": str(clips / "a.mp4"), "image": np.zeros((8, 8, 3), np.uint8)}
    errors = [answered["error"] for answered in captioner.answer_rows([row, row, picture, picture])]
    assert all("`start_seconds` is" in error for error in errors[:2])
    assert errors[2:] == ["it has both `video` and `image`: leave one"] * 2


def test_rows_have_segments(captioner, clips):
    video = str(clips / "a.mp4")
    captioner = Captioner(CHECKPOINT, prompt=QUESTION, start_seconds=0.5, return_selected_frames=True, **OPTIONS)
    rows = [{"video": video}, {"video": video, "start_seconds": 1.0, "end_seconds": "1.5"}, {"video": video + "x"}]
    answered = list(captioner.answer_rows(rows))
    times = [[frame["seconds"] for frame in row["selected_frames"]] for row in answered[:2]]
    assert 0.5 <= min(times[0]) < 1.0 and max(times[0]) > 1.5
    assert 1.0 <= min(times[1]) and max(times[1]) <= 1.5
    assert "selected_frames" not in answered[2]
    assert answered[1]["start_seconds"] == 1.0


def test_a_video_with_several_questions_is_encoded_once(captioner, clips, monkeypatch):
    video, other, missing = (str(clips / name) for name in ("a.mp4", "b.mp4", "missing.mp4"))
    rows = [{"video": video, "question": question} for question in (QUESTION, "Describe the video.", " ")]
    rows += [{"video": other}, {"video": missing, "question": "A?"}, {"video": missing, "question": "B?"}]
    encoded = []
    encode = captioner.pipe.model.get_video_features
    monkeypatch.setattr(
        captioner.pipe.model, "get_video_features", lambda *a, **k: (encoded.append(1), encode(*a, **k))[1]
    )
    answered = list(captioner.answer_rows(rows))
    assert len(encoded) == 1  # `generate` asks the inner model
    monkeypatch.undo()
    chat = VideoChat(captioner.pipe.model, captioner.pipe.processor, video)
    assert [row.get("answer") for row in answered[:2]] == [
        chat.ask(row["question"], do_sample=False, max_new_tokens=8) for row in rows[:2]
    ]
    singly = [next(captioner.answer_rows([row])) for row in rows]
    assert answered == singly
    assert answered[2]["error"] == "The question is missing: the text is empty. Say what to answer."
    assert answered[4]["error"] == answered[5]["error"] != ""


@pytest.mark.parametrize("kind", [list, np.array])
def test_columns(captioner, clips, kind):
    """As Ray Data and `datasets` pass them."""
    captioner = Captioner(CHECKPOINT, prompt=QUESTION, return_selected_frames=True, **OPTIONS)
    videos = kind([str(clips / name) for name in ("a.mp4", "c.mp4", "b.mp4")])
    result = captioner({"video": videos, "number": kind([1, 2, 3])})
    assert list(result) == ["video", "number", "answer", "error", "selected_frames"]
    assert result["video"] is videos
    assert [answer is None for answer in result["answer"]] == [False, True, False]
    assert [error is None for error in result["error"]] == [True, False, True]
    assert result["selected_frames"][1] is None
    assert set(result["selected_frames"][0][0]) == {"video", "index", "seconds", "score"}


def test_what_is_pickled_are_the_arguments(captioner, rows):
    assert "pipe" in vars(captioner)
    data = pickle.dumps(captioner)
    assert len(data) < 2000
    copy = pickle.loads(data)
    assert "pipe" not in vars(copy)
    assert next(copy.answer_rows(rows)) == next(captioner.answer_rows(rows))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "`batch_size` (0) must be a whole number of at least 1."),
        ({"num_workers": 1.5}, "`num_workers` (1.5) must be a whole number of at least 0."),
        ({"quantization": "int2"}, "`quantization` (int2) must be int8 or int4."),
        ({"start_seconds": 3, "end_seconds": 2}, "`start_seconds` (3) must be before `end_seconds` (2)."),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Captioner(CHECKPOINT, **options)


def test_options_are_checked_when_the_model_is_loaded():
    with pytest.raises(ValueError, match="Unknown argument 'max_tokens': use `max_new_tokens`"):
        _ = Captioner(CHECKPOINT, max_tokens=3).pipe
    with pytest.raises(ValueError, match="selects no frames"):
        _ = Captioner(tiny_trained.TINYLLAVA, return_selected_frames=True).pipe


def test_work_ends_before_a_batch(captioner, clips):
    rows = [{"video": str(clips / name)} for name in ("a.mp4", "b.mp4", "a.mp4", "b.mp4", "a.mp4")]
    batches = []

    def stop_before_the_second():
        batches.append(1)
        if len(batches) == 2:
            raise RuntimeError("stopped")

    captioner.batch_size, captioner.num_workers = 2, 0
    answers = captioner.answer_rows(rows, stop_before_the_second)
    assert [next(answers)["answer"] for _ in range(2)]
    with pytest.raises(RuntimeError, match="stopped"):
        next(answers)
    # it can be used again
    assert len(list(captioner.answer_rows(rows))) == 5


def test_a_model_of_images(tmp_path, clips):
    paths = []
    for seed in tiny_trained.PICTURE_SEEDS:
        paths.append(str(tmp_path / f"{seed}.png"))
        tiny_trained.picture(seed).save(paths[-1])
    captioner = Captioner(tiny_trained.MOBILEVLM, **OPTIONS)
    assert captioner.kinds == ("image",)
    assert "pipe" not in vars(captioner)
    questions = tiny_trained.picture_questions(tiny_trained.PICTURE_SEEDS[0])
    rows = [{"image": paths[0], "question": question.text} for question in questions]
    rows += [{"image": paths[1], "question": questions[0].text}, {"video": str(clips / "a.mp4"), "question": "What?"}]
    rows += [{"image": Image.open(paths[0]), "question": questions[0].text}]
    answered = list(captioner.answer_rows(rows))
    assert [row["answer"] for row in answered[: len(questions)]] == [question.answer for question in questions]
    assert answered[-1]["answer"] == questions[0].answer
    assert answered[-2]["error"].startswith("the model takes images, no videos")


def test_a_model_of_videos_of_any_length(tmp_path):
    video = tiny_trained.write_drawn_clip(tmp_path / "clip.mp4")
    tiny_trained.picture(tiny_trained.PICTURE_SEEDS[0]).save(tmp_path / "picture.png")
    captioner = Captioner(tiny_trained.TINYLLAVA, batch_size=2, **OPTIONS)
    questions = tiny_trained.clip_questions()
    rows = [{"video": video, "question": question.text} for question in questions]
    rows.insert(1, {"image": str(tmp_path / "picture.png"), "question": "What shape is it?"})
    answered = list(captioner.answer_rows(rows))
    assert answered.pop(1)["answer"]
    assert [row["answer"] for row in answered] == [question.answer for question in questions]
