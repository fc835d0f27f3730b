# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import numpy as np
import pytest
from transformers import AutoProcessor

from piece_processors import IMAGE_ID, llama_tokenizer, piece_processor
from training_data import NUM_IMAGE_TOKENS, NUM_VIDEO_TOKENS
from transformers_mvgpt.training.chat_encoding import IGNORED, encode_captions, encode_chats


VIDEO = {"type": "video", "video": "clip.mp4"}
IMAGE = {"type": "image", "image": "picture.png"}


def text(value):
    return {"type": "text", "text": value}


def chat(*turns, visuals=()):
    roles = ("user", "assistant")
    messages = [{"role": roles[index % 2], "content": [text(turn)]} for index, turn in enumerate(turns)]
    messages[0]["content"] = [*visuals, *messages[0]["content"]]
    return messages


@pytest.fixture(scope="module")
def processor(release):
    return AutoProcessor.from_pretrained(release)


def test_loss_is_on_all_answers_and_their_end_alone(processor):
    turns = [turn for number in range(10) for turn in (f"Question {number}?", f"Answer {number}.")]
    [(ids, labels)] = encode_chats(processor, [chat(*turns, visuals=[VIDEO])])
    assert ids.dtype == labels.dtype == np.int64
    learned = labels != IGNORED
    assert np.array_equal(ids[learned], labels[learned])
    answers = "".join(f"Answer {number}.<|im_end|>" for number in range(10))
    assert processor.tokenizer.decode(labels[learned]) == answers
    assert np.diff(learned.astype(int)).tolist().count(1) == 10  # ten stretches


def test_answers_in_a_prompt_are_not_learned(processor):
    messages = chat("Why?", "No.", "Sure?", "Yes.")
    messages[1]["is_learned"] = False
    [(_, labels)] = encode_chats(processor, [messages])
    assert processor.tokenizer.decode(labels[labels != IGNORED]) == "Yes.<|im_end|>"


def test_ids_are_those_of_the_processor(processor):
    """Whole chats, tokenized in one piece with all placeholders written out, as for generation."""
    messages = [{"role": "system", "content": [text("Be brief.")]}, *chat("What?", "A cat.", visuals=[IMAGE, VIDEO])]
    [(ids, _)] = encode_chats(processor, [messages])
    written = processor.apply_chat_template(messages)
    written = written.replace("<|image_pad|>", "<|image_pad|>" * NUM_IMAGE_TOKENS)
    written = written.replace("<|video_pad|>", "<|video_pad|>" * NUM_VIDEO_TOKENS)
    assert ids.tolist() == processor.tokenizer(written)["input_ids"]
    assert (ids == processor.video_token_id).sum() == NUM_VIDEO_TOKENS
    assert (ids == processor.image_token_id).sum() == NUM_IMAGE_TOKENS


def test_prompt_of_an_answer_is_that_of_generation(processor):
    """Also for answers that begin with what could be joined to the end of the prompt."""
    for answer in ("A cat.", "\n\nA cat.", " A cat."):
        [(ids, labels)] = encode_chats(processor, [chat("What?", answer)])
        first = int(np.flatnonzero(labels != IGNORED)[0])
        prompt = processor.apply_chat_template(chat("What?"), add_generation_prompt=True)
        assert ids[:first].tolist() == processor.tokenizer(prompt)["input_ids"]


def test_answer_is_not_joined_to_the_prompt(processor, monkeypatch):
    pieces = []
    tokenize = type(processor.tokenizer).__call__
    monkeypatch.setattr(
        type(processor.tokenizer),
        "__call__",
        lambda self, text, **kw: (pieces.append(text), tokenize(self, text, **kw))[1],
    )
    encode_chats(processor, [chat("A?", "\nB"), chat("C?", "D", "E?", "F")])
    assert len(pieces) == 1  # tokenized in one go
    assert "\nB<|im_end|>" in pieces[0]
    assert [piece for piece in pieces[0] if piece.endswith("<|im_start|>assistant\n")] == [
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nA?<|im_end|>\n<|im_start|>assistant\n",
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nC?<|im_end|>\n<|im_start|>assistant\n",
        "\n<|im_start|>user\nE?<|im_end|>\n<|im_start|>assistant\n",
    ]


