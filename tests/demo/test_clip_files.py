# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
from collections import Counter

import av

from transformers_mvgpt.demo.clip_files import write_test_clips
from transformers_mvgpt.demo.questions import QUESTION_TYPES
from transformers_mvgpt.evaluation import read_questions


def test_test_questions_are_of_all_types_in_equal_shares(tmp_path):
    *_, last = write_test_clips(tmp_path, 20, width=96, height=96, fps=16, seconds=4)
    questions = read_questions(tmp_path / "questions.jsonl")
    assert len(questions) == last == 20
    counts = Counter(question.type for question in questions)
    assert [counts[kind] for kind in QUESTION_TYPES] == [3, 3, 2, 2, 2, 2, 2, 2, 2]
    per_clip = Counter((question.video, question.type) for question in questions)
    assert max(per_clip.values()) == 1
    for video in {question.video for question in questions}:
        with av.open(video) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height, stream.average_rate, stream.frames) == (96, 96, 16, 64)
    # questions about one clip stand together, so that it is encoded once
    assert len({q.video for q in questions}) == 1 + sum(
        one.video != two.video for one, two in zip(questions, questions[1:], strict=False)
    )


def test_fewer_questions_than_types(tmp_path):
    assert list(write_test_clips(tmp_path, 2, width=64, height=64, fps=16, seconds=4))[-1] == 2
    kinds = [question.type for question in read_questions(tmp_path / "questions.jsonl")]
    assert sorted(kinds) == sorted(QUESTION_TYPES[:2])
