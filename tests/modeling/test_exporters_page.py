# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What `docs/exporters.md` says is what happens."""

import re
from pathlib import Path

import pytest
import torch
from transformers import exporters


PAGE = Path(__file__).parents[2] / "docs" / "exporters.md"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(exporters, "ExportedModel"), reason="these exporters cannot run what they write")
@pytest.mark.filterwarnings("ignore:`treespec.children_specs` is deprecated:FutureWarning")
@torch.no_grad()
def test_exported_files_answer_as_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    model, inputs = names["model"], names["inputs"]
    assert sorted(path.stem for path in (tmp_path / "exported").glob("*.onnx")) == sorted(names["run"])
    assert names["processor"].decode(names["answer"]) == "three"
    expected = model.generate(**inputs, max_new_tokens=8, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    assert [*names["answer"], names["processor"].tokenizer.eos_token_id] == expected.tolist()
    pixels = {name: value for name, value in inputs.items() if "pixel" in name}
    selected = model.model.get_video_features(**pixels).selected_frames
    assert torch.equal(names["visual"]["selected_frames"], selected)
