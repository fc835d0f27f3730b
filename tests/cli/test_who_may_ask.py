# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Whom the servers of `mvgpt serve` and `mvgpt web` answer, by the address at which they listen and the key."""

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CHECKPOINT


@pytest.mark.parametrize("command", [["serve", str(CHECKPOINT)], ["web"]], ids=["serve", "web"])
def test_names_of_other_hosts_that_lead_to_this_machine(command, monkeypatch):
    statuses = []

    def ask(served, *_, **__):
        client = TestClient(served, headers={"Host": "evil.example"})
        statuses.append([client.get(path).status_code for path in ("/health", "/metrics", "/v1/models")])
        served.state.service.close()

    monkeypatch.setattr("transformers_mvgpt.server.running.run_app", ask)
    for arguments in ([], ["--host", "0.0.0.0"]):
        result = CliRunner().invoke(app, [*command, *arguments, "--device", "cpu"])
        assert result.exit_code == 0, result.output
        assert ("there is no API key" in result.stderr) == ("0.0.0.0" in arguments)
    assert statuses == [[403] * 3, [200] * 3]
