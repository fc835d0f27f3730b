# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Folders that somebody else made: what they name lies in them, and what is damaged is called so."""

import json
import logging
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from release_layout import make_release
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration
from transformers_mvgpt.conversion import convert
from transformers_mvgpt.conversion.adapter_config import check_base, read_adapter_config
from transformers_mvgpt.conversion.loading import load_model, read_config


INDEX = "model.safetensors.index.json"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return make_release(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def sharded(tmp_path, whole):
    folder = tmp_path / "model"
    folder.mkdir()
    for file in whole.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    (folder / "model.safetensors").rename(folder / "shard.safetensors")
    weights = load_file(folder / "shard.safetensors")
    set_index(folder, {"metadata": {}, "weight_map": dict.fromkeys(weights, "shard.safetensors")})
    return folder


def set_index(folder, content):
    (folder / INDEX).write_text(json.dumps(content))


LOADERS = pytest.mark.parametrize(
    "load",
    [MobileVideoGPTForConditionalGeneration.from_pretrained, lambda path: load_model(str(path), {})],
    ids=["from_pretrained", "load_model"],
)


@LOADERS
@pytest.mark.parametrize(
    "shard",
    ["../shard.safetensors", "/shard.safetensors", "a/../../s", "..\\s", "C:s", "s\0", "", 5, None, ["a"]],
    ids=repr,
)
def test_index_that_leads_out_of_the_folder(sharded, load, shard):
    (sharded / "shard.safetensors").rename(sharded.parent / "shard.safetensors")
    set_index(sharded, {"metadata": {}, "weight_map": {"lm_head.weight": shard}})
    message = (
        "`weight_map` in .*index.json says .* for lm_head.weight: it must be the name of a file in the same folder"
    )
    with pytest.raises(ValueError, match=message):
        load(sharded)


@LOADERS
@pytest.mark.parametrize(
    "content", [{"weight_map": 5}, {"weight_map": []}, {"weight_map": None}, {}, [], 5, None], ids=repr
)
def test_index_of_another_form(sharded, load, content):
    set_index(sharded, content)
    with pytest.raises(
        ValueError, match=r"`weight_map` in .* is .*, not an object of file names|holds a \w+, not an object"
    ):
        load(sharded)


@LOADERS
def test_shards_may_be_links(sharded, load):
    (sharded / "shard.safetensors").rename(sharded.parent / "blob")
    (sharded / "shard.safetensors").symlink_to(sharded.parent / "blob")
    assert load(sharded)


def damaged(weights: bytes) -> dict[str, bytes]:
    (length,) = struct.unpack("<Q", weights[:8])
    header = json.loads(weights[8 : 8 + length])
    first, second = list(header)[-2:]
    header[second]["data_offsets"] = header[first]["data_offsets"]
    overlapping = json.dumps(header).encode()
    return {
        "truncated": weights[:-100],
        "cut in the header": weights[:50],
        "empty": b"",
        "oversized header": struct.pack("<Q", 2**40) + weights[8:],
        "overlapping": struct.pack("<Q", len(overlapping)) + overlapping + weights[8 + length :],
    }


@LOADERS
@pytest.mark.parametrize("kind", ["truncated", "cut in the header", "empty", "oversized header", "overlapping"])
def test_damaged_safetensors(sharded, load, kind):
    (sharded / INDEX).unlink()
    file = sharded / "model.safetensors"
    (sharded / "shard.safetensors").rename(file)
    file.write_bytes(damaged(file.read_bytes())[kind])
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged: it cannot be read") as caught:
        load(sharded)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "config.json holds a list, not an object"),
        ("{" * 10, "config.json is damaged"),
        ('{"a":' * 100_000, "config.json is damaged: it cannot be read .*recursion"),
        ('{"model_type": 5}', r"config.json of .*: `model_type` \(5\) must be a string"),
        ('{"model_type": "mobile_videogpt", "auto_map": 5}', r"config.json of .*: `auto_map` \(5\) must be"),
        (
            '{"model_type": "qwen2", "num_hidden_layers": 100000000}',
            r"`num_hidden_layers` \(100000000\) must be at most 1,024",
        ),
        ('{"model_type": "qwen2", "dtype": "x"}', "config.json of .*: field 'dtype' must be the name"),
    ],
)
def test_config_that_cannot_be(tmp_path, content, message):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_config(str(tmp_path))


