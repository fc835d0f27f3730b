# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Checkpoints in the release's layout load completely, wherever their encoders are, or not at all."""

import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForImageTextToText,
    AutoModelForMultimodalLM,
    BitsAndBytesConfig,
    CLIPVisionModel,
    pipeline,
)

from release_layout import (
    IMAGE_PREFIX,
    VIDEO_PREFIX,
    VIDEOMAMBA_FILE,
    make_release,
    release_weights,
    write_videomamba,
)
from transformers_mvgpt import MobileVideoGPTConfig, MobileVideoGPTForConditionalGeneration, MobileVideoGPTModel
from transformers_mvgpt.conversion.weight_names import native_names, release_names


LAYOUTS = pytest.mark.parametrize(
    ("image_encoder", "video_encoder"),
    [(True, True), (False, True), (True, False), (False, False)],
    ids=["both", "only-video", "only-image", "neither"],
)


def assert_complete(model: MobileVideoGPTForConditionalGeneration, dtype: torch.dtype = torch.float32) -> None:
    """Each weight of the model is the one of the release."""
    natives = native_names(release_weights(), "mobile_videogpt")
    expected = {natives[name]: tensor.to(dtype) for name, tensor in release_weights().items()}
    expected["lm_head.weight"] = expected["model.language_model.embed_tokens.weight"]
    state = model.state_dict()
    assert state.keys() == expected.keys()
    assert [name for name in state if not torch.equal(state[name], expected[name])] == []


