# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json

import pytest
from huggingface_hub.errors import StrictDataclassClassValidationError, StrictDataclassFieldValidationError
from transformers import AutoConfig, CLIPVisionConfig, LlamaConfig, Qwen2Config

from tiny_models import tiny_config, tiny_video_config
from transformers_mvgpt import MobileVideoGPTConfig, MobileVideoGPTModel, VideoMambaConfig


# As the release saves it, less what is the same in every config.json.
RELEASE = {
    "model_type": "MobileVideoGPT_qwen",
    "architectures": ["MobileVideoGPTQwenForCausalLM"],
    "vocab_size": 151936,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32768,
    "rope_theta": 1000000.0,
    "rope_scaling": None,
    "rms_norm_eps": 1e-06,
    "sliding_window": 32768,
    "max_window_layers": 28,
    "use_sliding_window": False,
    "tie_word_embeddings": True,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
    "torch_dtype": "float16",
    "mm_vision_tower": "OpenGVLab/VideoMamba",
    "image_mm_vision_tower": "openai/clip-vit-base-patch16",
    "mm_projector_type": "etp",
    "image_mm_projector_type": "etp",
    "mm_vision_select_layer": -2,
    "mm_vision_select_feature": "patch",
    "mm_hidden_size": 768,
    "image_mm_hidden_size": 768,
    "mm_use_im_start_end": False,
    "tune_mm_mlp_adapter": False,
    "use_mm_proj": True,
}


def fields_of(config):
    """All of a config but where it was loaded from."""
    return {name: value for name, value in config.to_dict().items() if name != "_name_or_path"}


def test_defaults_are_the_published_model():
    config = MobileVideoGPTConfig()
    text, vision, video = config.text_config, config.vision_config, config.video_config

    assert (config.num_frames, config.frames_per_chunk, config.num_selected_frames) == (16, 8, 4)
    assert (config.num_chunks, config.num_image_tokens, config.num_video_tokens) == (2, 144, 2402)
    assert (config.vision_feature_layer, config.num_vision_layers) == (-2, 11)
    assert (config.image_token_id, config.video_token_id) == (151655, 151656)

    assert isinstance(text, Qwen2Config)
    assert (text.hidden_size, text.num_hidden_layers, text.intermediate_size) == (896, 24, 4864)
    assert (text.num_attention_heads, text.num_key_value_heads, text.vocab_size) == (14, 2, 151936)
    assert text.rope_parameters == {"rope_type": "default", "rope_theta": 1000000.0}
    assert text.rms_norm_eps == 1e-6
    assert config.tie_word_embeddings

    assert isinstance(vision, CLIPVisionConfig)
    assert (vision.hidden_size, vision.num_hidden_layers, vision.image_size, vision.patch_size) == (768, 12, 224, 16)
    assert vision.hidden_act == "quick_gelu"

    assert isinstance(video, VideoMambaConfig)
    assert (video.hidden_size, video.num_hidden_layers, video.num_frames) == (576, 32, 8)
    assert (video.intermediate_size, video.state_size, video.conv_kernel, video.time_step_rank) == (1152, 16, 4, 36)
    assert video.patch_grid_size == 14


@pytest.mark.parametrize(("num_frames", "num_selected_frames", "num_video_tokens"), [(16, 4, 2402), (64, 1, 9608)])
def test_number_of_tokens_of_the_two_sizes_that_fit(num_frames, num_selected_frames, num_video_tokens):
    config = MobileVideoGPTConfig(num_frames=num_frames, num_selected_frames=num_selected_frames)
    assert config.num_video_tokens == num_video_tokens


def test_dictionary_for_the_image_encoder_completes_the_published_one():
    config = MobileVideoGPTConfig(vision_config={"num_hidden_layers": 3})
    assert (config.vision_config.num_hidden_layers, config.vision_config.patch_size) == (3, 16)


@pytest.mark.parametrize("layer", [-2, 2, 0, -1, 3])
def test_number_of_layers_that_run(layer):
    # the hidden states are the embeddings and the outputs of 3 layers
    assert tiny_config(vision_feature_layer=layer).num_vision_layers == [0, 1, 2, 3][layer]


