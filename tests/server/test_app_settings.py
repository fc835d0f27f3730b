# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The application under settings of its own: keys, limits, times."""

import asyncio
import json

import httpx
import pytest
from PIL import Image
from starlette.testclient import TestClient

from served_models import Served, about, events_of, text, to_data
from transformers_mvgpt.server.answering import Answer
from transformers_mvgpt.server.app import create_app
from transformers_mvgpt.server.settings import ServerSettings


@pytest.fixture
def small():
    """With settings of its own."""
    made: list[Served] = []

    def make(**settings):
        made.append(Served("mobile_videogpt", **settings))
        return made[-1]

    yield make
    for each in made:
        each.app.state.service.close()


def test_keys(small):
    served = small(api_key="secret")
    for path in ("/v1/models", "/v1/models/m", "/metrics"):
        for header in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "secret"},
            {"Authorization": "Basic secret"},
        ):
            response = served.client.get(path, headers=header)
            assert response.status_code == 401
            assert response.json()["error"] == {
                "message": "The API key is missing or wrong: send it as `Authorization: Bearer KEY`.",
                "type": "authentication_error",
                "param": None,
                "code": "invalid_api_key",
            }
        assert served.client.get(path, headers={"Authorization": "bearer secret"}).status_code == 200
    assert served.client.post("/v1/chat/completions", content=b"{").status_code == 401
    assert served.client.get("/health").status_code == 200
    assert "secret" not in repr(ServerSettings("m", api_key="secret"))


def test_pages_of_other_sites(small):
    """Without a key, a page in this machine's browser could ask, and read the answers by a name that leads here."""
    served = small()
    here, evil = {"Host": "127.0.0.1:8000"}, {"Host": "evil.example"}
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "a"}], "max_tokens": 1})
    messages = {
        "other_host": "This server is for this machine alone: ask it as http://127.0.0.1, or set a key (`MVGPT_API_KEY`).",
        "other_site": "Pages of other sites are refused where there is no key: set one (`MVGPT_API_KEY`).",
    }
    for settings, headers, code in (
        ({"is_local": True}, evil, "other_host"),
        ({"is_local": True}, {"Host": "[::1"}, "other_host"),
        ({"is_local": True}, {**here, "Origin": "http://evil.example"}, "other_site"),
        ({"is_local": True}, {**here, "Origin": "null"}, "other_site"),
        ({"is_local": True}, {**here, "Origin": "http://["}, "other_site"),
        ({"is_local": True}, {**here, "Origin": "http://127.0.0.1:8000"}, None),
        ({"is_local": True}, here, None),
        ({"is_local": True}, {"Host": "localhost"}, None),
        ({}, evil, None),
        ({}, {**here, "Origin": "http://evil.example"}, "other_site"),
        # as a proxy passes it on
        ({"is_local": True, "api_key": "secret"}, {**evil, "Origin": "http://site.example"}, None),
    ):
        app = create_app(served.model, served.processor, ServerSettings("m", **settings))
        client = TestClient(app, headers={"Authorization": "Bearer secret", **headers})
        answers = [client.get(path) for path in ("/health", "/metrics", "/v1/models", "/v1/models/m")]
        # a body that a page may send without asking first
        answers.append(client.post("/v1/chat/completions", content=body, headers={"Content-Type": "text/plain"}))
        assert {answer.status_code for answer in answers} == {403 if code else 200}, (settings, headers)
        if code is not None:
            assert [answer.json()["error"] for answer in answers] == [
                {"message": messages[code], "type": "permission_error", "param": None, "code": code}
            ] * len(answers)
        app.state.service.close()


def test_limits_of_the_cache(small, clip_data):
    served = small(max_cached_visuals=2)
    pictures = [to_data(Image.new("RGB", (20, 20), color)) for color in ("red", "green", "blue")]

    def ask(url):
        served.ask(
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}, text("a")]}], max_tokens=1
        )
        return served.metric("visuals_encoded_total")

    assert [ask(pictures[number]) for number in (0, 1, 0, 2, 0, 1)] == [1, 2, 2, 3, 3, 4]
    assert served.metric("cached_visuals") == 2
    served.ask(about(clip_data), max_tokens=1)
    num_bytes = served.metric("cached_bytes")
    [chat] = [visual.chat for visual in served.app.state.service.cache._kept.values() if visual.chat]
    # visual tokens, and the keys and values of the prefill
    assert 0 < chat.num_cached_bytes < num_bytes
    small(max_cached_bytes=10).ask(about(clip_data))
    nothing = small(max_cached_visuals=0)
    nothing.ask(about(clip_data))
    assert nothing.metric("cached_visuals") == nothing.metric("cached_bytes") == 0


