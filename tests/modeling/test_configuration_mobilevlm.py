# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json

import pytest
from transformers import AutoConfig, CLIPVisionConfig, LlamaConfig

from tiny_family_models import tiny_mobilevlm
from transformers_mvgpt import MobileVLMConfig


# As the release saves that of 3B, less what is the same in every config.json.
RELEASE = {
    "model_type": "mobilevlm",
    "architectures": ["MobileLlamaForCausalLM"],
    "hidden_size": 2560,
    "intermediate_size": 6912,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "rms_norm_eps": 1e-6,
    "rope_scaling": None,
    "rope_theta": 10000.0,
    "vocab_size": 32000,
    "max_position_embeddings": 2048,
    "max_sequence_length": 2048,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "torch_dtype": "bfloat16",
    "mm_projector_type": "ldpnetv2",
    "mm_vision_tower": "openai/clip-vit-large-patch14-336",
    "vision_tower_type": "clip",
    "mm_hidden_size": 1024,
    "mm_vision_select_layer": -2,
    "mm_vision_select_feature": "patch",
    "mm_projector_lr": None,
    "image_aspect_ratio": "pad",
    "image_grid_pinpoints": None,
    "mm_use_im_start_end": False,
    "mm_use_im_patch_token": False,
    "use_mm_proj": True,
    "pretraining_tp": 1,
    # lit-gpt's
    "n_embd": 2560,
    "n_head": 16,
    "norm_eps": 1e-5,
    "padded_vocab_size": 32000,
}
# a native config is told from it by its `text_config`
LANGUAGE_MODEL = {"vocab_size": 500, "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}


def fields_of(config):
    """All of a config but where it was loaded from."""
    return {name: value for name, value in config.to_dict().items() if name != "_name_or_path"}


def read(folder, content):
    (folder / "config.json").write_text(json.dumps(content))
    return AutoConfig.from_pretrained(folder)


def test_defaults_are_the_published_model():
    config = MobileVLMConfig()
    text, vision = config.text_config, config.vision_config
    assert (config.projector_type, config.image_grid_size, config.num_image_tokens) == ("ldpv2", 12, 144)
    assert (config.vision_feature_layer, config.num_vision_layers, config.image_token_id) == (-2, 23, 32000)
    assert isinstance(text, LlamaConfig)
    assert (text.hidden_size, text.intermediate_size, text.num_hidden_layers) == (2048, 5632, 24)
    assert (text.num_attention_heads, text.num_key_value_heads, text.head_dim, text.vocab_size) == (16, 16, 128, 32000)
    assert (text.pad_token_id, text.bos_token_id, text.eos_token_id, text.rms_norm_eps) == (0, 1, 2, 1e-6)
    assert text.rope_parameters["rope_theta"] == 10000
    assert not config.tie_word_embeddings
    assert isinstance(vision, CLIPVisionConfig)
    assert (vision.hidden_size, vision.intermediate_size, vision.num_hidden_layers) == (1024, 4096, 24)
    assert (vision.num_attention_heads, vision.image_size, vision.patch_size) == (16, 336, 14)
    assert vision.hidden_act == "quick_gelu"


@pytest.mark.parametrize(("published", "projector_type"), [("ldpnet", "ldp"), ("ldpnetv2", "ldpv2")])
def test_published_config(published, projector_type, tmp_path):
    config = read(tmp_path, {**RELEASE, "mm_projector_type": published})
    assert type(config) is MobileVLMConfig
    assert (config.projector_type, config.num_image_tokens, config.image_token_id) == (projector_type, 144, 32000)
    assert config.mm_vision_tower == "openai/clip-vit-large-patch14-336"
    text = config.text_config
    assert (text.hidden_size, text.intermediate_size, text.num_attention_heads, text.head_dim) == (2560, 6912, 32, 80)
    assert (text.rms_norm_eps, text.pad_token_id) == (1e-6, 0)
    assert str(config.dtype) == "torch.bfloat16"
    assert fields_of(config.vision_config) == fields_of(MobileVLMConfig().vision_config)
    assert not {"n_embd", "n_head", "mm_use_im_patch_token"} & fields_of(config).keys()
    config.save_pretrained(tmp_path / "saved")
    assert fields_of(AutoConfig.from_pretrained(tmp_path / "saved")) == fields_of(config)


def test_published_config_with_no_more_than_it_needs(tmp_path):
    config = read(tmp_path, {"model_type": "mobilevlm", "mm_projector_type": "ldpnet", **LANGUAGE_MODEL})
    assert (config.image_token_id, config.num_image_tokens, config.vision_feature_layer) == (500, 144, -2)
    assert config.mm_vision_tower == "openai/clip-vit-large-patch14-336"


def test_own_fields_of_a_published_config_override_its_others(tmp_path):
    own = {
        "vision_config": {"hidden_size": 32, "image_size": 56, "num_attention_heads": 2},
        "image_token_id": 7,
        "vision_feature_layer": -1,
        "image_grid_size": 2,
        "projector_type": "ldpv2",
    }
    config = read(tmp_path, {**RELEASE, "mm_projector_type": "ldpnet", **own})
    assert (config.image_token_id, config.vision_feature_layer, config.image_grid_size) == (7, -1, 2)
    assert config.projector_type == "ldpv2"
    assert (config.vision_config.hidden_size, config.vision_config.patch_size) == (32, 14)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("mm_projector_type", "linear", "`mm_projector_type` is 'linear' in this config.json; only 'ldpnet' and 'ldpnetv2' are"),
        ("mm_projector_type", "mlp2x_gelu", "`mm_projector_type` is 'mlp2x_gelu'"),
        ("mm_projector_type", ["ldpnet"], r"`mm_projector_type` is \['ldpnet'\]"),
        ("mm_vision_select_feature", "cls_patch", "`mm_vision_select_feature` is 'cls_patch' in this config.json; only 'patch' is"),
        ("mm_use_im_start_end", True, "`mm_use_im_start_end` is True in this config.json; only False is supported"),
        ("image_aspect_ratio", "square", "`image_aspect_ratio` is 'square' in this config.json; only 'pad' is supported"),
        ("hidden_size", "2560", "field 'text_config.hidden_size' must be an integer, not '2560'"),
        ("num_hidden_layers", 10**8, r"`text_config.num_hidden_layers` \(100000000\) must be at most 1,024"),
        ("mm_vision_select_layer", 99, r"`vision_feature_layer` \(99\) must be one of the 25 hidden states"),
    ],
)  # fmt: skip
def test_published_configs_that_cannot_be(name, value, message, tmp_path):
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, {**RELEASE, name: value})
    assert "\n" not in str(caught.value)


