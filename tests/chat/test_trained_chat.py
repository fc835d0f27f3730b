# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Right answers of a TinyLLaVA-Video to many questions about one clip."""

from transformers import AutoModelForImageTextToText, AutoProcessor

from tiny_trained import TINYLLAVA, clip_questions, write_drawn_clip
from transformers_mvgpt import VideoChat


def test_video_chat(tmp_path):
    clip = write_drawn_clip(tmp_path / "clip.mp4")
    model = AutoModelForImageTextToText.from_pretrained(TINYLLAVA)
    chat = VideoChat(model, AutoProcessor.from_pretrained(TINYLLAVA), clip)
    answers = {question.text: chat.ask(question.text, max_new_tokens=12).strip() for question in clip_questions()}
    assert answers == {question.text: question.answer for question in clip_questions()}
