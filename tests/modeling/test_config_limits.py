# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Values of a `config.json` that cannot be: one line that names file, field and limit, before memory or time is spent."""

import json
import re
import time

import pytest
from huggingface_hub.errors import StrictDataclassClassValidationError, StrictDataclassFieldValidationError
from transformers import AutoConfig

from tiny_models import tiny_config
from transformers_mvgpt import MobileVideoGPTConfig, VideoMambaConfig
from transformers_mvgpt.modeling.checked_config import check_fields
from transformers_mvgpt.modeling.config_limits import TEXT_LIMITS, VISION_LIMITS
from transformers_mvgpt.modeling.configuration_videomamba import VIDEOMAMBA_LIMITS


SECTIONS = {"vision_config": VISION_LIMITS, "video_config": VIDEOMAMBA_LIMITS, "text_config": TEXT_LIMITS}
NAN = float("nan")


def write(folder, section, name, value):
    content = json.loads(tiny_config().to_json_string())
    (content if section is None else content[section])[name] = value
    (folder / "config.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    "load", [AutoConfig.from_pretrained, MobileVideoGPTConfig.from_pretrained], ids=["auto", "own"]
)
@pytest.mark.parametrize(
    ("section", "name", "value", "message"),
    [
        ("text_config", "num_hidden_layers", 10**8, "(100000000) must be at most 1,024"),
        ("vision_config", "num_hidden_layers", 10**8, "(100000000) must be at most 1,024"),
        ("video_config", "num_hidden_layers", 10**8, "(100000000) must be at most 1,024"),
        ("text_config", "vocab_size", 10**12, "(1000000000000) must be at most 16,777,216"),
        ("text_config", "num_attention_heads", 0, "(0) must be at least 1"),
        ("vision_config", "num_attention_heads", 0, "(0) must be at least 1"),
        ("text_config", "num_key_value_heads", 0, "(0) must be at least 1"),
        ("vision_config", "patch_size", 0, "(0) must be at least 1"),
        ("video_config", "patch_size", -16, "(-16) must be at least 1"),
        ("text_config", "hidden_size", "32", "must be an integer, not '32'"),
        ("text_config", "hidden_size", 32.0, "must be an integer, not 32.0"),
        ("text_config", "hidden_size", True, "must be an integer, not True"),
        ("text_config", "hidden_size", None, "must be an integer, not None"),
        ("text_config", "rms_norm_eps", NAN, "must be a finite number, not nan"),
        ("text_config", "hidden_act", "rm -rf", "must be the name of an activation, such as 'silu', not 'rm -rf'"),
        ("vision_config", "hidden_act", [1], "must be the name of an activation"),
        ("video_config", "hidden_act", None, "must be the name of an activation"),
        ("text_config", "model_type", "nonsense", "must be the type of a language model, such as 'qwen2', not 'nonsense'"),
        ("text_config", "rope_parameters", {"rope_theta": 0}, "must be an object of positive numbers"),
        ("text_config", "rope_parameters", {"rope_theta": None}, "must be an object of positive numbers"),
        ("text_config", "rope_parameters", {"partial_rotary_factor": 1e9}, "must be an object of positive numbers"),
        ("text_config", "partial_rotary_factor", 1e9, "`text_config.partial_rotary_factor` (1000000000.0) must be at most 1"),
        ("text_config", "rope_scaling", "x", "must be an object of positive numbers with a known `rope_type`, not 'x'"),
        ("text_config", "rope_parameters", {"rope_type": "nonsense"}, "with a known `rope_type`, not {'rope_type': 'nonsense'}"),
        ("text_config", "pad_token_id", 99, "(99) must be below `text_config.vocab_size` (99)"),
        ("text_config", "eos_token_id", "x", "must be a token id, a list of them or null"),
        ("text_config", "to_dict", 1, "is no field of a config"),
        ("text_config", "num_labels", 10**9, "(1000000000) must be at most 100,000"),
        (None, "dtype", "x", "must be the name of a floating point dtype, such as 'bfloat16', not 'x'"),
        (None, "dtype", "int8", "must be the name of a floating point dtype"),
        (None, "text_config", [], "must be an object, not []"),
        (None, "vision_config", "openai/clip", "must be an object, not 'openai/clip'"),
        (None, "num_frames", "12", "must be an integer, not '12'"),
        (None, "num_frames", 10**30, f"({10**30}) must be at most 4,096"),
        (None, "image_token_id", -1, "(-1) must be at least 0"),
        (None, "num_video_tokens", 5, "is no field of a config"),
        (None, "is_encoder_decoder", True, "must be false, not True"),
        (None, "id2label", 5, "must be an object with ids as keys, not 5"),
        (None, "transformers_weights", "../../model.safetensors", "must be the name of a file of the folder"),
        (None, "per_layer_config", {"0": {}}, "must be null: it is not supported"),
    ],
)  # fmt: skip
def test_values_that_cannot_be(tmp_path, load, section, name, value, message):
    write(tmp_path, section, name, value)
    start = time.process_time()
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        load(tmp_path)
    assert time.process_time() - start < 1
    text = str(caught.value)
    assert text.startswith(f"config.json of {tmp_path}: ")
    assert name in text
    assert "\n" not in text
    assert "Strict" not in text + type(caught.value).__name__


@pytest.mark.parametrize("section", [None, *SECTIONS])
@pytest.mark.parametrize("value", ["x", -1, 10**30, 1.5, NAN, [1], {"a": 1}, True, None], ids=repr)
def test_every_field_is_read_or_refused_in_one_line(tmp_path, section, value):
    fields = json.loads(tiny_config().to_json_string(use_diff=False))
    for name in fields if section is None else fields[section]:
        if name in ("model_type", "_name_or_path"):
            continue
        write(tmp_path, section, name, value)
        try:
            AutoConfig.from_pretrained(tmp_path)
        except ValueError as error:
            assert "\n" not in str(error), name
            assert name in str(error), str(error)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]", "it must be an object|has no attribute|indices"),
        ("[" * 100_000, "recursion|RecursionError"),
        ("{", "not a valid JSON file"),
    ],
    ids=["list", "nested", "cut"],
)
def test_files_that_are_no_config(tmp_path, content, message):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises((ValueError, OSError), match=message) as caught:
        MobileVideoGPTConfig.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)


def test_what_strict_raises_is_still_caught():
    for error in (StrictDataclassClassValidationError, StrictDataclassFieldValidationError, ValueError):
        with pytest.raises(error, match=r"`hidden_size` \(0\) must be at least 1"):
            VideoMambaConfig(hidden_size=0)


def test_published_sizes_are_within_the_limits():
    published = MobileVideoGPTConfig()
    for section, limits in SECTIONS.items():
        check_fields(getattr(published, section).to_dict(), limits)
    MobileVideoGPTConfig(text_config={"hidden_size": 8192, "num_hidden_layers": 80, "vocab_size": 256_000})