def test_published_config_without_a_projector(tmp_path):
    with pytest.raises(ValueError, match="`mm_projector_type` is missing in this config.json: ldpnet or ldpnetv2"):
        read(tmp_path, {"model_type": "mobilevlm", **LANGUAGE_MODEL})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"projector_type": "linear"}, "field 'projector_type' must be 'ldp' or 'ldpv2', not 'linear'"),
        ({"projector_type": []}, "field 'projector_type' must be 'ldp' or 'ldpv2'"),
        ({"image_grid_size": 0}, r"`image_grid_size` \(0\) must be at least 1"),
        ({"image_grid_size": 10**6}, r"`image_grid_size` \(1000000\) must be at most 1,024"),
        ({"projector_type": "ldp", "image_grid_size": 8}, r"`image_grid_size` \(8\) must be 12, half the 24 patches"),
        ({"vision_config": {"patch_size": 400}}, r"`vision_config.patch_size` \(400\) must be at most"),
        ({"vision_config": {"image_size": [336, 336]}}, "must be integers: frames are square"),
        ({"text_config": {"num_key_value_heads": 5}}, "must be a multiple of"),
        ({"image_token_id": -1}, r"`image_token_id` \(-1\) must be at least 0"),
    ],
    ids=str,
)
def test_fields_that_cannot_be(fields, message):
    with pytest.raises(ValueError, match=message) as caught:
        MobileVLMConfig(**fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("projector_type", "image_size", "image_grid_size", "num_image_tokens"),
    [("ldp", 336, None, 144), ("ldp", 448, None, 256), ("ldp", 70, 3, 9), ("ldpv2", 448, None, 144), ("ldpv2", 28, 1, 1)],
)  # fmt: skip
def test_number_of_tokens(projector_type, image_size, image_grid_size, num_image_tokens):
    config = MobileVLMConfig(
        projector_type=projector_type, image_grid_size=image_grid_size, vision_config={"image_size": image_size}
    )
    assert config.num_image_tokens == config.image_grid_size**2 == num_image_tokens


def test_saved_config_loads_unchanged(tmp_path):
    for config in (MobileVLMConfig(), tiny_mobilevlm("ldp", tie_word_embeddings=True).config):
        config.save_pretrained(tmp_path)
        loaded = AutoConfig.from_pretrained(tmp_path)
        assert type(loaded) is MobileVLMConfig
        assert fields_of(loaded) == fields_of(config)


def test_override_of_part_of_a_sub_config_leaves_the_rest(tmp_path):
    tiny_mobilevlm().config.save_pretrained(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path, text_config={"num_hidden_layers": 1}, image_grid_size=4)
    assert (config.text_config.num_hidden_layers, config.text_config.hidden_size) == (1, 32)
    assert config.num_image_tokens == 16


@pytest.mark.parametrize("value", ["x", -1, 10**30, 1.5, float("nan"), [1], {"a": 1}, True, None], ids=repr)
def test_every_field_is_read_or_refused_in_one_line(value, tmp_path):
    for published in (RELEASE, json.loads(MobileVLMConfig().to_json_string(use_diff=False))):
        for name in published:
            if name in ("model_type", "_name_or_path"):
                continue
            try:
                read(tmp_path, {**published, name: value})
            except ValueError as error:
                assert "\n" not in str(error), name