@pytest.mark.parametrize("in_text", [True, False])
@pytest.mark.parametrize("given", [None, True, False])
def test_tied_embeddings_are_the_language_models_unless_given(given, in_text):
    config = tiny_config(tie_word_embeddings=given, text_config={"tie_word_embeddings": in_text})
    assert config.tie_word_embeddings is (in_text if given is None else given)


@pytest.mark.parametrize(
    "config",
    [
        MobileVideoGPTConfig(),
        tiny_config(),
        tiny_config(text_config={"tie_word_embeddings": True}, select_most_attended=False, vision_feature_layer=-1),
        tiny_config(tie_word_embeddings=True, mm_vision_tower="a/b", dtype="bfloat16"),
        MobileVideoGPTConfig(num_frames=64, num_selected_frames=1),
    ],
    ids=["published", "tiny", "tied in text_config", "tied", "64 frames"],
)
def test_saved_config_loads_unchanged(config, tmp_path):
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is MobileVideoGPTConfig
    assert fields_of(loaded) == fields_of(config)


def test_saved_videomamba_config_loads_unchanged(tmp_path):
    config = tiny_video_config(clip_decoder_size=None)
    config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert type(loaded) is VideoMambaConfig
    assert fields_of(loaded) == fields_of(config)


def test_videomamba_config_is_read_from_a_whole_model(tmp_path):
    tiny_config().save_pretrained(tmp_path)
    assert VideoMambaConfig.from_pretrained(tmp_path).hidden_size == tiny_video_config().hidden_size


def test_overrides_count_as_one_combination(tmp_path):
    MobileVideoGPTConfig().save_pretrained(tmp_path)
    # neither would fit without the other
    config = MobileVideoGPTConfig.from_pretrained(tmp_path, num_frames=64, num_selected_frames=1)
    assert config.num_video_tokens == 9608
    with pytest.raises(StrictDataclassClassValidationError, match="8 chunks of 4 selected frames are 32 frames"):
        MobileVideoGPTConfig.from_pretrained(tmp_path, num_frames=64)


def test_override_of_part_of_a_sub_config_leaves_the_rest(tmp_path):
    tiny_config().save_pretrained(tmp_path)
    config = MobileVideoGPTConfig.from_pretrained(tmp_path, num_selected_frames=1, video_config={"num_frames": 2})
    assert config.video_config == tiny_video_config(num_frames=2)


def test_override_of_a_whole_sub_config(tmp_path):
    tiny_config().save_pretrained(tmp_path)
    config = MobileVideoGPTConfig.from_pretrained(tmp_path, text_config=LlamaConfig(num_hidden_layers=1))
    assert (type(config.text_config), config.text_config.num_hidden_layers) == (LlamaConfig, 1)


def test_unused_overrides_are_handed_back(tmp_path):
    tiny_config().save_pretrained(tmp_path)
    config, unused = MobileVideoGPTConfig.from_pretrained(
        tmp_path, num_frames=12, no_such_field=3, return_unused_kwargs=True
    )
    assert (config.num_frames, unused) == (12, {"no_such_field": 3})


# The published layout


def test_release_config_is_read():
    before = json.dumps(RELEASE)
    config = MobileVideoGPTConfig.from_dict(RELEASE)
    assert json.dumps(RELEASE) == before

    text = config.text_config
    assert type(config) is MobileVideoGPTConfig
    assert config.model_type == "mobile_videogpt"
    assert (text.hidden_size, text.num_hidden_layers, text.intermediate_size) == (1536, 28, 8960)
    assert (text.num_attention_heads, text.num_key_value_heads) == (12, 2)
    assert text.rope_parameters == {"rope_type": "default", "rope_theta": 1000000.0}
    assert (text.bos_token_id, text.eos_token_id) == (151643, 151645)
    assert str(config.dtype) == "torch.float16"
    assert config.tie_word_embeddings
    assert config.image_mm_vision_tower == "openai/clip-vit-base-patch16"
    assert config.mm_vision_tower == "OpenGVLab/VideoMamba"
    # not in the file: `mm_hidden_size` says 768, VideoMamba-M is 576 wide
    assert config.video_config == VideoMambaConfig()
    assert config.vision_config == MobileVideoGPTConfig().vision_config
    assert config.num_video_tokens == 2402