class Exploit:
    """Creates a file where it is unpickled."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self):
        return os.mkdir, (str(self.file),)


@LAYOUTS
@pytest.mark.parametrize("weights_format", ["safetensors", "bin"])
def test_loads_every_weight_and_saves_the_same_file(tmp_path, image_encoder, video_encoder, weights_format):
    release = make_release(
        tmp_path, image_encoder=image_encoder, video_encoder=video_encoder, weights_format=weights_format
    )
    model, info = MobileVideoGPTForConditionalGeneration.from_pretrained(release, output_loading_info=True)
    assert_complete(model)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert model.name_or_path == model.config.name_or_path == str(release)
    assert model.generation_config.max_new_tokens == 7

    model.save_pretrained(tmp_path / "saved")
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert saved.keys() == release_weights().keys()
    assert all(torch.equal(saved[name], tensor) for name, tensor in release_weights().items())


@LAYOUTS
def test_options_work_as_without_completion(tmp_path, image_encoder, video_encoder):
    release = make_release(tmp_path, image_encoder=image_encoder, video_encoder=video_encoder)
    load = MobileVideoGPTForConditionalGeneration.from_pretrained
    assert_complete(load(release, dtype="bfloat16"), torch.bfloat16)
    assert_complete(load(release, device_map="cpu"))
    assert_complete(load(release, device_map="auto"))
    assert load(release, attn_implementation="eager").config._attn_implementation == "eager"
    assert load(release, num_frames=8, frames_per_chunk=4).config.num_chunks == 2
    assert (
        load(
            release, config=MobileVideoGPTConfig.from_pretrained(release, vision_feature_layer=1)
        ).config.vision_feature_layer
        == 1
    )
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'"):
        load(release, nonsense=1)


def test_disk_offload(tmp_path):
    release = make_release(tmp_path, image_encoder=False, video_encoder=False)
    device_map = {
        "model.language_model": "cpu",
        "lm_head": "cpu",
        "model.vision_tower": "disk",
        "model.video_tower": "disk",
    }
    device_map |= {"model.image_projector": "cpu", "model.video_projector": "cpu"}
    model = MobileVideoGPTForConditionalGeneration.from_pretrained(
        release, device_map=device_map, offload_folder=tmp_path / "offload"
    )
    pixels = torch.rand(1, 3, 32, 32)
    complete = MobileVideoGPTForConditionalGeneration.from_pretrained(make_release(tmp_path / "complete"))
    with torch.no_grad():
        features, expected = (m.get_image_features(pixels).pooler_output for m in (model, complete))
    assert torch.equal(features, expected)


def test_quantization(tmp_path):
    pytest.importorskip("bitsandbytes")
    options = {"quantization_config": BitsAndBytesConfig(load_in_8bit=True), "device_map": "cpu"}
    states = [
        MobileVideoGPTForConditionalGeneration.from_pretrained(
            make_release(tmp_path / str(complete), image_encoder=complete, video_encoder=complete), **options
        ).state_dict()
        for complete in (True, False)
    ]
    assert states[0]["model.language_model.layers.0.mlp.up_proj.weight"].dtype == torch.int8
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("auto_class", [AutoModelForImageTextToText, AutoModelForMultimodalLM])
def test_auto_classes(tmp_path, auto_class):
    release = make_release(tmp_path, image_encoder=False, video_encoder=False, image_mm_vision_tower="no/where")
    assert_complete(auto_class.from_pretrained(release, image_encoder=tmp_path / "clip", dtype="auto"))


def test_auto_model(tmp_path):
    release = make_release(tmp_path, image_encoder=False, video_encoder=False)
    model = AutoModel.from_pretrained(release)
    assert type(model) is MobileVideoGPTModel
    complete = MobileVideoGPTForConditionalGeneration.from_pretrained(release).model.state_dict()
    assert model.state_dict().keys() == complete.keys()
    assert all(torch.equal(tensor, complete[name]) for name, tensor in model.state_dict().items())


def test_pipeline(tmp_path):
    release = make_release(tmp_path, image_encoder=False, video_encoder=False)
    assert_complete(pipeline("video-text-to-text", model=str(release), device="cpu").model)


@pytest.mark.parametrize("is_complete", [True, False])
def test_default_length_of_transformers_4_does_not_end_answers(tmp_path, is_complete):
    release = make_release(tmp_path, image_encoder=is_complete, max_length=20, eos_token_id=257)
    (release / "generation_config.json").unlink()
    generation_config = MobileVideoGPTForConditionalGeneration.from_pretrained(release).generation_config
    assert generation_config.eos_token_id == 257
    assert generation_config.max_length is None


@pytest.mark.parametrize("is_complete", [True, False])
def test_generation_config_is_kept(tmp_path, is_complete):
    release = make_release(tmp_path, image_encoder=is_complete)
    assert MobileVideoGPTForConditionalGeneration.from_pretrained(release).generation_config.max_new_tokens == 7


def test_unread_weights_stay_frozen(tmp_path):
    model = MobileVideoGPTForConditionalGeneration.from_pretrained(make_release(tmp_path))
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    parts = ("vision_tower.encoder.layers.1.", "vision_tower.post_layernorm.", "video_tower.clip_decoder.")
    assert frozen == {name for name, _ in model.named_parameters() if any(part in name for part in parts)} != set()


def test_state_dict_of_the_caller_is_left_alone(tmp_path):
    config = MobileVideoGPTConfig.from_pretrained(make_release(tmp_path))
    weights = {name: tensor for name, tensor in release_weights().items() if not name.startswith(IMAGE_PREFIX)}
    model, info = MobileVideoGPTForConditionalGeneration.from_pretrained(
        None, config=config, state_dict=weights, output_loading_info=True
    )
    assert {name.split(".")[1] for name in info["missing_keys"]} == {"vision_tower"}
    assert torch.equal(model.lm_head.weight, weights["model.embed_tokens.weight"])
    with pytest.raises(ValueError, match="`state_dict` cannot be passed together with a model name"):
        MobileVideoGPTForConditionalGeneration.from_pretrained(tmp_path / "release", state_dict=weights)
    with pytest.raises(ValueError, match="`video_encoder` can only be given .* the path or Hub id of a checkpoint"):
        MobileVideoGPTForConditionalGeneration.from_pretrained(
            None, config=config, state_dict=weights, video_encoder=tmp_path / "videomamba"
        )


def test_unread_weights_may_be_missing(tmp_path):
    release = make_release(tmp_path, image_encoder=False, video_encoder=False)
    unread = ("clip_decoder.", "post_layernorm.", "encoder.layers.1.")
    for folder, file in (("clip", "model.safetensors"), ("videomamba", "model.safetensors")):
        prefix = IMAGE_PREFIX if folder == "clip" else VIDEO_PREFIX
        weights = {
            name.removeprefix(prefix): tensor for name, tensor in release_weights().items() if name.startswith(prefix)
        }
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith(unread)}
        shutil.rmtree(tmp_path / folder)
        (tmp_path / folder).mkdir()
        save_file(weights, tmp_path / folder / file)
    model, info = MobileVideoGPTForConditionalGeneration.from_pretrained(release, output_loading_info=True)
    assert info["missing_keys"]
    assert {name.removeprefix("model.vision_tower.").split("1.")[0] for name in info["missing_keys"]} == {
        "post_layernorm.weight",
        "post_layernorm.bias",
        "encoder.layers.",
    }
    assert torch.equal(model.model.video_tower.norm.weight, release_weights()[VIDEO_PREFIX + "norm.weight"])


class TestImageEncoderSources:
    @pytest.fixture
    def release(self, tmp_path) -> Path:
        return make_release(tmp_path, image_encoder=False, image_mm_vision_tower=None)

    def test_transformers_folder(self, tmp_path, release):
        CLIPVisionModel.from_pretrained(tmp_path / "clip").save_pretrained(tmp_path / "saved")
        assert_complete(
            MobileVideoGPTForConditionalGeneration.from_pretrained(release, image_encoder=tmp_path / "saved")
        )

    @pytest.mark.parametrize("prefix", ["", "vision_model.", IMAGE_PREFIX], ids=["bare", "clip", "release"])
    def test_file(self, tmp_path, release, prefix):
        weights = {name: tensor for name, tensor in release_weights().items() if name.startswith(IMAGE_PREFIX)}
        file = tmp_path / "clip.bin"
        torch.save({prefix + name.removeprefix(IMAGE_PREFIX): tensor for name, tensor in weights.items()}, file)
        assert_complete(MobileVideoGPTForConditionalGeneration.from_pretrained(release, image_encoder=file))

    def test_whole_clip(self, tmp_path, release):
        """A CLIP model with its text side, whose layers have the same last names."""
        weights = load_file(tmp_path / "clip" / "model.safetensors")
        text = {
            name.replace("vision_model", "text_model"): torch.zeros_like(tensor) for name, tensor in weights.items()
        }
        save_file({**text, **weights, "logit_scale": torch.zeros(())}, tmp_path / "clip" / "model.safetensors")
        assert_complete(
            MobileVideoGPTForConditionalGeneration.from_pretrained(release, image_encoder=tmp_path / "clip")
        )

    def test_given_encoder_replaces_the_own_one(self, tmp_path):
        release = make_release(tmp_path)
        weights = load_file(tmp_path / "clip" / "model.safetensors")
        save_file({name: tensor + 1 for name, tensor in weights.items()}, tmp_path / "clip" / "model.safetensors")
        model = MobileVideoGPTForConditionalGeneration.from_pretrained(release, image_encoder=tmp_path / "clip")
        expected = weights["vision_model.embeddings.class_embedding"] + 1
        assert torch.equal(model.model.vision_tower.embeddings.class_embedding, expected)

    def test_other_sizes(self, tmp_path, release):
        weights = load_file(tmp_path / "clip" / "model.safetensors")
        weights["vision_model.embeddings.position_embedding.weight"] = torch.zeros(5, 32)
        save_file(weights, tmp_path / "clip" / "model.safetensors")
        message = (
            r"embeddings.position_embedding.weight .* has the shape \(5, 32\), but .*`vision_config` .* \(17, 32\)"
        )
        with pytest.raises(ValueError, match=message):
            MobileVideoGPTForConditionalGeneration.from_pretrained(release, image_encoder=tmp_path / "clip")

    def test_other_model(self, tmp_path, release):
        save_file({"encoder.weight": torch.zeros(2)}, tmp_path / "clip" / "model.safetensors")
        with pytest.raises(
            ValueError, match=r"21 of the 21 weights of the image encoder are missing in .*clip, such as embeddings\."
        ):
            MobileVideoGPTForConditionalGeneration.from_pretrained(release, image_encoder=tmp_path / "clip")


class TestVideoEncoderSources:
    @pytest.fixture
    def release(self, tmp_path) -> Path:
        return make_release(tmp_path, video_encoder=False, mm_vision_tower=None)

    @pytest.mark.parametrize("key", [None, "model", "module"])
    @pytest.mark.parametrize("prefix", ["", "module.", "vision_encoder.", "module.vision_encoder.", VIDEO_PREFIX])
    def test_file(self, tmp_path, release, key, prefix):
        file = tmp_path / "video.pth"
        write_videomamba(file, key=key, prefix=prefix)
        assert_complete(MobileVideoGPTForConditionalGeneration.from_pretrained(release, video_encoder=file))

    def test_legacy_file(self, tmp_path, release):
        """Files that torch wrote before 1.6 cannot be mapped into memory."""
        weights = torch.load(tmp_path / "videomamba" / VIDEOMAMBA_FILE, weights_only=True)
        torch.save(weights, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
        assert_complete(
            MobileVideoGPTForConditionalGeneration.from_pretrained(release, video_encoder=tmp_path / "old.pth")
        )

    def test_own_name_among_others(self, tmp_path, release):
        torch.save({}, tmp_path / "videomamba" / "other.pth")
        assert_complete(
            MobileVideoGPTForConditionalGeneration.from_pretrained(release, video_encoder=tmp_path / "videomamba")
        )

    def test_single_file_of_another_name(self, tmp_path, release):
        folder = tmp_path / "videomamba"
        (folder / VIDEOMAMBA_FILE).rename(folder / "best.pth")
        (folder / "README.md").write_text("")
        assert_complete(MobileVideoGPTForConditionalGeneration.from_pretrained(release, video_encoder=folder))

    def test_several_files(self, tmp_path, release):
        folder = tmp_path / "videomamba"
        (folder / VIDEOMAMBA_FILE).rename(folder / "a.pth")
        shutil.copy(folder / "a.pth", folder / "b.pth")
        with pytest.raises(
            OSError, match=r"has 2 \.pth and \.safetensors files, .* say which one to take, as in .*NAME"
        ):
            MobileVideoGPTForConditionalGeneration.from_pretrained(release, video_encoder=folder)

    def test_other_number_of_frames(self, tmp_path, release):
        file = tmp_path / "videomamba" / VIDEOMAMBA_FILE
        content = torch.load(file, weights_only=True)
        content["model"]["temporal_pos_embedding"] = torch.zeros(1, 16, 32)
        torch.save(content, file)
        message = r"temporal_pos_embedding .* has the shape \(1, 16, 32\), but .*`video_config` makes it \(1, 2, 32\)"
        with pytest.raises(ValueError, match=message):
            MobileVideoGPTForConditionalGeneration.from_pretrained(release, video_encoder=file)

    def test_malicious_file_is_refused_and_not_run(self, tmp_path, release):
        victim, file = tmp_path / "victim", tmp_path / "evil.pth"
        torch.save({"model": Exploit(victim)}, file)
        with pytest.raises(
            ValueError, match=r"evil\.pth was not read: .* also \w+\.mkdir, and unpickling that could run"
        ):
            MobileVideoGPTForConditionalGeneration.from_pretrained(release, video_encoder=file)
        assert not victim.exists()
        torch.load(file, weights_only=False)
        assert victim.exists(), "the file was no exploit, and the test shows nothing"

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"version https://git-lfs.github.com/spec/v1", "is not a file of weights: it cannot be read"),
            (b"", "is damaged: it cannot be read"),
            (b"PK\x03\x04 cut off", "is damaged: it cannot be read"),
            (pickle.dumps([1, 2], protocol=2), "is damaged: it cannot be read"),
        ],
        ids=["text", "empty", "cut-off", "no-torch-file"],
    )
    def test_damaged_file(self, tmp_path, release, content, message):
        (tmp_path / "video.pth").write_bytes(content)
        with pytest.raises(ValueError, match=rf"video\.pth {message}"):
            MobileVideoGPTForConditionalGeneration.from_pretrained(release, video_encoder=tmp_path / "video.pth")

    @pytest.mark.parametrize(
        ("content", "message"),
        [({"epoch": 3}, "holds no tensors, but 'epoch'"), ([1, 2], "holds a list, not tensors by name")],
        ids=["dict", "list"],
    )
    def test_file_without_tensors(self, tmp_path, release, content, message):
        torch.save(content, tmp_path / "video.pth")
        with pytest.raises(ValueError, match=rf"video\.pth {message}"):
            MobileVideoGPTForConditionalGeneration.from_pretrained(release, video_encoder=tmp_path / "video.pth")


class TestMissingEncoders:
    def test_both_in_one_error(self, tmp_path):
        release = make_release(
            tmp_path,
            image_encoder=False,
            video_encoder=False,
            image_mm_vision_tower="openai/clip-vit-base-patch16",
            mm_vision_tower=None,
        )
        with pytest.raises(OSError) as error:
            MobileVideoGPTForConditionalGeneration.from_pretrained(release)
        image, video = str(error.value).splitlines()
        assert image == (
            f"21 weights of the image encoder are missing in {release}, such as "
            "model.vision_tower.embeddings.class_embedding, model.vision_tower.embeddings.patch_embedding.weight. They "
            "could not be had from elsewhere: openai/clip-vit-base-patch16 is neither a file or folder with weights, nor a "
            "repository with weights that could be reached on the Hub. Give `image_encoder=` (a Hub id or folder of a "
            "CLIP model, such as openai/clip-vit-base-patch16), or write a complete folder once: "
            f"`mvgpt convert {release} TARGET --image-encoder ...`."
        )
        assert video.startswith("40 weights of the video encoder are missing")
        assert "the config has no `mm_vision_tower`, which would say where they are" in video
        assert f"`mvgpt convert {release} TARGET --video-encoder ...`" in video

    @pytest.mark.parametrize("source", ["OpenGVLab/VideoMamba", "OpenGVLab/VideoMamba/x.pth", "./x.pth", "/no/x.pth"])
    def test_unreachable_video_encoder(self, tmp_path, source):
        release = make_release(tmp_path, video_encoder=False)
        with pytest.raises(OSError, match=f"{source} is neither a file or folder with weights, nor a repository"):
            MobileVideoGPTForConditionalGeneration.from_pretrained(release, video_encoder=source)

    @pytest.mark.parametrize("model_class", [MobileVideoGPTForConditionalGeneration, MobileVideoGPTModel])
    def test_native_folder(self, tmp_path, model_class):
        native = self._native_folder(tmp_path, lambda name: "vision_tower" in name)
        with pytest.raises(OSError, match="21 weights of the image encoder are missing in .*/native"):
            model_class.from_pretrained(native)
        model_class.from_pretrained(native, image_encoder=tmp_path / "clip")

    def test_native_folder_that_was_never_published(self, tmp_path):
        native = self._native_folder(tmp_path, lambda name: "vision_tower" in name)
        options = {"image_mm_vision_tower": None, "mm_vision_tower": None, "output_loading_info": True}
        _, info = MobileVideoGPTForConditionalGeneration.from_pretrained(native, **options)
        assert info["missing_keys"] and all("vision_tower" in name for name in info["missing_keys"])

    @pytest.mark.parametrize("model_class", [MobileVideoGPTForConditionalGeneration, MobileVideoGPTModel])
    def test_part_of_an_encoder(self, tmp_path, model_class):
        native = self._native_folder(tmp_path, lambda name: "video_tower.layers.1.norm" in name)
        message = (
            r"1 weights of the video encoder are missing in .*video_tower\.layers\.1\.norm\.weight\. They are in none"
        )
        with pytest.raises(OSError, match=message):
            model_class.from_pretrained(native)
        model_class.from_pretrained(native, video_encoder=tmp_path / "videomamba")

    def test_damaged_checkpoint(self, tmp_path):
        release = make_release(tmp_path)
        (release / "model.safetensors").write_bytes(b"\0" * 100)
        with pytest.raises(ValueError, match="model.safetensors is damaged: it cannot be read"):
            MobileVideoGPTForConditionalGeneration.from_pretrained(release)

    def test_malicious_checkpoint(self, tmp_path):
        release = make_release(tmp_path, weights_format="bin")
        (release / "pytorch_model.bin.index.json").unlink()
        torch.save({"model.norm.weight": Exploit(tmp_path / "victim")}, release / "pytorch_model.bin")
        with pytest.raises(ValueError, match="pytorch_model.bin was not read: .* unpickling that could run code"):
            MobileVideoGPTForConditionalGeneration.from_pretrained(release)
        assert not (tmp_path / "victim").exists()

    @staticmethod
    def _native_folder(folder: Path, is_left_out) -> Path:
        model = MobileVideoGPTForConditionalGeneration.from_pretrained(make_release(folder))
        model.config.image_mm_vision_tower = model.config.mm_vision_tower = "no/where"
        state = {name: tensor for name, tensor in model.state_dict().items() if not is_left_out(name)}
        model.save_pretrained(folder / "native", state_dict=state, save_original_format=False)
        return folder / "native"


def test_names_go_back_and_forth():
    names = set(release_weights())
    natives = native_names(names, "mobile_videogpt")
    assert release_names(natives.values(), "mobile_videogpt") == {native: name for name, native in natives.items()}
    assert native_names(natives.values(), "mobile_videogpt") == {native: native for native in natives.values()}
