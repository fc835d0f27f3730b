# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The application in this process: its answers are those of `generate`, in all families, and its errors name what is wrong."""

import re
from typing import Any

import pytest
import torch
from PIL import Image

from served_models import FOLDERS, Served, about, events_of, text, to_data


@pytest.fixture(scope="module")
def all_served():
    served: dict[str, Served] = {}
    yield lambda name: served.get(name) or served.setdefault(name, Served(name))
    for each in served.values():
        each.app.state.service.close()


@pytest.fixture
def served(all_served):
    return all_served("mobile_videogpt")


PICTURES = [Image.linear_gradient("L").convert("RGB"), Image.new("RGB", (40, 30), "red")]


def of_openai(part, clip_data):
    """A part of the processor's as one of OpenAI's."""
    if part["type"] == "image":
        return {"type": "image_url", "image_url": {"url": to_data(part["image"])}}
    return {"type": "video_url", "video_url": {"url": clip_data}} if part["type"] == "video" else part


def chats(family: str, clip: str) -> dict[str, list[dict[str, Any]]]:
    """Chats of all shapes that the family knows."""
    visual = {"type": "image", "image": PICTURES[0]} if family == "mobilevlm" else {"type": "video", "video": clip}
    other = {"type": "image", "image": PICTURES[1]}
    first = {"role": "user", "content": [visual, text("What is there?")]}
    answer = {"role": "assistant", "content": "A blue circle."}
    found = {
        "one": [first],
        "one, behind the text": [{"role": "user", "content": [text("What is "), visual, text("this?")]}],
        "several turns": [first, answer, {"role": "user", "content": "And what else?"}],
        "with a system message": [{"role": "system", "content": "You count."}, first],
        "visual in the second turn": [{"role": "user", "content": "Hello."}, answer, first],
        "visual alone, then a question": [{"role": "user", "content": [visual]}, answer, {"role": "user", "content": "Which color?"}],
        "two": [{"role": "user", "content": [visual, visual, text("Are they the same?")]}],
        "of two kinds": [{"role": "user", "content": [other, visual, text("What is red?")]}],
        "an image": [{"role": "user", "content": [other, text("What is it?")]}],
        "text alone": [{"role": "user", "content": "What is red?"}],
        "control tokens": [{"role": "user", "content": [visual, text("<|im_end|> <image> <|video_pad|> </s>?")]}],
    }  # fmt: skip
    return found


@pytest.mark.parametrize("family", FOLDERS)
def test_answers_are_those_of_generate(all_served, family, clip, clip_data):
    served = all_served(family)
    for name, chat in chats(family, str(clip)).items():
        asked = [
            message
            if isinstance(message["content"], str)
            else {**message, "content": [of_openai(part, clip_data) for part in message["content"]]}
            for message in chat
        ]
        assert served.ask(asked) == served.generate(chat), name
    # the visual and the other image, each once
    assert served.metric("visuals_encoded_total") == 2
    assert served.metric("cache_hits_total") == 10


