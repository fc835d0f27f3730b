# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json
import re
from pathlib import Path

import pytest
from transformers import AutoConfig

from transformers_mvgpt import TinyLlavaVideoConfig


DATA = Path(__file__).parents[1] / "data"
PUBLISHED = {
    kind: json.loads((DATA / f"tinyllava_video_layout_{kind}.json").read_text())["config_saved"]
    for kind in ("group", "naive")
}
PHI_2 = {"model_type": "phi", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 32}
PHI_2 |= {"num_attention_heads": 32, "partial_rotary_factor": 0.4}


def read(config, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    configs = [AutoConfig.from_pretrained(folder), TinyLlavaVideoConfig.from_pretrained(folder)]
    assert [type(config) for config in configs] == [TinyLlavaVideoConfig] * 2
    contents = [{**config.to_dict(), "_name_or_path": None} for config in configs]
    assert contents[0] == contents[1]
    return configs[0]


def test_defaults_are_the_published_model():
    config = TinyLlavaVideoConfig()
    assert (config.num_video_tokens, config.num_frame_tokens, config.num_vision_layers) == (512, 728, 26)
    assert (config.text_config.hidden_size, config.tie_word_embeddings) == (2048, True)
    assert (config.resampler_type, config.num_frames, config.max_frames) == ("group", 16, 64)


@pytest.mark.parametrize("kind", PUBLISHED)
def test_published_config(kind, tmp_path):
    config = read(PUBLISHED[kind], tmp_path)
    assert (config.resampler_type, config.num_groups, config.num_queries) == (kind, 16, 512)
    assert config.num_resampler_layers == 3
    assert (config.vision_config.hidden_size, config.vision_config.num_hidden_layers) == (1152, 3)
    assert (config.text_config.hidden_size, config.text_config.rope_parameters["rope_theta"]) == (128, 1e6)
    assert config.tie_word_embeddings is (kind == "naive")
    assert (config.video_token_id, config.num_frames) == (151665, 16)


def test_published_config_of_phi(tmp_path):
    config = read({**PUBLISHED["naive"], "text_config": PHI_2}, tmp_path)
    assert config.video_token_id == 50295
    assert config.text_config.rope_parameters["partial_rotary_factor"] == 0.4
    assert config.tie_word_embeddings is False


def test_published_sizes_of_the_encoder_are_implied(tmp_path):
    config = {name: value for name, value in PUBLISHED["group"].items() if name != "vision_config"}
    assert read(config, tmp_path / "1").vision_config.intermediate_size == 4304
    config["vision_config"] = {"hidden_size": 576}
    vision = read(config, tmp_path / "2").vision_config
    assert (vision.hidden_size, vision.num_hidden_layers, vision.image_size) == (576, 27, 384)


def test_paths_of_a_published_config_are_not_read(tmp_path):
    paths = dict.fromkeys(
        (
            "llm_model_name_or_path",
            "tokenizer_name_or_path",
            "vision_model_name_or_path",
            "vision_model_name_or_path2",
        ),
        "/mnt/data/author/secret",
    )
    nested = dict.fromkeys(("_name_or_path", "model_name_or_path", "model_name_or_path2"), "/mnt/data/author/secret")
    parts = {name: {**PUBLISHED["group"][name], **nested} for name in ("vision_config", "text_config")}
    config = read({**PUBLISHED["group"], **paths, **parts}, tmp_path)
    assert config.vision_model_name_or_path == "google/siglip-so400m-patch14-384"
    assert "secret" not in config.to_json_string()


def test_own_fields_override_what_is_implied(tmp_path):
    own = {"num_frames": None, "max_frames": 7, "video_token_id": 5, "num_groups": 4}
    config = read({**PUBLISHED["group"], **own}, tmp_path)
    assert {name: getattr(config, name) for name in own} == own


@pytest.mark.parametrize(
    ("name", "num_frames"), [("TinyLLaVA-Video-Qwen2.5-3B-Group-1fps-512", None), ("Group-16-512", 16)]
)
def test_sampling_is_that_of_the_name(name, num_frames, tmp_path):
    assert read(PUBLISHED["group"], tmp_path / name).num_frames == num_frames
    assert AutoConfig.from_pretrained(tmp_path / name, num_frames=8).num_frames == 8


def test_what_is_saved_is_read_again(tmp_path):
    config = TinyLlavaVideoConfig(
        # values that transformers has as its own defaults
        vision_config={"hidden_size": 768, "num_attention_heads": 12, "image_size": 224, "patch_size": 16},
        text_config={"model_type": "phi", "vocab_size": 300},
        num_frames=None,
    )
    config.save_pretrained(tmp_path)
    again = AutoConfig.from_pretrained(tmp_path)
    assert (again.vision_config.hidden_size, again.vision_config.image_size) == (768, 224)
    assert (again.text_config.model_type, again.text_config.vocab_size, again.num_frames) == ("phi", 300, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"connector_type": "mlp2x_gelu"},
            "of an image model of TinyLLaVA Factory, which has the same `model_type` ('tinyllava'): its `connector_type` is "
            "'mlp2x_gelu'",
        ),
        ({"connector_type": None}, "its `connector_type` is None"),
        ({"connector_type": "resampler"}, "Only TinyLLaVA-Video is supported: 'groupresampler' and 'naiveresampler'"),
        ({"text_config": None}, "`text_config` is None in this config.json"),
        (
            {"text_config": {"model_type": "gemma"}},
            "`text_config.model_type` is 'gemma' in this config.json; only 'qwen2' and 'phi' are supported",
        ),
        ({"vision_config": ["siglip"]}, "`vision_config` is ['siglip'] in this config.json: it must be an object."),
        (
            {"vision_config": {"model_type": "dinov2"}},
            "`vision_config` is a 'dinov2' in this config.json; only SigLIP",
        ),
        (
            {"vision_feature_select_strategy": "cls_patch"},
            "`vision_feature_select_strategy` is 'cls_patch' in this config.json; only 'patch' is supported",
        ),
        ({"num_queries": 500}, "`num_queries` (500) must be a multiple of `num_groups` (16)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_other_published_models_are_refused(changes, message, tmp_path):
    with pytest.raises(ValueError, match=re.escape(message)):
        read({**PUBLISHED["group"], **changes}, tmp_path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"resampler_type": "perceiver"}, "field 'resampler_type' must be 'group' or 'naive', not 'perceiver'"),
        ({"num_frames": 0}, "`num_frames` (0) must be at least 1"),
        ({"max_frames": None}, "field 'max_frames' must be an integer, not None"),
        ({"vision_feature_layer": 28}, "`vision_feature_layer` (28) must be one of the 28 hidden states"),
        ({"vision_config": {"image_size": 20}}, "`vision_config.image_size` (20) must be at least twice"),
        (
            {"text_config": {**PHI_2, "partial_rotary_factor": 0.19}},
            "`partial_rotary_factor` (0.19) of `text_config` rotates 15 of the 80",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_values_that_cannot_be(fields, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        TinyLlavaVideoConfig(**fields)


def test_naive_resampler_has_no_groups():
    assert TinyLlavaVideoConfig(resampler_type="naive", num_queries=5).num_video_tokens == 5