def test_large_requests(small, clip_data):
    served = small(max_request_bytes=2000)
    for content in (b"a" * 3000, iter([b"a" * 1500, b"a" * 1500])):
        response = served.client.post("/v1/chat/completions", content=content)
        assert (response.status_code, response.json()["error"]["code"]) == (413, "request_too_large")
        assert (
            "more than the 2,000 bytes that are taken (`--max-request-bytes`)" in response.json()["error"]["message"]
        )
    assert served.ask([{"role": "user", "content": "a"}])
    assert served.metric("requests_in_server") == 0


def test_a_body_that_pauses(small, monkeypatch):
    served = small()
    monkeypatch.setattr("transformers_mvgpt.server.chat_endpoint._SILENCE_SECONDS", 0.05)

    async def main():
        sent = []
        blocks = [{"type": "http.request", "body": b"{", "more_body": True}]

        async def receive():
            return blocks.pop() if blocks else await asyncio.sleep(60)

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": [], "query_string": b""}
        await served.app(scope, receive, send)
        return sent

    start, body = asyncio.run(main())
    assert start["status"] == 408
    assert json.loads(body["body"])["error"]["message"] == "The body stopped after 1 bytes: send it in time."
    assert served.metric("requests_in_server") == 0


def test_time_is_limited(small, monkeypatch):
    served = small(request_seconds=1)

    def dawdle(prepared, visuals, on_text, is_cancelled):
        on_text("The ")
        while not is_cancelled():
            pass
        return Answer("", "length", 0, 0)

    monkeypatch.setattr(served.app.state.service.answerer, "answer", dawdle)
    response = served.post([{"role": "user", "content": "a"}])
    assert (response.status_code, response.json()["error"]["code"]) == (504, "timeout")
    assert (
        "took more than 1 seconds: ask for less, or raise `--request-seconds`" in response.json()["error"]["message"]
    )
    *_, error = events_of(served.post([{"role": "user", "content": "a"}], stream=True))
    assert error["error"]["code"] == "timeout"


def test_models_of_others(small):
    served = small()
    with pytest.raises(ValueError, match="'qwen2' is none of the model types of this package"):
        create_app(served.model.model.language_model, served.processor, ServerSettings("m"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_waiting": -1}, r"`max_waiting` \(-1\) must be at least 0."),
        ({"request_seconds": float("nan")}, r"`request_seconds` \(nan\) must be at least 1."),
        ({"api_key": " "}, "The API key must be printable ASCII without blanks around it, at least one character."),
        ({"media_folders": ["/no/such"]}, "There is no folder '/no/such' to read media from. Check the path."),
    ],
)
def test_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        ServerSettings("m", **settings)


def test_bodies_on_their_way_keep_nobody_out(small):
    """Not before they are there do they have a place in the queue, and their bytes are limited."""
    served = small(max_waiting=1, max_request_bytes=2000)
    path = "/v1/chat/completions"
    body = {"model": "m", "messages": [{"role": "user", "content": "a"}], "max_tokens": 1}

    async def main():
        never = asyncio.Event()

        async def drip(num_bytes):
            yield b" " * num_bytes
            await never.wait()

        transport = httpx.ASGITransport(served.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            slow = [asyncio.create_task(client.post(path, content=drip(10))) for _ in range(5)]
            await asyncio.sleep(0.1)
            assert served.app.state.service.num_incoming_bytes == 50
            answered = await client.post(path, json=body)
            slow += [asyncio.create_task(client.post(path, content=drip(1900))) for _ in range(2)]
            await asyncio.sleep(0.1)
            refused = await client.post(path, content=b" " * 990)
            for task in slow:
                task.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            return answered, refused, await client.post(path, json=body)

    answered, refused, afterwards = asyncio.run(main())
    assert (answered.status_code, afterwards.status_code) == (200, 200)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert refused.json()["error"]["message"] == (
        "Bodies of 4,840 bytes are on their way to the server, which is more than it takes (`--max-waiting` times "
        "`--max-request-bytes`): try again in a second."
    )
    assert served.app.state.service.num_incoming_bytes == 0