def test_streams(served, clip_data):
    chat = about(clip_data)
    whole = served.post(chat, selected_frames=True).json()
    *events, done = events_of(
        served.post(chat, stream=True, stream_options={"include_usage": True}, selected_frames=True)
    )
    assert done == "data: [DONE]"
    first, *pieces, last, usage = events
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert (
        "".join(event["choices"][0]["delta"]["content"] for event in pieces)
        == whole["choices"][0]["message"]["content"]
    )
    assert len(pieces) > 3
    assert last["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    frames = whole["choices"][0]["message"]["selected_frames"]
    assert last["choices"][0]["delta"] == {"selected_frames": frames}
    assert usage["choices"] == [] and usage["usage"] == whole["usage"]
    assert {(event["object"], event["id"], event["model"]) for event in events} == {
        ("chat.completion.chunk", first["id"], "m")
    }
    without = events_of(served.post(chat, stream=True))
    assert len(without) == len(events) and "usage" not in without[0]


def test_counts_and_reasons(served, clip_data):
    whole = served.post(about(clip_data, "Describe the video."), max_tokens=100).json()
    usage = whole["usage"]
    prompt = served.processor.encode_chat(
        [{"role": "user", "content": [{"type": "video"}, text("Describe the video.")]}]
    )
    assert usage["prompt_tokens"] == len(prompt)
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert whole["choices"][0]["finish_reason"] == "stop"
    answer = whole["choices"][0]["message"]["content"]

    cut = served.post(about(clip_data, "Describe the video."), max_tokens=None, max_completion_tokens=3).json()
    assert (cut["choices"][0]["finish_reason"], cut["usage"]["completion_tokens"]) == ("length", 3)

    word = answer.split()[3]
    stopped = served.post(about(clip_data, "Describe the video."), max_tokens=100, stop=[word, "nothing"]).json()
    assert stopped["choices"][0]["message"]["content"] == answer[: answer.index(word)]
    assert stopped["choices"][0]["finish_reason"] == "stop"
    assert stopped["usage"]["completion_tokens"] < usage["completion_tokens"]


def test_selected_frames_are_the_pipelines(served, clip, clip_data):
    frames = served.post(about(clip_data), selected_frames=True).json()["choices"][0]["message"]["selected_frames"]
    inputs = served.processor(text="<|video_pad|>", videos=[str(clip)], return_tensors="pt", return_metadata=True)
    with torch.no_grad():
        features = served.model.get_video_features(
            inputs["pixel_values_videos"], inputs["context_pixel_values_videos"]
        )
    [metadata] = inputs["video_metadata"]
    expected = [metadata.frames_indices[place] for place in features.selected_frames[0]]
    assert [frame["index"] for frame in frames] == expected
    assert [frame["seconds"] for frame in frames] == [pytest.approx(index / 10) for index in expected]
    assert {frame["video"] for frame in frames} == {0} and all(frame["score"] > 0 for frame in frames)
    alone = served.post([{"role": "user", "content": "Hi"}], selected_frames=True).json()
    assert alone["choices"][0]["message"]["selected_frames"] == []


def test_sampling(served, clip_data, monkeypatch):
    chat = about(clip_data, "Describe the video.")
    greedy = served.ask(chat)
    assert served.ask(chat, temperature=0, top_p=0.1) == greedy
    drawn = {served.ask(chat, temperature=2, seed=seed) for seed in range(4)}
    assert len(drawn) > 1
    assert served.ask(chat, temperature=2, seed=3) == served.ask(chat, temperature=2, seed=3)
    # among the most likely alone
    assert served.ask(chat, temperature=2, top_p=1e-6) == greedy
    # it is too sure of a caption for OpenAI's largest penalty
    monkeypatch.setattr("transformers_mvgpt.server.request_schema.MAX_PENALTY", 100)
    assert len({greedy, served.ask(chat, frequency_penalty=100), served.ask(chat, presence_penalty=-100)}) == 3
    prompt = served.generate([{"role": "user", "content": "What is red?"}], repetition_penalty=1.0)
    assert served.ask([{"role": "user", "content": "What is red?"}], presence_penalty=1e-6) == prompt


def test_frames_of_a_request(served, clip_data):
    encoded = served.metric("visuals_encoded_total")
    for options in ({"max_frames": 4}, {"max_frames": 4}, {"fps": 1}, {"start_seconds": 1, "end_seconds": 5}):
        served.ask(about(clip_data, **options))
    assert served.metric("visuals_encoded_total") == encoded + 3
    frames = served.post(about(clip_data, start_seconds=2, end_seconds=5), selected_frames=True).json()
    assert all(2 <= frame["seconds"] <= 5 for frame in frames["choices"][0]["message"]["selected_frames"])


VIDEO = {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}


@pytest.mark.parametrize(
    ("family", "chat", "fields", "param", "message"),
    [
        (
            "mobile_videogpt",
            [VIDEO, text("a")],
            {},
            "messages.0.content.0.video_url.url",
            "The video <3 bytes> could not be read .*",
        ),
        ("mobile_videogpt", [VIDEO], {}, "messages", "`messages`: The question is missing: .*"),
        ("mobile_videogpt", " ", {}, "messages", "`messages`: The question is missing: .*"),
        ("mobile_videogpt", "\ud800", {}, "messages", r"`messages`: Message 0 has a lone surrogate \(U\+D800\).*"),
        (
            "mobile_videogpt",
            "a" * 100_000,
            {},
            "messages",
            "`messages` has 100,000 characters, and the context of this model 1,024 tokens: send less.",
        ),
        (
            "mobile_videogpt",
            "a " * 2000,
            {},
            "messages",
            r"`messages` has [\d,]+ tokens with its videos and images, and the context of this model 1,024 tokens: send less.",
        ),
        (
            "mobile_videogpt",
            "a",
            {"max_tokens": 1024},
            "max_tokens",
            r"`max_tokens` \(1024\) is more than the \d+ tokens that are left of the context of 1024 behind a prompt of \d+: .*",
        ),
        (
            "mobile_videogpt",
            "a",
            {"chat_template_kwargs": {"think": True}},
            "chat_template_kwargs.think",
            "`chat_template_kwargs.think`: the chat template has no such variable. Leave it out.",
        ),
        (
            "mobilevlm",
            [VIDEO, text("a")],
            {},
            "messages.0.content.0.video_url.url",
            "`messages.0.content.0.video_url.url` is a video, and this model takes images: .*",
        ),
        (
            "tinyllava",
            "a",
            {"selected_frames": True},
            "selected_frames",
            "`selected_frames`: a TinyLlavaVideoForConditionalGeneration selects no frames, .*",
        ),
    ],
)
def test_refused_by_the_model(all_served, family, chat, fields, param, message):
    response = all_served(family).post([{"role": "user", "content": chat}], **fields)
    error = response.json()["error"]
    assert response.status_code == 400 and error["param"] == param
    assert re.match(rf"(`{param}`: )?{message}", error["message"]), error["message"]


def test_late_system_messages(all_served):
    chat = [{"role": "user", "content": "a"}, {"role": "system", "content": "b"}, {"role": "user", "content": "c"}]
    response = all_served("tinyllava").post(chat)
    assert (response.status_code, response.json()["error"]["param"]) == (400, "messages")
    assert "may only be the first one" in response.json()["error"]["message"]


def test_variables_of_the_chat_template(all_served):
    served = all_served("tinyllava")
    chat = [{"role": "user", "content": "What is red?"}]
    plain, thinking = (
        served.post(chat, chat_template_kwargs={"think": think}).json()["usage"] for think in (False, True)
    )
    assert thinking["prompt_tokens"] > plain["prompt_tokens"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "The body is no JSON: Expecting property name enclosed in double quotes: .*"),
        (b"[" * 100_000, "The body is no JSON: it is nested too deeply."),
        (b"\xff\xfe", "The body is no JSON: .*"),
        (b"1" * 10_000, "The body is no JSON: Exceeds the limit .*"),
        (b"", "The body is no JSON: .*"),
    ],
    ids=["cut", "deep", "bytes", "large number", "empty"],
)
def test_what_is_no_json(served, content, message):
    response = served.client.post("/v1/chat/completions", content=content)
    assert response.status_code == 400
    assert re.match(message, response.json()["error"]["message"])


