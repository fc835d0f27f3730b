# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Published checkpoints of MobileVLM and TinyLLaVA-Video load with every weight, are converted, and saved as they were."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForImageTextToText, AutoProcessor

from hub_folders import put_in_cache
from piece_processors import llama_tokenizer
from published_folders import (
    ENCODER_PREFIXES,
    GROUP,
    KINDS,
    LDP,
    LDPV2,
    MODEL_TYPES,
    NAIVE,
    PHI,
    published_weights,
    write_image_encoder,
    write_published,
)
from sentencepiece_models import sentencepiece_model
from transformers_mvgpt.conversion import convert
from transformers_mvgpt.conversion.weight_names import native_names, release_names
from transformers_mvgpt.families import family_of


every_kind = pytest.mark.parametrize("kind", KINDS)
LEFTOVERS = {
    LDP: ["model.layers.0.self_attn.rotary_emb.inv_freq", f"{ENCODER_PREFIXES['mobilevlm']}embeddings.position_ids"],
    GROUP: [
        "language_model.model.layers.0.self_attn.rotary_emb.inv_freq",
        f"{ENCODER_PREFIXES['tinyllava_video']}embeddings.position_ids",
    ],
}


def assert_complete(model: torch.nn.Module, kind: str) -> None:
    """Each weight of the model is the published one."""
    natives = native_names(published_weights(kind), MODEL_TYPES[kind])
    expected = {natives[name]: tensor for name, tensor in published_weights(kind).items()}
    expected.setdefault("lm_head.weight", expected["model.language_model.embed_tokens.weight"])
    state = model.state_dict()
    assert state.keys() == expected.keys()
    assert [name for name in state if not torch.equal(state[name], expected[name])] == []


