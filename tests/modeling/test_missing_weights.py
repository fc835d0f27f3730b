# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""A model that lacks a weight does not load."""

import json
import re
from functools import partial

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForImageTextToText, BitsAndBytesConfig

from tiny_models import make_sample, tiny_config, tiny_model, tiny_video_config, with_seeded_weights
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration, MobileVideoGPTModel, VideoMambaModel


TOWER = r"(model\.)?vision_tower\."
LAYER = r"(model\.)?video_tower\.layers\.1\."


@pytest.fixture
def checkpoint(tmp_path):
    tiny_model().save_pretrained(tmp_path, save_original_format=False)
    return tmp_path


def rewrite(folder, change):
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


def drop(folder, pattern):
    rewrite(folder, lambda weights: {name: value for name, value in weights.items() if not re.match(pattern, name)})


@pytest.mark.parametrize(
    "load",
    [
        MobileVideoGPTForConditionalGeneration.from_pretrained,
        AutoModelForImageTextToText.from_pretrained,
        AutoModel.from_pretrained,
        MobileVideoGPTModel.from_pretrained,
        partial(MobileVideoGPTForConditionalGeneration.from_pretrained, device_map="auto"),
        partial(MobileVideoGPTForConditionalGeneration.from_pretrained, ignore_mismatched_sizes=True),
    ],
    ids=["class", "auto", "auto base", "base", "device map", "ignore_mismatched_sizes"],
)
@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (
            TOWER,
            r"weights of the image encoder are missing in .*, such as .*vision_tower\.embeddings.* Give `image_encoder=`",
        ),
        (
            LAYER,
            r"weights of the video encoder are missing in .*, such as .*video_tower\.layers\.1\..* Take a complete",
        ),
        (
            r"model\.video_projector\.",
            r"weights of video_projector are missing in .*`allow_missing_weights=True` draws them",
        ),
    ],
    ids=["tower", "layer", "projector"],
)
def test_missing_weights_are_refused(checkpoint, load, pattern, message):
    drop(checkpoint, pattern)
    with pytest.raises(OSError, match=message) as caught:
        load(checkpoint)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{"load_in_8bit": True}, {"load_in_4bit": True}], ids=["8 bits", "4 bits"])
def test_missing_weights_of_a_quantized_model_are_refused(checkpoint, options):
    pytest.importorskip("bitsandbytes")
    drop(checkpoint, r"model\.language_model\.layers\.1\.mlp\.")
    load = partial(MobileVideoGPTForConditionalGeneration.from_pretrained, device_map="cpu")
    with pytest.raises(
        OSError, match=r"3 weights of language_model are missing in .*layers\.1\.mlp\.down_proj\.weight"
    ):
        load(checkpoint, quantization_config=BitsAndBytesConfig(**options))


def test_missing_weights_of_a_pickled_checkpoint_are_refused(checkpoint):
    weights = {
        name: value for name, value in load_file(checkpoint / "model.safetensors").items() if "norm" not in name
    }
    (checkpoint / "model.safetensors").unlink()
    torch.save(weights, checkpoint / "pytorch_model.bin")
    with pytest.raises(OSError, match=r"are missing in .*norm"):
        MobileVideoGPTForConditionalGeneration.from_pretrained(checkpoint)


@pytest.mark.parametrize("ignore", [True, False])
def test_other_shapes_are_refused_before_memory_is_taken(checkpoint, ignore):
    config = tiny_config(text_config={"vocab_size": 2**24})  # 2 GB
    with pytest.raises(
        ValueError, match=r"lm_head\.weight in .* has the shape \(99, 32\), but the config makes it \(16777216, 32\)"
    ):
        MobileVideoGPTForConditionalGeneration.from_pretrained(
            checkpoint, config=config, ignore_mismatched_sizes=ignore
        )


def test_weights_of_another_architecture_are_called_so(checkpoint):
    rewrite(checkpoint, lambda weights: {f"bert.encoder.{index}": torch.zeros(2) for index in range(3)})
    with pytest.raises(OSError, match=r"It has the weights of another model, such as .*bert\.encoder\.0"):
        MobileVideoGPTForConditionalGeneration.from_pretrained(checkpoint)


def test_video_encoder_alone(tmp_path):
    with_seeded_weights(VideoMambaModel(tiny_video_config())).save_pretrained(tmp_path)
    drop(tmp_path, r".*clip_decoder\.|.*text_projector")  # nothing reads it
    assert VideoMambaModel.from_pretrained(tmp_path)
    drop(tmp_path, r".*layers\.1\.")
    with pytest.raises(OSError, match=r"weights of layers are missing in"):
        VideoMambaModel.from_pretrained(tmp_path)


def test_missing_weights_are_allowed_if_asked_for(checkpoint):
    drop(checkpoint, r"model\.video_projector\.")
    load = MobileVideoGPTForConditionalGeneration.from_pretrained
    assert load(checkpoint, allow_missing_weights=True)(**make_sample(5, "video:a", 6)).logits.isfinite().all()
    assert AutoModelForImageTextToText.from_pretrained(checkpoint, allow_missing_weights=True)
    _, info = load(checkpoint, output_loading_info=True)  # which names them
    assert all(name.startswith("model.video_projector.") for name in info["missing_keys"])
    assert info["missing_keys"]
    with pytest.raises(OSError, match="weights of video_projector are missing"):
        load(checkpoint, output_loading_info=True, allow_missing_weights=False)


def test_fresh_model_without_any_weights():
    model = MobileVideoGPTForConditionalGeneration.from_pretrained(None, config=tiny_config(), state_dict={})
    assert not any(parameter.is_meta for parameter in model.parameters())


def test_incomplete_state_dict_is_refused():
    weights = {"lm_head.weight": torch.zeros(99, 32)}
    with pytest.raises(OSError, match="are missing in the `state_dict`"):
        MobileVideoGPTForConditionalGeneration.from_pretrained(None, config=tiny_config(), state_dict=weights)


def test_base_of_an_adapter_is_checked_too(checkpoint):
    pytest.importorskip("peft")
    base, adapter = checkpoint / "base", checkpoint / "adapter"
    tiny_model().save_pretrained(base, save_original_format=False)
    drop(base, LAYER)
    adapter.mkdir()
    fields = {"peft_type": "LORA", "r": 4, "target_modules": ["q_proj"], "base_model_name_or_path": str(base)}
    (adapter / "adapter_config.json").write_text(json.dumps(fields))
    for load in (MobileVideoGPTForConditionalGeneration.from_pretrained, AutoModelForImageTextToText.from_pretrained):
        with pytest.raises(OSError, match="weights of the video encoder are missing"):
            load(adapter)
