# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Videos of rows give the same answers in whatever form they are handed over."""

import pytest

from input_forms import FORMS
from release_layout import make_release_of_letters
from transformers_mvgpt.scale import Captioner


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return make_release_of_letters(tmp_path_factory.mktemp("release"))


@pytest.mark.parametrize("num_workers", [0, 1])
def test_forms_of_videos(release, clip, num_workers):
    """Among paths and bytes, only those that can be sent to another process, as the rows before were."""
    video = str(clip("h264.mp4"))
    captioner = Captioner(
        release, prompt="What is it?", device="cpu", batch_size=2, num_workers=num_workers, max_new_tokens=6
    )
    rows = [{"name": name, "video": make(video)} for name, make in FORMS.items()]
    answered = list(captioner.answer_rows(rows))
    [expected] = captioner.pipe(video, text="What is it?", max_new_tokens=6)
    failed = {"memoryview", "open_file", "file_in_memory", "decoder", "noted_decoder"} if num_workers else set()
    assert [row["name"] for row in answered] == list(FORMS)
    assert {row["name"] for row in answered if "error" in row} == failed
    assert {row["answer"] for row in answered if "answer" in row} == {expected["generated_text"]}
