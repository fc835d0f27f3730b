# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt serve` as people use it: a process, OpenAI's client, many requests at once, and clients that leave."""

import base64
import json
import re
import shutil
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import openai
import pytest
from transformers import AutoModelForImageTextToText, AutoProcessor
from typer.testing import CliRunner

from served_files import serve_folder
from server_processes import run_server
from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CHECKPOINT, CLIP, make_clip, write_clip


KEY = "a key of some length"
MAX_WAITING = 10
PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8").partition("## mvgpt serve")[2]
# With what was said made ever more likely, it does not come to an end by itself.
ENDLESS = {"frequency_penalty": -2, "presence_penalty": -2, "max_tokens": 900}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("allowed")
    for seed in range(3):
        write_clip(make_clip(seed, "test", width=128, height=128), folder / f"{seed}.mp4")
    return folder


@pytest.fixture(scope="module")
def server(folder):
    """As the page starts it, but for the model."""
    [command] = re.findall(r"^mvgpt serve \S+ (.*)$", PAGE, re.MULTILINE)
    options = [
        "--allow-media",
        str(folder),
        "--limit",
        "allow_private_addresses=true",
        "--max-waiting",
        str(MAX_WAITING),
    ]
    with run_server([str(CHECKPOINT), *command.split(), *options, "--device", "cpu"], key=KEY) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0)


def about(url, question="Describe the video."):
    return [
        {
            "role": "user",
            "content": [{"type": "video_url", "video_url": {"url": url}}, {"type": "text", "text": question}],
        }
    ]


def ask(client, url, question, **options):
    completion = client.chat.completions.create(model="mvgpt", messages=about(url, question), **options)
    return completion.choices[0].message.content


def ask_in_chunks(client, url, question):
    chunks = client.chat.completions.create(model="mvgpt", messages=about(url, question), stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


@pytest.fixture(scope="module")
def asked(folder):
    """24 questions about three clips: the address of a clip, the question, and what `generate` says to it."""
    model = AutoModelForImageTextToText.from_pretrained(CHECKPOINT)
    processor = AutoProcessor.from_pretrained(CHECKPOINT)
    questions = []
    for seed in range(3):
        path = folder / f"{seed}.mp4"
        for question in make_clip(seed, "test").questions[:8]:
            content = [{"type": "video", "video": str(path)}, {"type": "text", "text": question.text}]
            inputs = processor.apply_chat_template(
                [{"role": "user", "content": content}],
                add_generation_prompt=True,
                tokenize=True,
                return_dict=True,
                return_tensors="pt",
            )
            ids = model.generate(**inputs, max_new_tokens=100)[:, inputs["input_ids"].shape[1] :]
            [text] = processor.decode_answers(ids, skip_special_tokens=True)
            questions.append((path, question.text, text))
    return questions


def as_data(path):
    return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode()


def test_fifty_requests_from_eight_threads(server, client, folder, asked):
    """By `data:`, `file:` and http, whole and in chunks, with damaged videos among them."""
    (folder / "damaged.mp4").write_bytes(Path(CLIP).read_bytes()[:3000])
    with serve_folder(folder) as address:

        def request(number):
            path, question, expected = asked[number % len(asked)]
            url = (as_data(path), path.as_uri(), f"{address}/{path.name}")[number % 3]
            if number in (10, 40):
                with pytest.raises(openai.BadRequestError) as caught:
                    ask(client, (folder / "damaged.mp4").as_uri(), question)
                return caught.value.param, "messages.0.content.0.video_url.url"
            send = ask_in_chunks if number % 2 else ask
            return send(client, url, question), expected

        with ThreadPoolExecutor(8) as threads:
            for given, expected in threads.map(request, range(50)):
                assert given == expected
    # each clip as a file and as bytes: two keys
    assert server.metric("visuals_encoded_total") == 6
    assert server.metric("cache_hits_total") == 48 - 6
    assert server.metric("requests_total", status="400") == 2
    assert server.metric("requests_in_server") == 0
    right = sum(expected == truth for (_, _, expected), truth in zip(asked, truths(), strict=True))
    assert right >= 20  # so that these are answers, and not what a model that sees nothing says


def truths():
    return [question.answer for seed in range(3) for question in make_clip(seed, "test").questions[:8]]


def send(server, stream):
    """A request that would take long, on a connection of its own."""
    body = json.dumps(
        {"model": "mvgpt", "messages": [{"role": "user", "content": "Hello"}], "stream": stream, **ENDLESS}
    ).encode()
    connection = socket.create_connection(("127.0.0.1", server.port))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    return connection


def test_a_client_that_leaves_stops_its_answer(server):
    """While it is answered and while it waits, whole and in chunks."""
    tokens, left = server.metric("answer_tokens_total"), server.metric("clients_left_total")
    connections = [send(server, stream=True)]
    assert connections[0].recv(15) == b"HTTP/1.1 200 OK"
    connections += [send(server, stream) for stream in (False, True, False)]
    server.wait_for("requests_in_server", 4)
    for connection in connections:
        connection.close()
    server.wait_for("requests_in_server", 0, seconds=5)
    server.wait_for("clients_left_total", left + 4)
    # of the one that was answered, those up to when it was seen
    assert server.metric("answer_tokens_total") - tokens < 600


def test_a_client_that_leaves_before_the_first_text_stops_its_answer(server):
    """Nothing is written to it, which could fail."""
    tokens = server.metric("answer_tokens_total")
    connection = send(server, stream=False)
    server.wait_for("requests_in_server", 1)
    connection.close()
    server.wait_for("requests_in_server", 0, seconds=5)
    assert server.metric("answer_tokens_total") - tokens < 600


def test_a_full_line(server, client, asked):
    connections = [send(server, stream=False) for _ in range(MAX_WAITING + 1)]
    server.wait_for("requests_in_server", MAX_WAITING + 1)
    path, question, expected = asked[0]
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client, as_data(path), question)
    assert caught.value.code == "queue_full"
    assert "`--max-waiting 10`" in caught.value.message
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60
    for connection in connections:
        connection.close()
    server.wait_for("requests_in_server", 0, seconds=5)
    assert ask(client, as_data(path), question) == expected