def test_paths_and_methods_that_there_are_not(served):
    for method, path, status in (
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/chat/completions", 405),
        ("GET", "/docs", 404),
    ):
        response = served.client.request(method, path)
        assert response.status_code == status
        assert response.json()["error"]["message"].startswith(f"{method} {path}: ")


def test_models(served):
    [model] = served.client.get("/v1/models").json()["data"]
    assert (model["id"], model["object"], model["max_model_len"]) == ("m", "model", 1024)
    assert served.client.get("/v1/models/m").json() == model
    assert served.client.get("/v1/models/x/y").json()["error"]["code"] == "model_not_found"
    assert served.client.get("/health").json() == {"status": "ok"}


def test_faults_of_the_server_say_nothing_of_it(served, monkeypatch, caplog):
    service = served.app.state.service

    def fail(*args, **kwargs):
        raise KeyError("secret path")

    monkeypatch.setattr(service.answerer, "answer", fail)
    for stream in (False, True):
        response = served.post([{"role": "user", "content": "a"}], stream=stream)
        assert response.status_code == 500
        assert response.json()["error"] == {
            "message": "The server failed on this request. Its log says why; other requests are answered.",
            "type": "server_error",
            "param": None,
            "code": "internal_error",
        }
    assert "secret path" in caplog.text
    monkeypatch.undo()
    assert served.ask([{"role": "user", "content": "a"}])
    assert served.metric("requests_total", status="500") == 2


def test_a_fault_in_the_middle_of_a_stream(served, monkeypatch):
    """It is said to the client, who would wait for ever otherwise."""

    def fail_late(prepared, visuals, on_text, is_cancelled):
        on_text("The ")
        raise KeyError("secret path")

    monkeypatch.setattr(served.app.state.service.answerer, "answer", fail_late)
    *_, piece, error = events_of(served.post([{"role": "user", "content": "a"}], stream=True))
    assert piece["choices"][0]["delta"] == {"content": "The "}
    assert error["error"]["code"] == "internal_error"


@pytest.mark.parametrize("where", ["language_model", "encoder"])
def test_memory_that_runs_out(served, clip_data, monkeypatch, where):
    def fail(*args, **kwargs):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    name = "generate" if where == "language_model" else "get_video_features"
    served.app.state.service.cache.clear()
    monkeypatch.setattr(served.model, name, fail)
    response = served.post(about(clip_data))
    assert (response.status_code, response.json()["error"]["code"]) == (503, "out_of_memory")
    assert response.json()["error"]["message"].startswith("Out of memory w")
    assert response.headers["retry-after"] == "5"
    assert served.app.state.service.cache.num_visuals == 0
    monkeypatch.undo()
    assert served.ask(about(clip_data))
