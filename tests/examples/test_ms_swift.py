# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""ms-swift itself trains and asks the models, with the plug-in: `make test-swift`, in an environment of its own."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoModelForImageTextToText, AutoProcessor

from tiny_trained import MOBILEVLM, PICTURE_SEEDS, TINYLLAVA, picture, write_drawn_clip
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.training import RowCollator


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("swift") is None, reason="needs ms-swift"),
]

PLUGIN = Path(__file__).parents[2] / "examples" / "ms_swift_plugin.py"
QUESTION = "What colour is it?"


def swift(command: str, **options: object) -> str:
    """What `swift COMMAND` has written."""
    given = {"external_plugins": PLUGIN, "torch_dtype": "float32", **options}
    arguments = [str(part) for name, value in given.items() for part in (f"--{name}", value)]
    result = subprocess.run(
        [sys.executable, "-m", f"swift.cli.{command}", *arguments], capture_output=True, text=True, timeout=500
    )
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


@pytest.fixture
def row(request, tmp_path):
    if request.getfixturevalue("model") == MOBILEVLM:
        kind, path = "image", tmp_path / "picture.png"
        picture(PICTURE_SEEDS[0]).save(path)
    else:
        kind, path = "video", Path(write_drawn_clip(tmp_path / "clip.mp4"))
    messages = [{"role": "user", "content": f"<{kind}>{QUESTION}"}, {"role": "assistant", "content": "It is blue."}]
    return {"messages": messages, f"{kind}s": [str(path)]}


@pytest.fixture
def rows(row, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for _ in range(4)))
    return path


@pytest.mark.parametrize(
    ("model", "tuner"),
    [(CHECKPOINT, "full"), (MOBILEVLM, "full"), (TINYLLAVA, "lora")],
    ids=["mobile_videogpt", "mobilevlm", "tinyllava_video"],
)
def test_training(model, tuner, row, rows, tmp_path, monkeypatch):
    """Its first loss is that of our own batch, and it learns."""
    monkeypatch.setenv("USE_HF", "1")
    batch = RowCollator(AutoProcessor.from_pretrained(model), media_anywhere=True)([row])
    expected = AutoModelForImageTextToText.from_pretrained(model)(**batch).loss.item()
    log = swift(
        "sft", model=model, dataset=rows, tuner_type=tuner, max_steps=2, per_device_train_batch_size=2, learning_rate=1e-3,
        gradient_accumulation_steps=1, logging_steps=1, output_dir=tmp_path / "output", report_to="none", use_cpu="true",
    )  # fmt: skip
    first, second = map(float, re.findall(r"'loss': '([\d.]+)'", log))
    assert first == pytest.approx(expected, rel=1e-3) and second < first
    [checkpoint] = (tmp_path / "output").glob("*/checkpoint-2")
    if tuner == "full":
        AutoModelForImageTextToText.from_pretrained(checkpoint)


@pytest.mark.parametrize("model", [CHECKPOINT])
def test_answers(model, row, rows, tmp_path, monkeypatch):
    monkeypatch.setenv("USE_HF", "1")
    out = tmp_path / "answers.jsonl"
    swift(
        "infer", model=model, val_dataset=rows, max_new_tokens=8, temperature=0, infer_backend="transformers",
        max_batch_size=2, result_path=out,
    )  # fmt: skip
    processor = AutoProcessor.from_pretrained(model)
    content = [{"type": "video", "path": row["videos"][0]}, {"type": "text", "text": QUESTION}]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
    )  # fmt: skip
    ids = AutoModelForImageTextToText.from_pretrained(model).generate(**inputs, max_new_tokens=8, do_sample=False)
    [expected] = processor.decode_answers(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert [json.loads(line)["response"] for line in out.read_text().splitlines()] == [expected] * 4
