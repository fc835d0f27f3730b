# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import copy

import pytest
import torch
from transformers import GenerationConfig, TextIteratorStreamer
from transformers.generation import BaseStreamer

from input_forms import FORMS
from transformers_mvgpt import VideoChat
from transformers_mvgpt.kernels import decode_step


LENGTH = {"max_new_tokens": 8}


@pytest.fixture(scope="module")
def questions():
    return ["What is it?", "Where?", "Who enters the room, and when?"]


@pytest.fixture(scope="module")
def chat(model, processor, video):
    return VideoChat(model, processor, video)


def with_video(messages, video):
    """A chat with the video in front of its first question."""
    first = next(message for message in messages if message["role"] == "user")
    first["content"] = [{"type": "video", "path": video}, {"type": "text", "text": first["content"]}]
    return messages


def fresh_inputs(processor, video, question, **processor_kwargs):
    messages = [{"role": "user", "content": question}] if isinstance(question, str) else copy.deepcopy(question)
    return processor.apply_chat_template(
        with_video(messages, video),
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs=processor_kwargs,
    )


def fresh_answer(model, processor, video, question, processor_kwargs=None, **generate_kwargs):
    """What processor and model say without a `VideoChat`."""
    inputs = fresh_inputs(processor, video, question, **(processor_kwargs or {})).to(model.device)
    ids = model.generate(**inputs, **{**LENGTH, **generate_kwargs})[0, inputs["input_ids"].shape[1] :]
    return processor.decode(ids, skip_special_tokens=True)


class IdRecorder(BaseStreamer):
    def __init__(self):
        self.ids, self.has_ended = [], False

    def put(self, value):
        self.ids.append(value.flatten().tolist())

    def end(self):
        self.has_ended = True


def test_answers_are_those_of_fresh_calls_in_any_order(model, processor, video, questions, chat):
    expected = {question: fresh_answer(model, processor, video, question) for question in questions}
    assert len(set(expected.values())) > 1  # they depend on the question
    for question in [*questions, *reversed(questions), questions[1], questions[1]]:
        assert chat.ask(question, **LENGTH) == expected[question]


@pytest.mark.parametrize(
    "options",
    [
        {"do_sample": True, "temperature": 3.0, "top_k": 20},
        {"num_beams": 3},
        {"repetition_penalty": 1.8},
        {"prompt_lookup_num_tokens": 3},
        {"prefill_chunk_size": 5},
    ],
    ids=str,
)
def test_options_of_generate(model, processor, video, questions, chat, options):
    for seed, question in enumerate(questions):
        torch.manual_seed(seed)
        expected = fresh_answer(model, processor, video, question, **options)
        torch.manual_seed(seed)
        assert chat.ask(question, **LENGTH, **options) == expected


def test_generation_config(model, processor, video, questions, chat):
    config = GenerationConfig(num_beams=2, **LENGTH)
    for question in questions:
        expected = fresh_answer(model, processor, video, question, num_beams=2)
        assert chat.ask(question, generation_config=config) == expected


def test_streamer_gets_what_a_fresh_call_streams(model, processor, video, questions, chat):
    expected, actual = IdRecorder(), IdRecorder()
    fresh_answer(model, processor, video, questions[0], streamer=expected)
    chat.ask(questions[0], streamer=actual, **LENGTH)
    assert actual.ids == expected.ids
    assert actual.has_ended


def test_streamed_text_is_the_answer(processor, questions, chat):
    streamer = TextIteratorStreamer(processor.tokenizer, skip_prompt=True, skip_special_tokens=True)
    answer = chat.ask(questions[0], streamer=streamer, **LENGTH)
    assert "".join(streamer) == answer != ""


def test_stop_strings(questions, chat):
    answer = chat.ask(questions[0], **LENGTH)
    assert chat.ask(questions[0], max_new_tokens=8, stop_strings=answer[:3]).startswith(answer[:3])


@pytest.mark.parametrize(
    "make_chat",
    [
        lambda first, second: [{"role": "system", "content": "Be brief."}, {"role": "user", "content": second}],
        lambda first, second: [
            {"role": "user", "content": first},
            {"role": "assistant", "content": "A square."},
            {"role": "user", "content": second},
        ],
    ],
    ids=["system prompt", "later turn"],
)
def test_chats(model, processor, video, questions, chat, make_chat):
    messages = make_chat(*questions[:2])
    given = copy.deepcopy(messages)
    expected = fresh_answer(model, processor, video, messages)
    assert chat.ask(messages, **LENGTH) == expected
    assert messages == given
    parts = [{**message, "content": [{"type": "text", "text": message["content"]}]} for message in messages]
    assert chat.ask(parts, **LENGTH) == expected
    # and the question alone is answered as before
    assert chat.ask(questions[0], **LENGTH) == fresh_answer(model, processor, video, questions[0])


