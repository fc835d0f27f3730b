# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The commands on `docs/many_videos.md` run. Its launch of several processes needs GPUs; tests/cli/test_caption.py has one on the CPU."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CHECKPOINT


PAGE = (Path(__file__).parents[2] / "docs" / "many_videos.md").read_text("utf-8")


def test_commands(clips, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    Path("clips").mkdir()
    for path in clips.glob("*.*"):
        (Path("clips") / path.name).write_bytes(path.read_bytes())
    rows = [{"video": "a.mp4", "question": f"{question}?", "answer": "one"} for question in ("What", "How many")]
    Path("clips/questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    codes = []
    for program, *arguments in commands:
        assert program == "mvgpt"
        arguments = [str(CHECKPOINT) if one == "MODEL" else one for one in arguments]
        result = CliRunner().invoke(app, [*arguments, "--device", "cpu"])
        codes.append(result.exit_code)
        assert result.stdout.startswith(f"Wrote {arguments[arguments.index('--out') + 1]}: "), result.stderr
    assert codes == [3, 3, 0, 3]
    rows = [json.loads(line) for line in Path("answers.jsonl").read_text("utf-8").splitlines()]
    assert [row["video"] for row in rows] == [f"clips/{name}.mp4" for name in "abc"]
    shown = [json.loads(line) for line in re.findall(r"^\{.*\}$", PAGE, re.MULTILINE)]
    assert [list(row) for row in shown] == [list(rows[0]), list(rows[2])]
    assert rows[2]["error"].startswith(shown[1]["error"].removesuffix(" ...").replace("b.mp4", "c.mp4"))
    rows = [json.loads(line) for line in Path("frames.jsonl").read_text("utf-8").splitlines()]
    assert [row["input_answer"] for row in rows] == ["one", "one"]
    assert all(row["selected_frames"] for row in rows)
