# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt serve` and `mvgpt web` in a process of their own."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families


class ServerProcess:
    """A server that runs, and what can be seen of it from outside."""

    def __init__(self, process: subprocess.Popen, port: int, log: Any, key: str | None) -> None:
        self.process, self.port, self._log = process, port, log
        self.url = f"http://127.0.0.1:{port}"
        self.headers = {} if key is None else {"Authorization": f"Bearer {key}"}

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read()

    def metric(self, name: str, **labels: str) -> float:
        families = text_string_to_metric_families(httpx.get(f"{self.url}/metrics", headers=self.headers).text)
        samples = [sample for family in families for sample in family.samples]
        return sum(sample.value for sample in samples if sample.name == f"mvgpt_{name}" and sample.labels == labels)

    def wait_for(self, name: str, value: float, seconds: float = 20, **labels: str) -> None:
        """Until a metric has a value."""
        end = time.monotonic() + seconds
        while (found := self.metric(name, **labels)) != value:
            assert time.monotonic() < end, f"mvgpt_{name} is {found}, not {value}"
            time.sleep(0.05)

    def resident_bytes(self) -> int:
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(r"VmRSS:\s+(\d+) kB", file.read())[1]) * 1024

    def stop(self) -> int:
        """Its exit code after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)


@contextlib.contextmanager
def run_server(
    arguments: Sequence[str], key: str | None = None, *, command_name: str = "serve", **environment: str
) -> Iterator[ServerProcess]:
    """`mvgpt serve`, or the command of another name, with these arguments, on a port that is free, from when it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if key is not None:
        environment["MVGPT_API_KEY"] = key
    command = [sys.executable, "-m", "mvgpt_command", command_name, *arguments, "--port", str(port)]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment})
        server = ServerProcess(process, port, log, key)
        try:
            end = time.monotonic() + 400
            while True:
                assert process.poll() is None and time.monotonic() < end, server.log()
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"{server.url}/health").status_code == 200:
                        break
                time.sleep(0.1)
            yield server
        finally:
            process.kill()
            process.wait()