@every_kind
def test_loads_every_weight_and_saves_the_same_file(tmp_path, kind):
    release = write_published(tmp_path / "release", kind)
    model, info = AutoModelForImageTextToText.from_pretrained(release, output_loading_info=True)
    assert type(model) is family_of(MODEL_TYPES[kind]).model_class
    assert_complete(model, kind)
    assert not any(info[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert model.generation_config.max_new_tokens == 5

    model.save_pretrained(tmp_path / "saved")
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert saved.keys() == published_weights(kind).keys()
    assert all(torch.equal(saved[name], tensor) for name, tensor in published_weights(kind).items())
    assert_complete(AutoModelForImageTextToText.from_pretrained(tmp_path / "saved"), kind)


@every_kind
def test_names_go_back_and_forth(kind):
    names, model_type = set(published_weights(kind)), MODEL_TYPES[kind]
    natives = native_names(names, model_type)
    assert len(set(natives.values())) == len(names)
    assert native_names(natives.values(), model_type) == {native: native for native in natives.values()}
    assert release_names(natives.values(), model_type) == {native: name for name, native in natives.items()}


@pytest.mark.parametrize(
    ("kind", "form"),
    [(LDP, "bin"), (LDPV2, "shards"), (GROUP, "shards"), (NAIVE, "bin"), (GROUP, "folders"), (PHI, "folders")],
)
def test_forms_are_converted_to_a_native_folder(tmp_path, kind, form):
    release = write_published(tmp_path / "release", kind, form=form)
    assert_complete(AutoModelForImageTextToText.from_pretrained(release), kind)
    convert(release, tmp_path / "native")
    release.rename(tmp_path / "away")
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "native")
    assert_complete(model, kind)
    names = load_file(tmp_path / "native" / "model.safetensors")
    assert all(name.startswith(("model.", "lm_head.")) for name in names)
    config = json.loads((tmp_path / "native" / "config.json").read_text())
    assert config["model_type"] == MODEL_TYPES[kind]
    processor = AutoProcessor.from_pretrained(tmp_path / "native")
    assert type(processor) is family_of(MODEL_TYPES[kind]).processor_class
    assert model.generation_config.eos_token_id == 2
    model.save_pretrained(tmp_path / "again")
    assert load_file(tmp_path / "again" / "model.safetensors").keys() == names.keys()


def test_only_a_tokenizer_model(tmp_path):
    """As MobileVLM's repositories have it."""
    release = write_published(tmp_path / "release", LDPV2)
    expected = AutoProcessor.from_pretrained(release)
    (release / "tokenizer.json").unlink()
    vocabulary = llama_tokenizer().get_vocab()
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    (release / "tokenizer.model").write_bytes(sentencepiece_model(pieces))
    convert(release, tmp_path / "native")
    for folder in (release, tmp_path / "native"):
        processor = AutoProcessor.from_pretrained(folder)
        assert type(processor) is type(expected)
        assert processor.tokenizer("USER: Is it red?").input_ids == expected.tokenizer("USER: Is it red?").input_ids
        assert processor.image_token_id == expected.image_token_id == 2048


@pytest.mark.parametrize("kind", [LDP, GROUP])
def test_leftovers_are_ignored(tmp_path, kind):
    more = {name: torch.arange(8) for name in LEFTOVERS[kind]}
    unused = (
        {"n_embd": 4096, "n_head": 16, "padded_vocab_size": 32000} if kind == LDP else {"resampler_hidden_size": 9}
    )
    release = write_published(tmp_path / "release", kind, more=more, **unused)
    model, info = AutoModelForImageTextToText.from_pretrained(release, output_loading_info=True)
    assert_complete(model, kind)
    assert not info["missing_keys"]
    convert(release, tmp_path / "native")
    assert_complete(AutoModelForImageTextToText.from_pretrained(tmp_path / "native"), kind)


@pytest.mark.parametrize("kind", [LDP, NAIVE])
def test_model_without_head(tmp_path, kind):
    release = write_published(tmp_path / "release", kind)
    model = AutoModel.from_pretrained(release)
    natives = native_names(published_weights(kind), MODEL_TYPES[kind])
    expected = {
        natives[name].removeprefix("model."): tensor
        for name, tensor in published_weights(kind).items()
        if natives[name].startswith("model.")
    }
    assert model.state_dict().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


class TestMissingEncoders:
    @pytest.fixture(params=[LDP, GROUP])
    def kind(self, request) -> str:
        return request.param

    @pytest.fixture
    def release(self, tmp_path, kind) -> Path:
        return write_published(tmp_path / "release", kind, without=ENCODER_PREFIXES[MODEL_TYPES[kind]])

    @staticmethod
    def published_source(kind: str) -> str:
        [encoder] = family_of(MODEL_TYPES[kind]).encoders.values()
        return encoder.published_source

    def test_from_the_published_place(self, tmp_path, kind, release):
        encoder = write_image_encoder(tmp_path / "encoder", MODEL_TYPES[kind])
        put_in_cache(tmp_path / "cache", self.published_source(kind), encoder)
        assert_complete(AutoModelForImageTextToText.from_pretrained(release, cache_dir=tmp_path / "cache"), kind)

    @pytest.mark.parametrize("with_text", [True, False])
    def test_given(self, tmp_path, kind, release, with_text):
        encoder = write_image_encoder(tmp_path / "encoder", MODEL_TYPES[kind], with_text)
        assert_complete(AutoModelForImageTextToText.from_pretrained(release, image_encoder=encoder), kind)
        convert(release, tmp_path / "native", image_encoder=encoder)
        assert_complete(AutoModelForImageTextToText.from_pretrained(tmp_path / "native"), kind)

    def test_nowhere(self, kind, release):
        source, number = self.published_source(kind), sum("vision_tower" in name for name in published_weights(kind))
        message = (
            rf"\d+ weights of the image encoder are missing in .*release, such as .*{source} is neither a file or folder with "
            "weights, nor a repository .* Give `image_encoder=`"
        )
        assert number > 0
        with pytest.raises(OSError, match=message):
            AutoModelForImageTextToText.from_pretrained(release)
        with pytest.raises(OSError, match=message):
            convert(release, release.parent / "native")
        assert not (release.parent / "native").exists()


@pytest.mark.parametrize("place", ["absolute", ".", "~", "relative"])
def test_folders_of_an_author_are_not_followed(tmp_path, monkeypatch, place):
    encoder = write_image_encoder(tmp_path / "authors" / "clip", "mobilevlm")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    names = {"absolute": str(encoder), ".": "./authors/clip", "~": "~/authors/clip", "relative": "authors/clip"}
    release = write_published(
        tmp_path / "release", LDP, without=ENCODER_PREFIXES["mobilevlm"], mm_vision_tower=names[place]
    )
    with pytest.raises(OSError, match="openai/clip-vit-large-patch14-336 is neither a file .* Give `image_encoder=`"):
        AutoModelForImageTextToText.from_pretrained(release)
    put_in_cache(tmp_path / "cache", "openai/clip-vit-large-patch14-336", encoder)
    assert_complete(AutoModelForImageTextToText.from_pretrained(release, cache_dir=tmp_path / "cache"), LDP)
    convert(release, tmp_path / "native", image_encoder=encoder)
    config = json.loads((tmp_path / "native" / "config.json").read_text())
    assert config["mm_vision_tower"] == "openai/clip-vit-large-patch14-336"


def test_names_in_the_config_of_tinyllava_video_are_not_looked_up(tmp_path):
    nowhere = dict.fromkeys(
        ("llm_model_name_or_path", "tokenizer_name_or_path", "vision_model_name_or_path", "cache_dir"),
        "/mnt/author/models",
    )
    release = write_published(tmp_path / "release", GROUP, **nowhere)
    assert_complete(AutoModelForImageTextToText.from_pretrained(release), GROUP)
    convert(release, tmp_path / "native")
    assert "/mnt/author" not in (tmp_path / "native" / "config.json").read_text()


def test_other_models_of_tinyllava_are_refused(tmp_path):
    release = write_published(tmp_path / "release", GROUP, connector_type="mlp2x_gelu")
    message = "an image model of TinyLLaVA Factory, .* `connector_type` is 'mlp2x_gelu'"
    for load in (AutoModelForImageTextToText.from_pretrained, lambda path: convert(path, tmp_path / "native")):
        with pytest.raises(ValueError, match=message):
            load(release)


def test_a_module_folder_that_is_missing(tmp_path):
    release = write_published(tmp_path / "release", GROUP, form="folders")
    (release / "connector" / "pytorch_model.bin").unlink()
    with pytest.raises(ValueError, match=r"\d+ weights of video_projector are missing in .*release"):
        AutoModelForImageTextToText.from_pretrained(release)
    with pytest.raises(ValueError, match=r"\d+ weights of video_projector are missing in .*release"):
        convert(release, tmp_path / "native")
