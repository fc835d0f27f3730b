# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What reaches Gradio, and what does not. Behind the gate stands an application that says what it was asked."""

import asyncio
import json
import os
import time

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from transformers_mvgpt.server.web_gate import PageGate
from transformers_mvgpt.server.web_uploads import UploadFolder


KEY = "a key of some length"
HERE = "http://127.0.0.1:7860"


async def behind(scope, receive, send):
    body = await Request(scope, receive).body()
    await JSONResponse({"path": scope["path"], "size": len(body)})(scope, receive, send)


@pytest.fixture
def uploads():
    with UploadFolder(max_upload_bytes=100_000) as uploads:
        yield uploads


@pytest.fixture
def upload(uploads):
    path = uploads.path / "digest" / "clip.mp4"
    path.parent.mkdir()
    path.write_bytes(b"0" * 1000)
    return path


@pytest.fixture
def client(uploads):
    return TestClient(PageGate(behind, uploads=uploads, api_key=None, is_local=True), base_url=HERE)


@pytest.fixture
def client_with_key(uploads):
    return TestClient(PageGate(behind, uploads=uploads, api_key=KEY, is_local=False), base_url="http://example.org")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/config",
        "/assets/index.js",
        "/static/img/logo.svg",
        "/gradio_api/queue/data?session_hash=x",
        "/gradio_api/heartbeat/x",
    ],
)
def test_what_the_page_reads(client, path):
    answer = client.get(path)
    assert answer.json()["path"] == path.partition("?")[0]
    assert "connect-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/proxy=http://example.org/",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=http://example.org/x.mp4",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/run/predict",
        "/gradio_api/call/ask",
        "/gradio_api/component_server",
        "/gradio_api/vibe-edit",
        "/gradio_api/openapi.json",
        "/gradio_api/deep_link",
        "/gradio_api/runs",
        "/monitoring",
        "/login",
        "/svelte",
        "/nothing",
    ],
)
def test_what_is_not_there(client, path):
    for answer in (client.get(path), client.post(path), client.put(path)):
        assert answer.status_code == 404
        assert answer.json() == {"detail": "There is nothing here."}


def test_files(client, uploads, upload):
    outside = uploads.path.parent / "outside.txt"
    for path in (f"{uploads.path}/../{outside.name}", f"{upload.parent}", f"{uploads.path}/digest/other.mp4"):
        assert client.get(f"/gradio_api/file={path}").status_code == 404
    link = upload.parent / "link.mp4"
    link.symlink_to("/etc/passwd")
    assert client.get(f"/gradio_api/file={link}").status_code == 404
    assert client.get(f"/gradio_api/file={upload}").status_code == 200


def test_events_name_uploads_alone(client, upload):
    def ask(path):
        event = {"data": [{"video": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}], "session_hash": "x"}
        return client.post("/gradio_api/queue/join", json=event)

    assert ask(str(upload)).json() == {"path": "/gradio_api/queue/join", "size": len(ask(str(upload)).request.content)}
    for path in ("/etc/passwd", "https://example.org/clip.mp4", f"{upload}/../../../etc/passwd", None, 7, "\0"):
        answer = ask(path)
        assert answer.status_code == 403
        assert answer.json() == {"detail": "This file is not here (any more): choose it again."}
    for body in (b"{", b"[" * 100_000):
        assert client.post("/gradio_api/queue/join", content=body).status_code == 400
    long = client.post("/gradio_api/queue/join", content=json.dumps({"data": ["a" * 300_000]}))
    assert (long.status_code, long.text) == (
        413,
        "More than 262,144 characters are not taken: ask a shorter question.",
    )


def test_uploads_are_refused_before_they_are_read(client, uploads):
    read = []

    async def count(scope, receive, send):
        read.append(scope["path"])
        await behind(scope, receive, send)

    client = TestClient(PageGate(count, uploads=uploads, api_key=None, is_local=True), base_url=HERE)
    answer = client.post("/gradio_api/upload", content=b"0" * 200_000)
    assert answer.status_code == 413
    assert answer.text == (
        "The file has 0.2 MB, and at most 0.1 MB are taken: cut it shorter, or raise `--max-upload-mb` of `mvgpt web`."
    )
    assert client.post("/gradio_api/upload", content=iter([b"0"])).status_code == 411
    assert read == []
    assert client.post("/gradio_api/upload", content=b"0" * 90_000).json()["size"] == 90_000
    assert uploads.refusal(0) is None


def upload_of(num_bytes, **headers):
    """The scope of an upload that says how many bytes it has."""
    headers = {"host": "127.0.0.1", "content-length": str(num_bytes)} | headers
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": "POST", "path": "/gradio_api/upload", "query_string": b"", "headers": raw}


def run_gate(app, uploads, scope, receive):
    """What is sent to the visitor."""
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(PageGate(app, uploads=uploads, api_key=None, is_local=True)(scope, receive, send))
    return sent


def test_uploads_have_no_more_than_they_say(uploads):
    """h11 reads a request as chunks, of any size, although it also says a length."""
    read = []

    async def count(scope, receive, send):
        while (message := await receive())["type"] == "http.request":
            read.append(len(message["body"]))

    async def receive():
        return {"type": "http.request", "body": b"0" * 400, "more_body": True}

    start, body = run_gate(count, uploads, upload_of(1, transfer_encoding="chunked"), receive)
    assert (start["status"], json.loads(body["body"])) == (411, {"detail": "Uploads say how large they are."})
    assert read == []
    run_gate(count, uploads, upload_of(1000), receive)
    assert read == [400, 400]