def test_options_of_the_processor(model, processor, video, questions, chat):
    segment = {"start_seconds": 0.5, "end_seconds": 1.5}
    of_segment = VideoChat(model, processor, video, **segment)
    assert of_segment.ask(questions[0], **LENGTH) == fresh_answer(model, processor, video, questions[0], segment)
    assert not torch.equal(of_segment.video.pooler_output, chat.video.pooler_output)


def test_encoded_video(model, processor, questions, chat, encoded):
    again = VideoChat(model, processor, encoded)
    assert again.video is encoded
    assert again.ask(questions[0], **LENGTH) == chat.ask(questions[0], **LENGTH)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64], ids=str)
def test_dtypes(model, processor, video, questions, dtype):
    other = copy.deepcopy(model).to(dtype)
    chat = VideoChat(other, processor, video)
    assert chat.video.pooler_output.dtype == dtype
    for question in questions:
        assert chat.ask(question, **LENGTH) == fresh_answer(other, processor, video, question)


@pytest.mark.needs_cuda
def test_cuda(model, processor, video, questions):
    other = copy.deepcopy(model).cuda()
    chat = VideoChat(other, processor, video)
    for question in questions:
        assert chat.ask(question, **LENGTH) == fresh_answer(other, processor, video, question)


def test_answers_take_the_compiled_step(model, processor, video, questions, monkeypatch):
    pytest.importorskip("numba")
    steps, decode_token = [], decode_step.decode_token
    monkeypatch.setattr(decode_step, "decode_token", lambda *args: steps.append(1) or decode_token(*args))
    VideoChat(model, processor, video).ask(questions[0], max_new_tokens=4, min_new_tokens=4)
    assert len(steps) == 3


def test_video_is_encoded_and_read_once(model, processor, video, questions):
    model = copy.deepcopy(model)
    encoded, read = [], []
    model.model.video_tower.register_forward_pre_hook(lambda module, args: encoded.append(args))
    model.model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: read.append(kwargs["inputs_embeds"].shape[1]), with_kwargs=True
    )
    chat = VideoChat(model, processor, video)
    prefix_length = None
    for number, question in enumerate(questions):
        read.clear()
        chat.ask(question, **LENGTH)
        input_ids = fresh_inputs(processor, video, question)["input_ids"][0]
        prefix_length = int((input_ids == processor.video_token_id).nonzero()[-1]) + 1
        question_length = len(input_ids) - prefix_length
        answer = [question_length] + [1] * 7  # the last of 8 new tokens is not read
        assert read == ([prefix_length] if number == 0 else []) + answer
    assert prefix_length > processor.num_video_tokens
    assert len(encoded) == 1


def test_what_is_kept_does_not_grow(questions, chat):
    chat.ask(questions[0], **LENGTH)
    before = [(layer.keys.clone(), layer.values.clone()) for layer in chat._prefix_cache.layers]
    for options in ({}, {"num_beams": 3}, {"prompt_lookup_num_tokens": 3}):
        chat.ask(questions[1], **LENGTH, **options)
    for (keys, values), layer in zip(before, chat._prefix_cache.layers, strict=True):
        assert torch.equal(layer.keys, keys)
        assert torch.equal(layer.values, values)


def test_an_interrupted_answer_leaves_no_trace(model, processor, video, questions, chat):
    class Interrupting(BaseStreamer):
        def put(self, value):
            if value.numel() == 1:
                raise KeyboardInterrupt

        def end(self):
            pass

    with pytest.raises(KeyboardInterrupt):
        chat.ask(questions[0], streamer=Interrupting(), **LENGTH)
    assert chat.ask(questions[1], **LENGTH) == fresh_answer(model, processor, video, questions[1])


@pytest.mark.parametrize(
    "limits, expected",
    [
        ({}, (1024, None)),
        ({"max_new_tokens": 5}, (5, None)),
        ({"max_length": 2500}, (None, 2500)),
        ({"generation_config": GenerationConfig(max_new_tokens=7)}, (7, None)),
    ],
    ids=str,
)
def test_default_length(model, chat, questions, limits, expected, monkeypatch):
    monkeypatch.setattr(model, "generation_config", GenerationConfig())
    configs = []
    monkeypatch.setattr(
        model,
        "generate",
        lambda **kwargs: configs.append(kwargs["generation_config"]) or torch.zeros(1, 1, dtype=torch.long),
    )
    chat.ask(questions[0], **limits)
    assert [(config.max_new_tokens, config.max_length) for config in configs] == [expected]