@pytest.mark.parametrize(
    "load", [AutoConfig.from_pretrained, MobileVideoGPTConfig.from_pretrained], ids=["auto", "own"]
)
def test_release_config_becomes_native(load, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(RELEASE))
    config = load(tmp_path)
    assert type(config) is MobileVideoGPTConfig
    config.save_pretrained(tmp_path / "native")
    saved = json.loads((tmp_path / "native" / "config.json").read_text())
    assert saved["model_type"] == "mobile_videogpt"
    assert "hidden_size" not in saved
    assert fields_of(load(tmp_path / "native")) == fields_of(config)


def test_release_config_with_other_sizes():
    sizes = {
        "vision_config": {"num_hidden_layers": 3},
        "video_config": {"num_hidden_layers": 2, "num_frames": 2},
        "num_selected_frames": 1,
        "mm_vision_select_layer": -1,
        "image_grid_size": 10,
        "video_token_id": 7,
        "tie_word_embeddings": False,
    }
    config = MobileVideoGPTConfig.from_dict({**RELEASE, **sizes})
    assert (config.vision_config.num_hidden_layers, config.vision_config.patch_size) == (3, 16)
    assert (config.video_config.num_hidden_layers, config.video_config.num_frames) == (2, 2)
    assert config.num_vision_layers == 3
    assert config.num_video_tokens == 16 * 100 + 2 * 49
    assert config.video_token_id == 7
    assert not config.tie_word_embeddings


def test_release_config_takes_overrides(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(RELEASE))
    config = AutoConfig.from_pretrained(tmp_path, num_frames=64, num_selected_frames=1)
    assert config.num_video_tokens == 9608


@pytest.mark.parametrize(
    ("name", "value", "supported"),
    [
        ("mm_projector_type", "mlp2x_gelu", "etp"),
        ("image_mm_projector_type", "linear", "etp"),
        ("mm_vision_select_feature", "cls_patch", "patch"),
    ],
)
def test_release_config_of_another_architecture_is_refused(name, value, supported):
    with pytest.raises(
        ValueError, match=f"`{name}` is '{value}' in this config.json; only '{supported}' is supported"
    ):
        MobileVideoGPTConfig.from_dict({**RELEASE, name: value})


