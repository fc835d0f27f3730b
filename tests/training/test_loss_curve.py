# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json
import sys

import pytest
from PIL import Image
from transformers import TrainerControl, TrainerState, TrainingArguments

from transformers_mvgpt.training.loss_curve import LossCurve, draw_loss


RECORDS = [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}, {"step": 2, "eval_loss": 2.5}, {"step": 3, "loss": 1.0}]


def dark_pixels(path):
    return sum(Image.open(path).convert("L").point(lambda value: 255 if value < 200 else 0).histogram()[255:])


def test_picture_shows_what_there_is(tmp_path):
    for number, records in enumerate(([], RECORDS[:2], RECORDS)):
        draw_loss(records, tmp_path / f"{number}.png")
    empty, training, both = (dark_pixels(tmp_path / f"{number}.png") for number in range(3))
    assert empty < training < both
    assert Image.open(tmp_path / "2.png").size == (800, 450)


def test_no_line_twice_after_going_on(tmp_path):
    curve = LossCurve(tmp_path)
    control = TrainerControl()
    arguments = TrainingArguments(str(tmp_path), use_cpu=True, report_to=[])
    state = TrainerState(is_world_process_zero=True)
    curve.on_train_begin(arguments, state, control)
    for record in RECORDS:
        state.log_history.append(record)
        curve.on_log(arguments, state, control)
    state.log_history = RECORDS[:2]  # the checkpoint is of step 2
    curve.on_train_begin(arguments, state, control)
    assert [json.loads(line) for line in (tmp_path / "loss.jsonl").read_text().splitlines()] == RECORDS[:2]
    state.log_history = [*RECORDS[:2], {"step": 3, "loss": 0.5}]
    curve.on_log(arguments, state, control)
    assert json.loads((tmp_path / "loss.jsonl").read_text().splitlines()[-1]) == {"step": 3, "loss": 0.5}


def test_only_the_first_process_writes(tmp_path):
    curve, state = LossCurve(tmp_path), TrainerState(is_world_process_zero=False, log_history=RECORDS)
    for event in (curve.on_train_begin, curve.on_log, curve.on_save, curve.on_train_end):
        event(None, state, None)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(
        ImportError, match=r"Drawing the loss needs matplotlib: pip install 'transformers-mvgpt\[train\]'"
    ):
        draw_loss(RECORDS, tmp_path / "loss.png")


def test_run_without_matplotlib_has_no_picture_and_says_so(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setattr("transformers_mvgpt.training.loss_curve.is_installed", lambda package: False)
    curve, state = LossCurve(tmp_path), TrainerState(is_world_process_zero=True, log_history=RECORDS)
    for event in (curve.on_train_begin, curve.on_save, curve.on_train_end):
        event(None, state, None)
    assert [path.name for path in tmp_path.iterdir()] == ["loss.jsonl"]
    [message] = [record.message for record in caplog.records]
    assert message.startswith("loss.png is not drawn, since matplotlib is not installed; loss.jsonl has its numbers.")
