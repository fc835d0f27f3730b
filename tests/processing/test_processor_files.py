# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import re
import shutil

import pytest
from transformers import AutoProcessor

from transformers_mvgpt import MobileVideoGPTProcessor
from transformers_mvgpt.cli.model_checks import check_model
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.processing.processor_files import check_json_files


BROKEN = {
    "[]": "must hold a JSON object, not []",
    "null": "must hold a JSON object, not None",
    "": "is damaged: it is no JSON",
    "{": "is damaged: it is no JSON",
    '{"a":' + "[" * 50_000: "is damaged: it is no JSON",
}


@pytest.fixture
def folder(tmp_path):
    copy = tmp_path / "model"
    shutil.copytree(CHECKPOINT, copy)
    return copy


def test_a_whole_folder_passes(folder):
    check_json_files(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    check_json_files(folder)


@pytest.mark.parametrize("content", BROKEN, ids=["list", "null", "empty", "cut", "nested"])
@pytest.mark.parametrize(
    "name", ["tokenizer.json", "tokenizer_config.json", "processor_config.json", "generation_config.json"]
)
def test_a_file_of_another_form_is_named(folder, name, content):
    (folder / name).write_text(content)
    for read in (check_json_files, MobileVideoGPTProcessor.from_pretrained, check_model):
        with pytest.raises(
            ValueError, match=re.escape(str(folder / name)) + " " + re.escape(BROKEN[content])
        ) as error:
            read(str(folder))
        assert "\n" not in str(error.value)


def test_a_tokenizer_without_a_model_is_named(folder):
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer\.json is no tokenizer: it lacks `model` or `added_tokens`"):
        AutoProcessor.from_pretrained(folder)
