# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch
from transformers import pipeline

from tiny_trained import (
    MOBILEVLM,
    PICTURE_SEEDS,
    TINYLLAVA,
    ask,
    clip_questions,
    picture,
    picture_questions,
    write_drawn_clip,
)
from transformers_mvgpt.demo import CHECKPOINT, CLIP, CLIP_SEED, make_clip
from transformers_mvgpt.evaluation.likelihoods import answer_likelihoods


OTHERS = ["purple", "not at all, never", "a"]


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """By family: a model, a chat and its right answer."""
    clip = write_drawn_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")
    colors = {
        "mvgpt": next(question for question in make_clip(CLIP_SEED, "test").questions if question.type == "colour"),
        "mobilevlm": next(question for question in picture_questions(PICTURE_SEEDS[0]) if question.type == "colour"),
        "tinyllava": next(question for question in clip_questions() if question.type == "colour"),
    }
    visuals = {
        "mvgpt": (CHECKPOINT, {"type": "video", "video": str(CLIP)}),
        "mobilevlm": (MOBILEVLM, {"type": "image", "image": picture(PICTURE_SEEDS[0])}),
        "tinyllava": (TINYLLAVA, {"type": "video", "video": clip}),
    }
    return {
        name: (
            pipeline("video-text-to-text", model=str(folder), device="cpu"),
            ask(visual, colors[name]),
            colors[name].answer,
        )
        for name, (folder, visual) in visuals.items()
    }


def plain_likelihood(pipe, chat, answer):
    """By a forward pass over prompt and answer, without padding and with all logits."""
    processor = pipe.processor
    options = {"tokenize": True, "return_dict": True, "return_tensors": "pt"}
    prompt = processor.apply_chat_template(chat, add_generation_prompt=True, **options)
    said = [*chat, {"role": "assistant", "content": [{"type": "text", "text": answer}]}]
    whole = processor.apply_chat_template(said, continue_final_message=True, **options)
    num_tokens = whole["input_ids"].shape[1] - prompt["input_ids"].shape[1]
    assert torch.equal(whole["input_ids"][:, :-num_tokens], prompt["input_ids"])
    with torch.no_grad():
        logits = pipe.model(**whole).logits[0, -1 - num_tokens : -1]
    target = whole["input_ids"][0, -num_tokens:]
    likelihoods = torch.log_softmax(logits, -1)[range(num_tokens), target]
    return likelihoods.sum().item(), num_tokens, logits.argmax(-1).tolist() == target.tolist()


@pytest.mark.parametrize("family", ["mvgpt", "mobilevlm", "tinyllava"])
def test_likelihoods_are_those_of_a_plain_forward_pass(asked, family):
    pipe, chat, right = asked[family]
    answers = [right, *OTHERS]
    results = answer_likelihoods(pipe, chat, answers, batch_size=3)
    for answer, result in zip(answers, results, strict=True):
        likelihood, num_tokens, is_greedy = plain_likelihood(pipe, chat, answer)
        assert result.log_likelihood == pytest.approx(likelihood, abs=2e-3)
        assert (result.num_tokens, result.is_greedy) == (num_tokens, is_greedy)
    # the trained model knows
    assert [result.is_greedy for result in results] == [True, False, False, False]
    assert results[0].log_likelihood > -0.7 > max(result.log_likelihood for result in results[1:])


def test_a_visual_is_encoded_once(asked, monkeypatch):
    pipe, chat, right = asked["mvgpt"]
    calls = []
    encode = pipe.model.get_video_features
    monkeypatch.setattr(pipe.model, "get_video_features", lambda **kwargs: calls.append(1) or encode(**kwargs))
    answer_likelihoods(pipe, chat, [right, *OTHERS], batch_size=2)
    assert len(calls) == 1


def test_text_alone(asked):
    pipe, _, _ = asked["mvgpt"]
    chat = [{"role": "user", "content": [{"type": "text", "text": "What colour?"}]}]
    [result] = answer_likelihoods(pipe, chat, ["red"])
    assert result.log_likelihood == pytest.approx(plain_likelihood(pipe, chat, "red")[0], abs=2e-3)


def test_control_tokens_are_refused(asked):
    pipe, chat, _ = asked["mvgpt"]
    with pytest.raises(ValueError, match="cannot be computed: .*control token <[|]im_end[|]>"):
        answer_likelihoods(pipe, chat, ["red<|im_end|>"])