# What does not fit


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"num_selected_frames": 3},
            r"= 3 \* 49 = 147 patches of a chunk cannot be laid on a square grid: .* 1 or 4 would fit",
        ),
        (
            {"num_frames": 20},
            r"`num_frames` \(20\) must be a multiple of `frames_per_chunk` \(8\): 16 or 24 would fit",
        ),
        ({"num_frames": 5}, r"`num_frames` \(5\) must be a multiple of `frames_per_chunk` \(8\): 8 or 16 would fit"),
        ({"num_frames": 0}, r"`num_frames` \(0\) must be a multiple"),
        ({"frames_per_chunk": 0}, r"must be a multiple of `frames_per_chunk` \(0\)"),
        ({"num_selected_frames": 9}, r"`num_selected_frames` \(9\) must be from 1 to `frames_per_chunk` \(8\)"),
        ({"num_selected_frames": 0}, r"`num_selected_frames` \(0\) must be from 1"),
        (
            {"num_selected_frames": 1},
            r"2 chunks of 1 selected frames are 2 frames, but the video encoder takes `video_config.num_frames` = 8: "
            r"`num_frames` = 64 or `video_config.num_frames` = 2 would fit",
        ),
        ({"num_frames": 32}, "4 chunks of 4 selected frames are 16 frames, but the video encoder takes .* = 8"),
        ({"video_config": {"tubelet_size": 2}}, r"`video_config.tubelet_size` \(2\) must be 1"),
        ({"image_grid_size": 15}, r"`image_grid_size` \(15\) must be from 1 to 14, the patches .* in `vision_config`"),
        ({"image_grid_size": 0}, r"`image_grid_size` \(0\) must be from 1"),
        ({"video_grid_size": 15}, r"`video_grid_size` \(15\) must be from 1 to 14, the patches .* in `video_config`"),
        (
            {"vision_feature_layer": -14},
            r"`vision_feature_layer` \(-14\) must be one of the 13 hidden states .* -13 to 12",
        ),
        ({"vision_feature_layer": 13}, r"`vision_feature_layer` \(13\) must be one of the 13"),
        ({"image_token_id": 151656}, "`image_token_id` and `video_token_id` must differ, both are 151656"),
        ({"vision_config": {"image_size": 225}}, r"`vision_config.image_size` \(225\) must be a multiple .* \(16\)"),
        ({"vision_config": {"image_size": [224, 224]}}, r"must be integers: frames are square"),
        (
            {"text_config": {"hidden_size": 100, "num_attention_heads": 3, "num_key_value_heads": 3}},
            r"`text_config.hidden_size` \(100\) must be a multiple of `text_config.num_attention_heads` \(3\)",
        ),
        (
            {"text_config": {"hidden_size": 96, "num_attention_heads": 4, "num_key_value_heads": 3}},
            r"`text_config.num_attention_heads` \(4\) must be a multiple of `text_config.num_key_value_heads` \(3\)",
        ),
        (
            {"vision_config": {"hidden_size": 100}},
            r"hidden size \(100\) is not a multiple of the number of attention heads \(12\)",
        ),
        ({"video_config": {"image_size": 225}}, r"`image_size` \(225\) must be a multiple of `patch_size` \(16\)"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_sizes_that_do_not_fit_are_refused(fields, message):
    with pytest.raises(StrictDataclassClassValidationError, match=message):
        MobileVideoGPTConfig(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image_size": 225}, r"`image_size` \(225\) must be a multiple of `patch_size` \(16\): 224 or 240 would fit"),
        ({"num_frames": 7, "tubelet_size": 2}, r"`num_frames` \(7\) must be a multiple of `tubelet_size` \(2\)"),
        ({"time_step_rank": 0}, r"`time_step_rank` \(0\) must be 'auto' or at least 1"),
        ({"time_step_rank": "full"}, r"`time_step_rank` \('full'\) must be 'auto' or at least 1"),
        ({"patch_size": 0}, r"`patch_size` \(0\) must be at least 1"),
        ({"num_hidden_layers": 0}, r"`num_hidden_layers` \(0\) must be at least 1"),
        ({"state_size": -1}, r"`state_size` \(-1\) must be at least 1"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_videomamba_sizes_that_do_not_fit_are_refused(fields, message):
    with pytest.raises(StrictDataclassClassValidationError, match=message):
        VideoMambaConfig(**fields)


@pytest.mark.parametrize(
    ("config_class", "fields"),
    [
        (MobileVideoGPTConfig, {"num_frames": "16"}),
        (MobileVideoGPTConfig, {"num_selected_frames": 4.0}),
        (MobileVideoGPTConfig, {"select_most_attended": "yes"}),
        (MobileVideoGPTConfig, {"text_config": "Qwen/Qwen2.5-0.5B"}),
        (VideoMambaConfig, {"hidden_size": "576"}),
        (VideoMambaConfig, {"clip_decoder_size": "none"}),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else value.model_type,
)
def test_wrong_types_are_refused(config_class, fields):
    (name,) = fields
    with pytest.raises(StrictDataclassFieldValidationError, match=f"field '{name}'"):
        config_class(**fields)


def test_wrong_type_is_refused_on_assignment():
    config = tiny_config()
    with pytest.raises(StrictDataclassFieldValidationError, match="field 'num_frames'"):
        config.num_frames = "12"


def test_fields_set_one_by_one_are_checked_when_used(tmp_path):
    config = tiny_config()
    config.num_frames = 18
    with pytest.raises(StrictDataclassClassValidationError, match="3 chunks of 4 selected frames are 12 frames"):
        config.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="3 chunks of 4 selected frames are 12 frames"):
        MobileVideoGPTModel(config)
    config.video_config.num_frames = 12
    assert MobileVideoGPTModel(config).config.num_video_tokens == 18 * 9 + 3 * 4
