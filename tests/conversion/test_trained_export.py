# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Exported repositories of the tiny trained models answer rightly where the package is not installed."""

import json

from hub_folders import run_without_package
from tiny_trained import (
    MOBILEVLM,
    PICTURE_SEEDS,
    TINYLLAVA,
    clip_questions,
    picture,
    picture_questions,
    write_drawn_clip,
)
from transformers_mvgpt.conversion import export_hub


RUN = """
import json
from transformers import pipeline

answers = {}
for folder, (visual, texts) in json.loads(sys.argv[1]).items():
    pipe = pipeline(f"{visual['type']}-text-to-text", model=folder, trust_remote_code=True, device="cpu")
    for text in texts:
        chat = [{"role": "user", "content": [visual, {"type": "text", "text": text}]}]
        [record] = pipe(text=chat, max_new_tokens=12, return_full_text=False)
        answers[text] = record["generated_text"].strip()
print(json.dumps(answers))
"""


def test_answers_without_the_package(tmp_path):
    export_hub(MOBILEVLM, tmp_path / "pictures")
    export_hub(TINYLLAVA, tmp_path / "clips")
    picture(PICTURE_SEEDS[0]).save(tmp_path / "picture.png")
    clip = write_drawn_clip(tmp_path / "clip.mp4")
    about_picture, about_clip = picture_questions(PICTURE_SEEDS[0]), clip_questions()
    asked = {
        "pictures": ({"type": "image", "path": str(tmp_path / "picture.png")}, [q.text for q in about_picture]),
        "clips": ({"type": "video", "path": clip}, [q.text for q in about_clip]),
    }
    printed = run_without_package(RUN, tmp_path, json.dumps(asked))
    answers = json.loads(printed.splitlines()[-1])
    assert answers == {question.text: question.answer for question in (*about_picture, *about_clip)}