def test_errors_are_those_of_openais_client(server, client, clip_data):
    wrong_key = openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        wrong_key.models.list()
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="other", messages=about(clip_data))
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="mvgpt", messages=about(clip_data), n=2)
    assert refused.value.param == "n"
    with pytest.raises(openai.BadRequestError) as outside:
        client.chat.completions.create(model="mvgpt", messages=about("file:///etc/passwd"))
    assert (outside.value.param, outside.value.code) == ("messages.0.content.0.video_url.url", "file_not_allowed")
    assert [model.id for model in client.models.list()] == ["mvgpt"]


def test_the_python_of_the_page(server, folder, monkeypatch, capsys):
    shutil.copy(CLIP, folder / "clip.mp4")
    [code] = re.findall(r"^```py\n(.*?)^```", PAGE.partition("\n## vLLM\n")[0], re.MULTILINE | re.DOTALL)
    with serve_folder(folder) as address:
        for theirs, ours in (
            ("http://127.0.0.1:8000", server.url),
            ('"none"', repr(KEY)),
            ("https://example.org", address),
        ):
            assert theirs in code
            code = code.replace(theirs, ours)
        names = {}
        exec(code, names)
    assert capsys.readouterr().out.startswith("The circle is blue and moves up.")
    assert len(names["completion"].choices[0].message.selected_frames) == 8


def test_sigterm(server):
    """The last one: what waits is refused, what is answered ends, and so does the process."""
    running = send(server, stream=True)
    assert running.recv(15) == b"HTTP/1.1 200 OK"
    waiting = send(server, stream=False)
    server.wait_for("requests_in_server", 2)
    begun = time.monotonic()
    assert server.stop() == 143
    assert time.monotonic() - begun < 25
    assert b"503" in waiting.recv(100)
    received = b"".join(iter(lambda: running.recv(65536), b""))
    # it was whole in time, or says why it is not
    assert b"data: [DONE]" in received or b'"code": "shutting_down"' in received
    log = server.log()
    assert "Traceback" not in log and "POST /v1/chat/completions" in log
    assert KEY not in log
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{server.url}/health")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--allow-media", "no_such_folder"],
            "Error: There is no folder 'no_such_folder' to read media from. Check the path.",
        ),
        (["--limit", "max_redirects=many"], "Error: `--limit max_redirects=many`: the value must be a whole number."),
        (
            ["--api-key", " "],
            "Error: The API key must be printable ASCII without blanks around it, at least one character.",
        ),
    ],
)
def test_what_is_wrong_is_said_before_a_model_is_loaded(arguments, message):
    result = CliRunner().invoke(app, ["serve", str(CHECKPOINT), *arguments])
    assert result.exit_code == 1
    assert message in result.output


@pytest.mark.slow
def test_others_are_let_in_with_a_warning():
    with run_server([str(CHECKPOINT), "--host", "0.0.0.0"]) as server:
        assert "Warning: --host 0.0.0.0 lets others reach this server, and there is no API key" in server.log()


def test_without_the_packages_of_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("transformers_mvgpt.server.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    result = CliRunner().invoke(app, ["serve", str(CHECKPOINT)])
    assert result.exit_code == 1
    assert "Error: `mvgpt serve` needs fastapi: pip install 'transformers-mvgpt[serve]'." in result.output


@pytest.mark.slow
def test_memory_is_flat_and_answers_stay(folder, asked):
    """The fifty requests, again and again, with a cache that is smaller than what they are about."""
    arguments = [str(CHECKPOINT), "--served-model-name", "mvgpt", "--cache-videos", "2", "--device", "cpu"]
    with run_server([*arguments, "--allow-media", str(folder)]) as server:
        client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
        sizes = []
        for _ in range(8):

            def request(number):
                path, question, expected = asked[number % len(asked)]
                url = as_data(path) if number % 2 else path.as_uri()
                assert (ask_in_chunks if number % 3 else ask)(client, url, question) == expected

            with ThreadPoolExecutor(8) as threads:
                list(threads.map(request, range(50)))
            sizes.append(server.resident_bytes())
        print([round(size / 1e6) for size in sizes], "MB")  # noqa: T201  what a person who runs it wants to know
        assert max(sizes[4:]) < 1.05 * max(sizes[1:4])
