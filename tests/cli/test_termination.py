# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A command that is told to end cleans up first."""

import signal
import subprocess
import sys


COMMAND = """
import importlib, time
from pathlib import Path
from transformers_mvgpt.conversion.target_folder import replacing

def write():
    with replacing(Path("model")) as folder:
        (folder / "config.json").write_text("half of a fi")
        print("writing", flush=True)
        time.sleep(60)

main = importlib.import_module("transformers_mvgpt.cli.main")
main.app = write
main.main()
"""


def test_nothing_is_left_of_a_folder_half_written(tmp_path):
    with subprocess.Popen([sys.executable, "-c", COMMAND], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        assert [path.name.startswith(".model-") for path in tmp_path.iterdir()] == [True]
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
