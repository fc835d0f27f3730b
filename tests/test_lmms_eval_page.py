# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The commands on `docs/lmms_eval.md` are written rightly. tests/evaluation/test_lmms_eval.py has lmms-eval read them, and runs such."""

import ast
import json
import re
from pathlib import Path

from lmms_eval_commands import PAGE, commands_of
from transformers_mvgpt import evaluation
from transformers_mvgpt.families import FAMILIES


KNOWN = json.loads((Path(__file__).parent / "data" / "lmms_eval_tasks.json").read_text("utf-8"))
PUBLISHED = {model.repository for family in FAMILIES for model in family.published.models}


def arguments_of_the_model() -> set[str]:
    """Read, not imported: lmms-eval may not be there."""
    tree = ast.parse((Path(evaluation.__file__).parent / "lmms_eval_models.py").read_text("utf-8"))
    [init] = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    return {argument.arg for argument in init.args.args} - {"self", "batch_size", "max_batch_size"}


def test_arguments():
    [table] = re.findall(r"^\| argument \| what \|\n(.*?)\n\n", PAGE, re.MULTILINE | re.DOTALL)
    assert {
        name for row in table.splitlines() for name in re.findall("`(.*?)`", row.split("|")[1])
    } == arguments_of_the_model()


def test_commands():
    commands = commands_of(PAGE)
    assert len(commands) == 5
    for words in commands:
        options = dict(zip(words[::2], words[1::2], strict=False))
        assert options["--model"] == "mvgpt"
        assert set(options["--tasks"].split(",")) <= {*KNOWN["tasks"], "my_clips"}
        given = dict(argument.split("=") for argument in options["--model_args"].split(","))
        assert given.keys() <= arguments_of_the_model()
        assert given["pretrained"] in {*PUBLISHED, "MODEL"}


def test_tasks_that_the_text_names():
    named = set(re.findall(r"`((?:mvbench|egoschema|nextqa|mlvu|perceptiontest|activitynetqa)\w*)`", PAGE))
    assert len(named) >= 10
    assert named <= set(KNOWN["tasks"])
    assert KNOWN["lmms_eval"] in PAGE
