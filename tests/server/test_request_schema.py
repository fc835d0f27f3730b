# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What requests may say: each refusal names its field, and nothing that would change an answer is passed over."""

import re

import pytest

from transformers_mvgpt.server.message_parts import Visual
from transformers_mvgpt.server.request_errors import RequestError
from transformers_mvgpt.server.request_schema import parse_request


QUESTION = {"role": "user", "content": "What is red?"}


def body(**fields):
    return {"model": "m", "messages": [QUESTION], **fields}


def about(*parts, **fields):
    return body(messages=[{"role": "user", "content": [*parts, {"type": "text", "text": "What?"}]}], **fields)


def refusal(given) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse_request(given, "m")
    return caught.value


def test_what_is_asked():
    request = parse_request(
        body(
            max_completion_tokens=7,
            temperature=0.5,
            top_p=0.9,
            frequency_penalty=1,
            presence_penalty=-2,
            stop="\n",
            seed=3,
            stream=True,
            stream_options={"include_usage": True},
            selected_frames=True,
            chat_template_kwargs={"think": True},
        ),
        "m",
    )
    assert request.messages == [QUESTION] and request.visuals == []
    assert (request.max_tokens, request.temperature, request.top_p) == (7, 0.5, 0.9)
    assert (request.frequency_penalty, request.presence_penalty) == (1.0, -2.0)
    assert (request.stop, request.seed, request.stream, request.include_usage) == (("\n",), 3, True, True)
    assert request.selected_frames and request.template_variables == {"think": True}


def test_what_has_no_effect_is_taken():
    harmless = {
        "user": "me",
        "metadata": {"a": "b"},
        "store": True,
        "service_tier": "auto",
        "n": 1,
        "logprobs": False,
        "tools": [],
        "tool_choice": "none",
        "response_format": {"type": "text"},
        "modalities": ["text"],
        "logit_bias": {},
        "stop": None,
        "max_tokens": None,
    }
    assert parse_request(body(**harmless), "m") == parse_request(body(), "m")


@pytest.mark.parametrize(
    "part",
    [
        {"type": "video_url", "video_url": {"url": "u", "fps": 2, "max_frames": 8}},
        {"type": "video_url", "video_url": {"url": "u"}, "fps": 2, "max_frames": 8},
        {"type": "video_url", "video_url": "u", "fps": 2, "max_frames": 8},
        {"type": "input_video", "input_video": "u", "fps": 2.0, "max_frames": 8},
        {"type": "input_video", "video_url": {"url": "u", "fps": 2}, "max_frames": 8},
        {"type": "video", "video": "u", "fps": 2, "max_frames": 8},
        {"type": "video", "url": "u", "fps": 2, "max_frames": 8, "start_seconds": None},
    ],
    ids=str,
)
def test_videos_in_all_forms(part):
    request = parse_request(about(part), "m")
    [visual] = request.visuals
    assert (visual.kind, visual.url, visual.options) == ("video", "u", {"fps": 2.0, "max_frames": 8})
    assert request.messages[0]["content"] == [{"type": "video"}, {"type": "text", "text": "What?"}]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "u", "detail": "low"}},
        {"type": "image_url", "image_url": "u"},
        {"type": "input_image", "image_url": "u", "detail": "auto"},
        {"type": "input_image", "input_image": {"url": "u"}},
        {"type": "image", "image": "u"},
    ],
    ids=str,
)
def test_images_in_all_forms(part):
    [visual] = parse_request(about(part), "m").visuals
    assert (visual.kind, visual.url, visual.options) == ("image", "u", {})


def test_paths_of_fields():
    part = {"type": "video_url", "video_url": {"url": "u", "fps": 1}, "end_seconds": 3}
    [visual] = parse_request(about({"type": "text", "text": "a"}, part), "m").visuals
    assert visual == Visual(
        "video",
        "u",
        "messages.0.content.1.video_url.url",
        {"end_seconds": 3.0, "fps": 1.0},
        {"end_seconds": "messages.0.content.1.end_seconds", "fps": "messages.0.content.1.video_url.fps"},
    )


