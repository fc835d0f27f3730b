# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import os
import signal
import subprocess
import sys

import pytest

from transformers_mvgpt.conversion import file_locks
from transformers_mvgpt.conversion.file_locks import locked


HOLDER = """
import os, runpy, sys, time
locked = runpy.run_path(sys.argv[3])["locked"]  # without torch

with locked(sys.argv[1], "taken"):
    if sys.argv[2] == "fork" and os.fork() == 0:
        print(os.getpid(), flush=True)
        time.sleep(600)
    if sys.argv[2] != "fork":
        print(os.getpid(), flush=True)
    time.sleep(600)
"""


def test_it_is_there_while_it_is_held(tmp_path):
    path = tmp_path / "lock"
    with locked(path, "never"):
        assert path.is_file()
        with pytest.raises(FileExistsError, match="^taken$"), locked(path, "taken"):
            pass
        with pytest.raises(FileExistsError, match="^taken$"), locked(tmp_path / "." / "lock", "taken"):
            pass
        with locked(tmp_path / "other", "never"):
            pass
    assert list(tmp_path.iterdir()) == []
    with locked(path, "never"):
        pass


@pytest.mark.parametrize("kind", ["alone", "fork"])
def test_it_dies_with_its_process(tmp_path, kind):
    """Also where a process that it has forked, such as one that decodes, lives on."""
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLDER, str(path), kind, file_locks.__file__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        lives_on = int(holder.stdout.readline())
        try:
            with pytest.raises(FileExistsError, match="^taken$"), locked(path, "taken"):
                pass
            holder.kill()
            holder.wait()
            with locked(path, "never"):
                pass
        finally:
            if kind == "fork":
                os.kill(lives_on, signal.SIGKILL)


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(file_locks.fcntl, "lockf", refuse)
    with locked(tmp_path / "lock", "never"):
        pass
    assert list(tmp_path.iterdir()) == []