def test_tokenizer_that_is_empty(sharded, tmp_path):
    (sharded / "tokenizer.json").write_text("{}")
    with pytest.raises((ValueError, OSError)) as caught:
        convert(sharded, tmp_path / "native")
    assert "\n" not in str(caught.value)
    assert str(sharded) in str(caught.value)


def test_extra_tensors_are_named(sharded, tmp_path, caplog):
    weights = load_file(sharded / "shard.safetensors")
    (sharded / INDEX).unlink()
    save_file({**weights, "model.more.weight": torch.zeros(2)}, sharded / "model.safetensors")
    with caplog.at_level(logging.WARNING, "transformers_mvgpt"):
        convert(sharded, tmp_path / "native")
    [message] = [record.getMessage() for record in caplog.records if record.name.startswith("transformers_mvgpt")]
    assert "1 tensors in " in message
    assert "are none of this model's, and are left out: model.more.weight" in message


def adapter_config(folder, **fields):
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({"peft_type": "LORA", "r": 4, "lora_alpha": 8, **fields}))
    return str(file)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"r": 10**9}, r"`r` in .*adapter_config.json is 1000000000: it must be an integer from 1 to 4096"),
        ({"r": 0}, "`r` in .* is 0"),
        ({"r": "8"}, "`r` in .* is '8'"),
        ({"lora_alpha": float("nan")}, "`lora_alpha` in .* is nan: it must be a number above 0"),
        ({"rank_pattern": {"q_proj": 10**9}}, "`rank_pattern.q_proj` in .* is 1000000000"),
        ({"rank_pattern": {"(a+)+$": 4}}, "which is no name of a module"),
        ({"alpha_pattern": [1]}, r"`alpha_pattern` in .* is \[1\], not an object"),
        ({"layer_replication": [[0, 10**9]]}, "`layer_replication` in .* is not supported"),
        ({"base_model_name_or_path": 5}, "`base_model_name_or_path` in .* is 5, not a string"),
    ],
)
def test_adapter_config_that_cannot_be(tmp_path, fields, message):
    with pytest.raises(ValueError, match=message):
        read_adapter_config(adapter_config(tmp_path, **fields))


def test_base_of_an_adapter_lies_beside_it(tmp_path, monkeypatch):
    adapter, beside, elsewhere = tmp_path / "a" / "adapter", tmp_path / "a" / "base", tmp_path / "b" / "base"
    for folder in (adapter, beside, elsewhere, adapter / "base"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a")
    for base in (str(beside), "base", str(adapter / "base"), "owner/name", "/nowhere", None):
        check_base(str(adapter), base)
    (tmp_path / "a" / "link").symlink_to(elsewhere)
    for base in (str(elsewhere), "../b/base", str(tmp_path / "a" / "link"), f"{adapter}/../base", "/"):
        with pytest.raises(
            ValueError, match=r"`base_model_name_or_path` in adapter_config.json of .* neither in that folder nor"
        ):
            check_base(str(adapter), base)
    with pytest.raises(ValueError, match="say yourself that this is the base model"):
        check_base("owner/adapter", str(beside))


@LOADERS
def test_adapter_with_a_base_elsewhere(tmp_path, whole, load):
    pytest.importorskip("peft")
    folder = tmp_path / "adapter"
    folder.mkdir()
    adapter_config(folder, base_model_name_or_path=str(whole), target_modules=["q_proj"])
    save_file({"x": torch.zeros(1)}, folder / "adapter_model.safetensors")
    with pytest.raises(ValueError, match="`base_model_name_or_path` in adapter_config.json of .* is .*whole"):
        load(folder)