def test_generation_config_of_the_model_fills_what_is_not_given(model, processor, video, questions, chat, monkeypatch):
    monkeypatch.setattr(model, "generation_config", GenerationConfig(**model.generation_config.to_dict()))
    model.generation_config.num_beams = 2
    model.generation_config.num_return_sequences = 2
    model.generation_config.use_cache = False
    expected = fresh_answer(model, processor, video, questions[0])
    assert chat.ask(questions[0], **LENGTH) == expected
    assert chat.ask(questions[0], generation_config=GenerationConfig(**LENGTH)) == expected
    assert model.generation_config.num_return_sequences == 2  # nothing is written to it


# What is refused


@pytest.mark.parametrize(
    "name", ["past_key_values", "cache", "cache_implementation", "input_ids", "num_return_sequences"]
)
def test_arguments_that_it_sets_itself(chat, name):
    with pytest.raises(ValueError, match=f"`ask` does not take '{name}': it makes the prompt and the cache itself"):
        chat.ask("What?", **{name: 1})


@pytest.mark.parametrize(
    "question, message",
    [
        (5, "A question must be a string or a chat, a list of messages, got int 5"),
        (["What?"], r"A question must be a string or a chat, a list of messages, got list \['What\?'\]"),
        ("  ", "The question is missing: the text is empty. Say what to answer"),
        ([], r"must end with a question, a message of the role 'user', got the roles \[\]"),
        ([{"role": "assistant", "content": "Red."}], r"got the roles \['assistant'\]"),
        (
            [{"role": "user", "content": [{"type": "video", "path": "a.mp4"}]}],
            "the video is given once, to `VideoChat`",
        ),
        ([{"role": "user"}], "A message must be text, got None"),
    ],
    ids=str,
)
def test_what_is_no_question(chat, question, message):
    with pytest.raises(ValueError, match=message):
        chat.ask(question)


@pytest.mark.parametrize("token", ["<|video_pad|>", "<|image_pad|>", "<|im_end|>"])
def test_control_tokens_of_a_question_are_text(model, processor, chat, video, token):
    question = f"Is {token} red?"
    content = [{"type": "video", "video": video}, {"type": "text", "text": question}]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    ids = model.generate(**inputs, max_new_tokens=4)[0, inputs["input_ids"].shape[1] :]
    assert chat.ask(question, max_new_tokens=4) == processor.decode(ids, skip_special_tokens=True)


def test_wrong_messages(chat):
    with pytest.raises(ValueError, match="Message 0 has the key 'video', which the chat template does not look at"):
        chat.ask([{"role": "user", "content": "Why?", "video": "a.mp4"}])
    with pytest.raises(ValueError, match="has the unknown key 'fps': it may have 'text'"):
        chat.ask([{"role": "user", "content": [{"type": "text", "text": "Why?", "fps": 2}]}])
    with pytest.raises(ValueError, match="lone surrogate"):
        chat.ask("\ud800")


def test_video_options_for_an_encoded_video(model, processor, encoded):
    with pytest.raises(ValueError, match="'start_seconds' cannot be applied to a video that is encoded already"):
        VideoChat(model, processor, encoded, start_seconds=1)


def test_unknown_options(model, processor, video):
    with pytest.raises(ValueError, match="Unknown option 'start'"):
        VideoChat(model, processor, video, start=1)


def test_rows_of_another_model_or_of_several_videos(model, processor, encoded):
    rows = encoded.pooler_output
    for other in (rows.repeat(2, 1, 1), rows[:, 1:], rows[..., 1:]):
        with pytest.raises(ValueError, match="but one video of this model and processor has") as error:
            VideoChat(model, processor, type(encoded)(pooler_output=other))
        assert str(tuple(other.shape)) in str(error.value) and str(tuple(rows.shape)) in str(error.value)


def test_several_videos(model, processor, video):
    with pytest.raises(ValueError, match="videos"):
        VideoChat(model, processor, [video, video])


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_a_video(model, processor, video, encoded, name):
    assert VideoChat(model, processor, FORMS[name](video)).video.pooler_output.equal(encoded.pooler_output)
