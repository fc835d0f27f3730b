# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
from dataclasses import replace

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, pipeline

from tiny_families import write_mobilevlm, write_tinyllava
from transformers_mvgpt.demo import CHECKPOINT, CLIP, make_clip, write_clip
from transformers_mvgpt.evaluation import ScoredQuestion, answer_questions


@pytest.fixture(scope="module")
def pipe():
    return pipeline("video-text-to-text", model=str(CHECKPOINT), device="cpu")


@pytest.fixture(scope="module")
def questions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    questions = []
    for seed in (11, 15):
        clip = make_clip(seed, "test")
        write_clip(clip, folder / f"{seed}.mp4")
        questions += [
            ScoredQuestion(str(folder / f"{seed}.mp4"), question.type, question.text, question.answer)
            for question in clip.questions[:4]
        ]
    return questions


def test_answers_are_those_of_the_pipeline(pipe, questions):
    answers = list(answer_questions(pipe.model, pipe.processor, questions, max_new_tokens=6))
    one_by_one = [pipe(q.video, text=q.question, max_new_tokens=6)[0]["generated_text"].strip() for q in questions]
    assert answers == one_by_one


@pytest.mark.parametrize("num_workers", [0, 3])
def test_workers_change_no_answer(pipe, questions, num_workers):
    def answers(**options):
        return list(answer_questions(pipe.model, pipe.processor, questions, max_new_tokens=3, **options))

    assert answers(num_workers=num_workers) == answers()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_damaged_video_is_named(pipe, questions, tmp_path, num_workers):
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(b"no video")
    bad = ScoredQuestion(str(damaged), "color", "What?", "red")
    answers = answer_questions(
        pipe.model, pipe.processor, [questions[0], bad, questions[4]], max_new_tokens=1, num_workers=num_workers
    )
    next(answers)
    with pytest.raises(ValueError, match=f"The video '{damaged}' could not be read"):
        next(answers)


def test_a_video_is_encoded_once(pipe, questions, monkeypatch):
    calls = []
    encode = pipe.model.get_video_features
    monkeypatch.setattr(pipe.model, "get_video_features", lambda *args: calls.append(args) or encode(*args))
    list(answer_questions(pipe.model, pipe.processor, questions, max_new_tokens=2))
    assert len(calls) == 2


def test_shuffling_shows_both_encoders_the_same_order(pipe, questions, monkeypatch):
    seen = []
    encode = pipe.model.get_video_features
    monkeypatch.setattr(pipe.model, "get_video_features", lambda *args: seen.append(args) or encode(*args))
    list(answer_questions(pipe.model, pipe.processor, questions[:1], max_new_tokens=2))
    list(answer_questions(pipe.model, pipe.processor, questions[:1], shuffle_frames=True, max_new_tokens=2))
    plain, shuffled = seen
    order = [int((plain[0][0] == frame).flatten(1).all(1).nonzero()[0]) for frame in shuffled[0][0]]
    assert order != sorted(order)
    for before, after in zip(plain, shuffled, strict=True):
        assert torch.equal(before[0][order], after[0])


def test_options_reach_generate(pipe, questions):
    question = ScoredQuestion(questions[0].video, "description", "Describe the video.", "")
    [short] = answer_questions(pipe.model, pipe.processor, [question], max_new_tokens=1)
    [answer] = answer_questions(pipe.model, pipe.processor, [question], max_new_tokens=6)
    assert answer.startswith(short)
    assert len(short) < len(answer)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "image.png"
    Image.effect_noise((60, 40), 90).convert("RGB").save(path)
    return path


def load(folder):
    return AutoModelForImageTextToText.from_pretrained(folder).eval(), AutoProcessor.from_pretrained(folder)


def answer_alone(model, processor, image, text, **options):
    """By `generate`, with all that it gets of the image."""
    content = [{"type": "image", "image": str(image)}, {"type": "text", "text": text}]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        **options,
    )
    generated = model.generate(**inputs, max_new_tokens=4, do_sample=False)
    return processor.decode(generated[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()


@pytest.mark.parametrize("family", ["Mobile-VideoGPT", "MobileVLM", "TinyLLaVA-Video"])
def test_answers_about_images(family, image, tmp_path):
    write = {"MobileVLM": write_mobilevlm, "TinyLLaVA-Video": write_tinyllava}.get(family, lambda _: CHECKPOINT)
    model, processor = load(write(tmp_path / "model"))
    questions = [ScoredQuestion(None, "kind", text, "", image=str(image)) for text in ("What is it?", "Is it red?")]
    answers = list(answer_questions(model, processor, questions, max_new_tokens=4, shuffle_frames=True))
    assert answers == [answer_alone(model, processor, image, question.question) for question in questions]


def test_variables_of_the_template(image, tmp_path):
    model, processor = load(write_tinyllava(tmp_path / "model"))
    question = ScoredQuestion(None, "kind", "What is it?", "", image=str(image))
    [answer] = answer_questions(model, processor, [question], max_new_tokens=4, template_variables={"think": True})
    assert answer == answer_alone(model, processor, image, "What is it?", think=True)
    model, processor = load(CHECKPOINT)
    with pytest.raises(ValueError, match="The chat template of this model has no variable 'think': leave it out"):
        next(answer_questions(model, processor, [question], template_variables={"think": True}))


def test_models_of_images_see_no_videos(image, tmp_path):
    question = ScoredQuestion(None, "kind", "What is it?", "", image=str(image))
    answers = answer_questions(
        *load(write_mobilevlm(tmp_path / "model")), [question, replace(question, image=None, video=str(CLIP))]
    )
    with pytest.raises(
        ValueError, match="takes images, no videos: ask about `image` instead of `video`, or use a model"
    ):
        next(answers)