def test_an_answer_is_sent_back_as_it_came():
    answer = {
        "role": "assistant",
        "content": "A square.",
        "refusal": None,
        "annotations": [],
        "tool_calls": None,
        "selected_frames": [{"video": 0, "index": 3}],
    }
    messages = [{"role": "developer", "content": "Be short."}, QUESTION, answer, QUESTION]
    assert parse_request(body(messages=messages), "m").messages == [
        {"role": "system", "content": "Be short."},
        QUESTION,
        {"role": "assistant", "content": "A square."},
        QUESTION,
    ]


VIDEO = {"type": "video_url", "video_url": {"url": "u"}}


@pytest.mark.parametrize(
    ("given", "param", "message"),
    [
        ([], None, r"The body must be a JSON object, got \[\]."),
        ({"messages": [QUESTION]}, "model", "`model` is missing: this server has 'm'."),
        ({"model": "m"}, "messages", "`messages` is missing: a list of messages that ends with a question."),
        (body(messages=[]), "messages", "`messages` must be a list of messages that ends with a question."),
        (body(messages=["a"]), "messages.0", "`messages.0` must be an object with `role` and `content`, got 'a'."),
        (
            body(messages=[{"role": "tool", "content": "a"}]),
            "messages.0.role",
            r"`messages.0.role` \('tool'\) must be 'system', 'user' or 'assistant'.",
        ),
        (
            body(messages=[{"role": "user"}]),
            "messages.0.content",
            r"`messages.0.content` \(None\) must be a text or a list of parts.",
        ),
        (
            body(messages=[{**QUESTION, "name": "Ann"}]),
            "messages.0.name",
            "`messages.0.name` is not supported: leave it out.",
        ),
        (
            body(messages=[QUESTION, {"role": "assistant", "content": "a"}]),
            "messages.1.role",
            "The last message must be the user's question.",
        ),
        (about(5), "messages.0.content.0", r"`messages.0.content.0` \(5\) must be an object with a `type`."),
        (
            about({"type": "input_audio"}),
            "messages.0.content.0.type",
            r"`messages.0.content.0.type` \('input_audio'\) must be 'text', 'video_url', .* 'image'.",
        ),
        (about({"type": []}), "messages.0.content.0.type", r"`messages.0.content.0.type` \(\[\]\) must be 'text', .*"),
        (
            about({"type": "text", "text": 5}),
            "messages.0.content.0.text",
            r"`messages.0.content.0.text` \(5\) must be a text.",
        ),
        (
            about({"type": "video_url"}),
            "messages.0.content.0",
            "`messages.0.content.0` has no 'video_url': it must have one address.",
        ),
        (
            about({"type": "video", "video": "u", "url": "v"}),
            "messages.0.content.0",
            "`messages.0.content.0` has 'video' and 'url': it must have one address.",
        ),
        (
            about({"type": "video_url", "video_url": {"fps": 1}}),
            "messages.0.content.0.video_url.url",
            r"`messages.0.content.0.video_url.url` \(None\) must be an address.",
        ),
        (
            about({**VIDEO, "speed": 2}),
            "messages.0.content.0.speed",
            "`messages.0.content.0.speed` is not supported: leave it out.",
        ),
        (
            about({**VIDEO, "fps": 0}),
            "messages.0.content.0.fps",
            r"`messages.0.content.0.fps` \(0\) must be a number, more than 0.",
        ),
        *(
            (
                about({**VIDEO, name: 10**400}),
                f"messages.0.content.0.{name}",
                rf"`messages.0.content.0.{name}` \(1000.*\) must be a number, .*",
            )
            for name in ("fps", "start_seconds", "end_seconds")
        ),
        (
            about({**VIDEO, "max_frames": 1.5}),
            "messages.0.content.0.max_frames",
            r"`messages.0.content.0.max_frames` \(1.5\) must be a whole number from 1 to 10,000.",
        ),
        (
            about({**VIDEO, "start_seconds": "1:30"}),
            "messages.0.content.0.start_seconds",
            r"`messages.0.content.0.start_seconds` \('1:30'\) must be a number, at least 0.",
        ),
        (
            about({"type": "video_url", "video_url": {"url": "u", "fps": 1}, "fps": 1}),
            "messages.0.content.0.video_url.fps",
            "`messages.0.content.0.video_url.fps` is given twice: leave one out.",
        ),
        (
            about({"type": "image_url", "image_url": {"url": "u"}, "fps": 1}),
            "messages.0.content.0.fps",
            "`messages.0.content.0.fps` is for videos, and this is an image: leave it out.",
        ),
        (
            body(messages=[{"role": "system", "content": [VIDEO]}, QUESTION]),
            "messages.0.content.0.video_url.url",
            "`messages.0.content.0.video_url.url` is in a message of the role 'system': videos and images belong to the user's.",
        ),
        (body(n=2), "n", r"`n` \(2\) is not supported, there is one answer to a request: leave it out."),
        (body(n=True), "n", r"`n` \(True\) is not supported, .*"),
        (body(tools=[{}]), "tools", r"`tools` \(\[{}\]\) is not supported, the models call no tools: leave it out."),
        (
            body(logprobs=True),
            "logprobs",
            r"`logprobs` \(True\) is not supported, probabilities of tokens are not returned: leave it out.",
        ),
        (
            body(response_format={"type": "json_object"}),
            "response_format",
            r"`response_format` \({'type': 'json_object'}\) is not supported, answers are text: leave it out.",
        ),
        (body(logit_bias={"1": 5}), "logit_bias", r"`logit_bias` \({'1': 5}\) is not supported: leave it out."),
        (body(top_k=5), "top_k", "`top_k` is not supported: leave it out."),
        (body(max_tokens=0), "max_tokens", r"`max_tokens` \(0\) must be a whole number, at least 1."),
        (body(max_tokens=True), "max_tokens", r"`max_tokens` \(True\) must be a whole number, at least 1."),
        (
            body(max_tokens=5, max_completion_tokens=5),
            "max_completion_tokens",
            "`max_tokens` and `max_completion_tokens` are the same: leave one out.",
        ),
        (body(temperature=2.5), "temperature", r"`temperature` \(2.5\) must be a number, from 0 to 2."),
        (
            body(temperature=float("nan")),
            "temperature",
            r"`temperature` \(nan\) must be a number, from 0 to 2.",
        ),
        (body(top_p=0), "top_p", r"`top_p` \(0\) must be more than 0, at most 1."),
        (
            body(frequency_penalty="1"),
            "frequency_penalty",
            r"`frequency_penalty` \('1'\) must be a number, from -2 to 2.",
        ),
        (body(presence_penalty=3), "presence_penalty", r"`presence_penalty` \(3\) must be a number, from -2 to 2."),
        (body(seed=1.5), "seed", r"`seed` \(1.5\) must be a whole number, from .*"),
        (body(stop=["a"] * 5), "stop", "`stop` has 5 texts: pass at most 4."),
        (body(stop=[""]), "stop", r"`stop` \(\[''\]\) must be a text or a list of texts, of 1 to 1,000 characters."),
        (body(stream="yes"), "stream", r"`stream` \('yes'\) must be true or false."),
        (
            body(stream_options={"include_usage": True}),
            "stream_options",
            "`stream_options` is for `stream: true`: leave it out.",
        ),
        (
            body(stream=True, stream_options={"a": 1}),
            "stream_options.a",
            "`stream_options.a` is not supported: leave it out.",
        ),
        (body(selected_frames=1), "selected_frames", r"`selected_frames` \(1\) must be true or false."),
        (body(chat_template_kwargs=[]), "chat_template_kwargs", r"`chat_template_kwargs` \(\[\]\) must be an object."),
    ],
)
def test_refusals_name_the_field(given, param, message):
    error = refusal(given)
    assert (error.status, error.param) == (400, param)
    assert re.fullmatch(message, error.message), error.message
    assert error.body["error"] == {
        "message": error.message,
        "type": "invalid_request_error",
        "param": param,
        "code": error.code,
    }


def test_another_model():
    error = refusal({"model": "gpt", "messages": [QUESTION]})
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert error.message == "The model 'gpt' is not served here: use 'm'."


def test_what_is_long_is_shortened():
    error = refusal(body(**{"x" * 10_000: 1}))
    assert len(error.message) < 300 and len(error.param) < 210
