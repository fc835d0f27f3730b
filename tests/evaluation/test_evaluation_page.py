# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The commands on `docs/evaluation.md` run, and so does the judge on it."""

import json
import re
import shlex
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.evaluation.judge import load_judge


PAGE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text("utf-8")


def test_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert len(commands) == 4
    for program, *arguments in commands:
        assert program == "mvgpt"
        arguments = [str(CHECKPOINT) if one == "MODEL" else "12" if one == "90" else one for one in arguments]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.stderr
    assert (tmp_path / "README.md").is_file()


@pytest.fixture
def server():
    """Says yes where both answers are red, as a chat server."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, body["model"], body["messages"][0]["content"]))
            says = "Yes." if asked[-1][2].count("red") == 2 else "No."
            reply = json.dumps({"choices": [{"message": {"role": "assistant", "content": says}}]}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *arguments):
            pass

    asked = []
    with HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", asked
        httpd.shutdown()
        thread.join()


def test_judge(server, tmp_path, monkeypatch):
    address, asked = server
    [code] = [one for one in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) if "PROMPT" in one]
    (tmp_path / "judge.py").write_text(code, "utf-8")
    monkeypatch.setenv("JUDGE_URL", address)
    monkeypatch.setenv("JUDGE_MODEL", "large")
    judge = load_judge(f"{tmp_path}/judge.py:correctness")
    assert judge("What color?", "red", "It is red.") is True
    assert judge("What color?", "red", "It is blue.") is False
    assert [one[:2] for one in asked] == [("/v1/chat/completions", "large")] * 2