def test_number_of_image_tokens_can_be_another(processor):
    [(ids, labels)] = encode_chats(processor, [chat("What?", "A cat.", visuals=[IMAGE])], num_image_tokens=49)
    assert (ids == processor.image_token_id).sum() == 49
    assert len(ids) == len(labels)


def test_chats_that_cannot_be_used_do_not_disturb_the_others(processor):
    good = chat("What?", "A cat.")
    bad = chat("What is <|video_pad|>?", "A token.")
    talking = [*chat("What?"), {"role": "assistant", "content": [IMAGE]}]
    results = encode_chats(processor, [bad, good, talking, good])
    assert results[0] == "its text has the control token <|video_pad|>: take it out"
    assert results[2] == "a turn of the assistant has the part 'image': the model can only say text"
    [alone] = encode_chats(processor, [good])
    for index in (1, 3):
        assert all(np.array_equal(*pair) for pair in zip(results[index], alone, strict=True))


def test_model_that_takes_images_alone(processor):
    class ImagesAlone:
        tokenizer, chat_template = processor.tokenizer, processor.chat_template
        image_token_id, num_image_tokens = processor.image_token_id, 7
        placeholders, splits_at_placeholders = {"image": "<|image_pad|>"}, False

    with_image, with_video = (chat("What?", "A cat.", visuals=[visual]) for visual in (IMAGE, VIDEO))
    (ids, _), problem = encode_chats(ImagesAlone(), [with_image, with_video])
    assert (ids == processor.image_token_id).sum() == 7
    assert problem == "it has the part 'video': the model takes images alone"


def test_template_without_marks(processor, monkeypatch):
    template = processor.chat_template.replace("{%- generation -%}", "").replace("{%- endgeneration -%}", "")
    monkeypatch.setattr(processor, "chat_template", template)
    with pytest.raises(ValueError, match="does not mark what the assistant says: .* {% generation %}"):
        encode_chats(processor, [chat("What?", "A cat.")])


def test_chats_that_the_template_refuses():
    refusing = piece_processor(llama_tokenizer())
    refusing.chat_template = "{{ raise_exception('Too long.') if messages | length > 2 }}" + refusing.chat_template
    problem, (ids, _) = encode_chats(refusing, [chat("A?", "B", "C?", "D"), chat("A?", "it")])
    assert problem == "its chat template refuses it: Too long."
    assert len(ids)


@pytest.fixture(scope="module")
def llama():
    return piece_processor(llama_tokenizer())


class TestCaptions:
    def test_caption_and_newline_are_learned_and_nothing_else_is_said(self, llama):
        messages = [{"role": "system", "content": [text("Be brief.")]}, *chat("Describe it.", "it A", visuals=[IMAGE])]
        [(ids, labels)] = encode_captions(llama, [messages])
        tokens = ["▁it", "▁A", "<0x0A>"]
        learned = [llama.tokenizer.convert_tokens_to_ids(token) for token in tokens]
        assert ids.tolist() == [llama.tokenizer.bos_token_id, *[IMAGE_ID] * 3, *learned]
        assert labels.tolist() == [IGNORED] * 4 + learned

    def test_tokenizer_without_a_beginning_token(self, processor):
        [(ids, labels)] = encode_captions(processor, [chat("", "A cat.", visuals=[IMAGE])], num_image_tokens=2)
        learned = processor.tokenizer("A cat.\n")["input_ids"]
        assert ids.tolist() == [processor.image_token_id] * 2 + learned
        assert labels.tolist() == [IGNORED] * 2 + learned

    @pytest.mark.parametrize(
        ("turns", "visuals", "numbers"),
        [
            (("A?", "B"), (), "0 and 1"),
            (("A?", "B"), (IMAGE, IMAGE), "2 and 1"),
            (("A?", "B", "C?", "D"), (IMAGE,), "1 and 2"),
        ],
    )
    def test_chats_that_are_no_captions(self, llama, turns, visuals, numbers):
        good = chat("", "it", visuals=[IMAGE])
        problem, (ids, _) = encode_captions(llama, [chat(*turns, visuals=visuals), good])
        assert problem.endswith(f"must have one visual and one answer, but it has {numbers}")
        assert ids.tolist() == encode_captions(llama, [good])[0][0].tolist()