def test_who_leaves_or_does_not_end_while_a_file_is_sent(uploads, monkeypatch):
    """Neither is an error of the server, and the room is free again."""
    monkeypatch.setattr("transformers_mvgpt.server.web_gate._UPLOAD_SECONDS", 0.06)

    async def leave():
        return {"type": "http.disconnect"}

    async def wait():
        await asyncio.sleep(10)

    assert run_gate(behind, uploads, upload_of(90_000), leave) == []
    with monkeypatch.context() as patch:
        patch.setattr("transformers_mvgpt.server.web_gate._SILENCE_SECONDS", 0.01)
        assert run_gate(behind, uploads, upload_of(90_000), wait) == []
    start, body = run_gate(behind, uploads, upload_of(90_000), wait)
    assert start["status"] == 408
    assert json.loads(body["body"]) == {"detail": "The file took more than 0.001 minutes: send a smaller one."}
    assert [uploads.refusal(100_000) for _ in range(20)] == [None] * 20


def test_room_for_uploads(uploads, upload):
    """What is on its way counts, so that many at once do not fill the disk."""
    for _ in range(19):
        assert uploads.refusal(100_000) is None
    full = "Other visitors' uploads take all the room that there is for them: try again in a few minutes."
    assert uploads.refusal(100_000) == full
    uploads.arrived(100_000)
    assert uploads.refusal(100_000) is None


def test_what_no_page_names_is_deleted(uploads, upload):
    stray = uploads.path / "tmp123"
    stray.write_bytes(b"half of it")
    example = uploads.examples / "clip.mp4"
    example.write_bytes(b"0")
    for file in (stray, example, upload):
        os.utime(file, (time.time() - 200,) * 2)
    uploads.claim(upload, "one")
    uploads.claim(upload, "other")
    uploads.sweep()
    assert (stray.exists(), example.exists(), upload.exists()) == (False, True, True)
    uploads.claim(None, "one")
    assert upload.exists()
    uploads.claim(example, "other")
    assert not upload.parent.exists()
    uploads.claim(None, "other")
    assert example.exists()


def test_other_hosts_and_other_pages(client):
    """As if their names led here, or they sent what this page sends."""
    answer = client.get("/", headers={"Host": "evil.example"})
    assert answer.status_code == 403
    assert answer.json()["detail"].startswith("This page is for this machine alone: open it as http://127.0.0.1")
    for host in ("localhost:7860", "[::1]:7860"):
        assert client.get("/", headers={"Host": host}).status_code == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:8000", "http://["):
        answer = client.post("/gradio_api/cancel", json={}, headers={"Origin": origin})
        assert (answer.status_code, answer.json()) == (403, {"detail": "Requests of other pages are refused."})
    assert client.post("/gradio_api/cancel", json={}, headers={"Origin": HERE}).status_code == 200


def test_the_key(client_with_key):
    client = client_with_key
    page = client.get("/")
    assert page.status_code == 401 and 'type="password"' in page.text
    for path in ("/config", "/gradio_api/queue/data", "/gradio_api/heartbeat/x", "/assets/index.js"):
        assert client.get(path).status_code == 401
    assert client.post("/gradio_api/upload", content=b"0").status_code == 401
    wrong = client.post("/login", data={"key": "<b>"})
    assert wrong.status_code == 401 and "That is not the key." in wrong.text
    right = client.post("/login", data={"key": KEY}, follow_redirects=False)
    assert (right.status_code, right.headers["location"]) == (303, "/")
    cookie = right.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and KEY not in cookie
    assert client.get("/").json()["path"] == "/"
    client.cookies.clear()
    client.cookies.set("mvgpt_web_80", "another")
    assert client.get("/config").status_code == 401


def test_cookies_of_other_programs(uploads):
    """Browsers give them to all ports of a host: a second page, and what is no cookie by the standard."""
    first, second = (PageGate(behind, uploads=uploads, api_key=KEY, is_local=True) for _ in range(2))
    clients = [TestClient(first, base_url=HERE), TestClient(second, base_url="http://127.0.0.1:7861")]
    cookies = ['other={"a": "b, c"}']
    for client in clients:
        answer = client.post("/login", data={"key": KEY}, follow_redirects=False)
        cookies.append(answer.headers["set-cookie"].partition(";")[0])
        client.cookies.clear()
    for client in clients:
        assert client.get("/config", headers={"Cookie": "; ".join(cookies)}).status_code == 200


def test_what_gradio_fails_on(uploads, caplog):
    async def fail(scope, receive, send):
        await JSONResponse({}, 500)(scope, receive, send)
        raise KeyError(99)

    client = TestClient(PageGate(fail, uploads=uploads, api_key=None, is_local=True), base_url=HERE)
    assert client.post("/gradio_api/queue/join", json={"fn_index": 99}).status_code == 400
    assert client.get("/config").status_code == 500
    lines = [(record.levelname, record.getMessage()) for record in caplog.records if record.name.endswith("web_gate")]
    assert lines == [
        ("WARNING", "POST /gradio_api/queue/join: KeyError: 99"),
        ("WARNING", "GET /config: KeyError: 99"),
    ]


def test_the_api_has_keys_of_its_own(client_with_key):
    for path in ("/health", "/metrics", "/v1/models"):
        assert client_with_key.get(path).json()["path"] == path
