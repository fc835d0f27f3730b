# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the models of all families with one modality can do, each on a tiny one."""

import copy

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForImageTextToText,
    AutoModelForMultimodalLM,
    BitsAndBytesConfig,
    DynamicCache,
    StaticCache,
)

from checkpointing import enable_checkpointing
from tiny_family_models import SAMPLES, tiny_mobilevlm, tiny_tinyllava
from tiny_models import with_seeded_weights
from transformers_mvgpt.compat.cache_name import CACHE_NAME


FAMILIES = {
    "MobileVLM": lambda: tiny_mobilevlm("ldp"),
    "MobileVLM V2": lambda: tiny_mobilevlm("ldpv2"),
    "TinyLLaVA-Video group": lambda: tiny_tinyllava("group"),
    "TinyLLaVA-Video naive": lambda: tiny_tinyllava("naive", num_queries=6),
    "TinyLLaVA-Video Phi": lambda: tiny_tinyllava("naive", "phi", video_token_id=120),
}
NUM_NEW_TOKENS = 6

every_sample = pytest.mark.parametrize("parts", SAMPLES.values(), ids=SAMPLES)
TWO = SAMPLES["two visuals"]


@pytest.fixture(scope="module", params=FAMILIES.values(), ids=FAMILIES)
def family(request):
    return request.param()


@pytest.fixture(scope="module")
def model(family):
    return with_seeded_weights(AutoModelForImageTextToText.from_config(family.config))


def generate(model, inputs, num_new_tokens=NUM_NEW_TOKENS, **options):
    """The new ids of each sequence."""
    generated = model.generate(**inputs, max_new_tokens=num_new_tokens, **options)
    return generated[:, inputs["input_ids"].shape[1] :]


@pytest.fixture
def without(family):
    """Ids that are not drafted: a placeholder would not fit the visuals."""
    is_token = family.placeholder_id < family.config.text_config.vocab_size
    return {"suppress_tokens": [family.placeholder_id]} if is_token else {}


@every_sample
@torch.no_grad()
def test_greedy_decoding(model, family, parts):
    sample = family.sample(*parts)
    length = sample["input_ids"].shape[1]
    whole = dict(sample)
    for _ in range(NUM_NEW_TOKENS):
        next_id = model(**whole).logits[:, -1:].argmax(-1)
        whole["input_ids"] = torch.cat([whole["input_ids"], next_id], dim=1)
    assert torch.equal(generate(model, sample), whole["input_ids"][:, length:])


@pytest.mark.parametrize(
    "options",
    [
        {"use_cache": False},
        {"cache_implementation": "static", "disable_compile": True},
        {"prefill_chunk_size": 7},
        {"prompt_lookup_num_tokens": 3},
    ],
    ids=lambda options: ", ".join(f"{name}={value}" for name, value in options.items()),
)
def test_options_that_change_nothing(model, family, options):
    sample = family.sample(*TWO)
    assert torch.equal(generate(model, sample, **options), generate(model, sample))


def test_drafts_of_the_same_model_are_all_accepted(model, family, without, caplog):
    caplog.set_level("ERROR", logger="transformers")  # assisted decoding uses what it has deprecated
    sample = family.sample(*TWO)
    generated = generate(model, sample, assistant_model=copy.deepcopy(model), **without)
    assert torch.equal(generated, generate(model, sample, **without))


def test_sampling_repeats_with_its_seed(model, family):
    sequences = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        sequences.append(generate(model, family.sample(*TWO), do_sample=True, temperature=2.0))
    assert torch.equal(sequences[0], sequences[1])
    assert not torch.equal(sequences[0], sequences[2])


@pytest.mark.parametrize(
    "options",
    [{}, {"cache_implementation": "static", "disable_compile": True}, {"num_beams": 3, "num_return_sequences": 2}],
    ids=["greedy", "static cache", "beams"],
)
def test_samples_of_a_batch_generate_as_they_do_alone(model, family, options):
    samples = [family.sample(*parts) for parts in SAMPLES.values()]
    generated = generate(model, family.batch(*samples), **options)
    assert torch.equal(generated, torch.cat([generate(model, sample, **options) for sample in samples]))


@torch.no_grad()
def test_visual_tokens_stand_in_the_place_of_their_placeholders(model, family):
    sample = family.sample(*TWO)
    seen = []
    hook = model.model.language_model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["inputs_embeds"]), with_kwargs=True
    )
    outputs = model(**sample)
    hook.remove()
    is_placeholder = sample["input_ids"][0] == family.placeholder_id
    tokens = getattr(outputs, f"{family.modality}_hidden_states")
    assert tokens.shape == (2, family.num_tokens, family.config.text_config.hidden_size)
    assert torch.equal(seen[0][0, is_placeholder], tokens.flatten(0, 1))
    others = sample["input_ids"][0, ~is_placeholder]
    assert torch.equal(seen[0][0, ~is_placeholder], model.get_input_embeddings()(others))


@pytest.mark.parametrize("options", [{}, {"num_beams": 2}], ids=str)
def test_visual_tokens_among_embeddings_beside_ids(model, family, options):
    sample = family.sample(*TWO)
    seen = []
    hook = model.model.language_model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["inputs_embeds"]), with_kwargs=True
    )
    model(**sample)
    hook.remove()
    inputs = {"input_ids": sample["input_ids"], "inputs_embeds": seen[0].detach()}
    assert torch.equal(generate(model, inputs, **options), generate(model, sample, **options))


@torch.no_grad()
def test_encoder_outputs_instead_of_pixels(model, family):
    sample = family.sample(*TWO)
    expected = generate(model, sample)
    ids = {"input_ids": sample.pop("input_ids")}
    encoded = getattr(model, f"get_{family.modality}_features")(**sample)
    inputs = {**ids, "mm_encoder_outputs": {family.modality: encoded}}
    assert torch.equal(generate(model, inputs), expected)
    assert torch.equal(generate(model, inputs, num_beams=2), generate(model, family.sample(*TWO), num_beams=2))


@pytest.mark.parametrize("make_cache", [DynamicCache, StaticCache], ids=["dynamic", "static"])
def test_second_turn_goes_on_from_the_cache(model, family, make_cache):
    text_config = family.config.text_config
    cache = DynamicCache(config=text_config) if make_cache is DynamicCache else StaticCache(text_config, 200)
    options = {"max_new_tokens": NUM_NEW_TOKENS, "disable_compile": True, "return_dict_in_generate": True}
    first = model.generate(**family.sample(*TWO), **{CACHE_NAME: cache}, **options)
    question = family.sample(11, "c", 12)
    visuals = [*family.visuals_of(family.sample(*TWO)), *family.visuals_of(question)]
    whole = {"input_ids": torch.cat([first.sequences, question["input_ids"]], dim=1), **family.join(visuals)}
    second = generate(model, whole, **{CACHE_NAME: first[CACHE_NAME]}, disable_compile=True)
    assert torch.equal(second, generate(model, whole))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@torch.no_grad()
def test_half_precision_is_close(model, family, dtype):
    sample = family.sample(*TWO)
    expected = model(**sample).logits
    half = copy.deepcopy(model).to(dtype)
    logits = half(**{**sample, family.pixels: sample[family.pixels].to(dtype)}).logits
    assert logits.dtype == dtype
    assert (logits - expected).abs().max() < 0.1 * expected.std()
    assert generate(half, sample).shape == (1, NUM_NEW_TOKENS)


@torch.no_grad()
def test_eager_attention(model, family):
    eager = copy.deepcopy(model)
    eager.set_attn_implementation("eager")
    sample = family.sample(*TWO)
    assert torch.allclose(eager(**sample).logits, model(**sample).logits, atol=1e-4)
    outputs = eager(**sample, output_attentions=True, output_hidden_states=True)
    assert len(outputs.attentions) == family.config.text_config.num_hidden_layers
    assert len(outputs.hidden_states) == family.config.text_config.num_hidden_layers + 1


def test_labels_of_placeholders_do_not_count(model, family):
    sample = family.sample(*TWO)
    labels = sample["input_ids"]
    counted = labels.masked_fill(labels == family.placeholder_id, -100)
    loss, expected = (model(**sample, labels=given).loss for given in (labels, counted))
    assert torch.equal(loss, expected)


def test_gradient_checkpointing_changes_nothing_but_memory(model, family):
    sample = family.sample(*TWO)
    gradients = []
    for is_checkpointing in (False, True):
        trained = copy.deepcopy(model).train()
        if is_checkpointing:
            enable_checkpointing(trained)
        labels = sample["input_ids"]
        trained(**sample, labels=labels).loss.backward()
        gradients.append({name: weight.grad for name, weight in trained.named_parameters()})
    for name, gradient in gradients[0].items():
        is_read = family.config.reads_weight(name) and "embed_tokens" not in name
        assert not is_read or gradient is not None, name
        assert gradient is None or torch.allclose(gradient, gradients[1][name], atol=1e-5), name


@pytest.mark.parametrize("save_original_format", [True, False], ids=["published names", "own names"])
@pytest.mark.parametrize("is_loaded_without_head", [False, True], ids=["with head", "without head"])
def test_weights_go_in_and_out_unchanged(model, tmp_path, save_original_format, is_loaded_without_head):
    model.save_pretrained(tmp_path / "first", save_original_format=save_original_format)
    names = load_file(tmp_path / "first" / "model.safetensors").keys()
    assert (names == model.state_dict().keys()) is not save_original_format
    model_class = AutoModel if is_loaded_without_head else type(model)
    loaded = model_class.from_pretrained(tmp_path / "first")
    expected = model.model if is_loaded_without_head else model
    assert loaded.state_dict().keys() == expected.state_dict().keys()
    for name, weight in expected.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight), name
    if not is_loaded_without_head:
        loaded.save_pretrained(tmp_path / "second")
        assert load_file(tmp_path / "second" / "model.safetensors").keys() == names


def test_auto_classes(model, tmp_path):
    model.save_pretrained(tmp_path)
    assert type(AutoModelForMultimodalLM.from_pretrained(tmp_path)) is type(model)
    assert type(AutoModel.from_pretrained(tmp_path)) is type(model.model)


@pytest.mark.parametrize("options", [{"load_in_8bit": True}, {"load_in_4bit": True}], ids=["8 bits", "4 bits"])
def test_only_the_language_model_is_quantized(model, family, tmp_path, options):
    pytest.importorskip("bitsandbytes")
    model.save_pretrained(tmp_path)
    quantized = type(model).from_pretrained(tmp_path, quantization_config=BitsAndBytesConfig(**options))
    linears = {name: type(module) for name, module in quantized.named_modules() if isinstance(module, nn.Linear)}
    assert linears
    for name, linear in linears.items():
        assert linear.__module__.startswith("torch.") is not name.startswith("model.language_model."), name
    if "load_in_8bit" in options:  # blocks of 4 bits do not fit layers as small as these
        assert generate(quantized, family.sample(*TWO)).shape == (1, NUM_NEW_TOKENS)


def test_parts_on_several_devices_stay_whole(model):
    projectors = [model.model.get_submodule(name) for name in type(model).projectors]
    layers = [model.model.language_model.layers[0], model.model.vision_tower.encoder.layers[0]]
    assert {type(module).__name__ for module in projectors + layers} <= set(model._no_split_modules)


def test_parts_on_disk(model, family, tmp_path):
    pytest.importorskip("accelerate")
    model.save_pretrained(tmp_path / "model")
    device_map = {"model.vision_tower": "disk", "model.language_model": "cpu", "lm_head": "disk"}
    device_map |= {f"model.{name}": "disk" for name in type(model).projectors}
    loaded = type(model).from_pretrained(tmp_path / "model", device_map=device_map, offload_folder=tmp_path / "disk")
    sample = family.sample(*TWO)
    assert torch.equal(generate(loaded, sample), generate(model, sample))


def test_vocabulary_can_grow(model, family):
    grown = copy.deepcopy(model)
    grown.resize_token_embeddings(family.config.text_config.vocab_size + 3)
    assert grown.config.text_config.vocab_size == grown.lm_head.out_features == 102
    sample = family.sample(*TWO)
    assert torch.allclose(grown(**sample).logits[..., :-3], model(**sample).logits, atol=1e-5)


@pytest.mark.parametrize(
    ("parts", "num_visuals", "message"),
    [
        ((5, "a", 6), 0, r"The prompt has {one} {modality} placeholders, but the {modality}s given make 0 visual tokens"),
        ((5, "a", 6), 2, r"The prompt has {one} {modality} placeholders, but the {modality}s given make {two} visual tokens"),
        ((5, 6), 1, r"The prompt has 0 {modality} placeholders, but the {modality}s given make {one} visual tokens"),
    ],
    ids=["no visual", "one too many", "no placeholder"],
)  # fmt: skip
def test_placeholders_and_visuals_must_match(model, family, parts, num_visuals, message):
    inputs = {"input_ids": family.sample(*parts)["input_ids"]}
    if num_visuals:
        inputs[family.pixels] = torch.stack([family.make_visual("a")] * num_visuals)
    numbers = {"one": family.num_tokens, "two": 2 * family.num_tokens, "modality": family.modality}
    with pytest.raises(ValueError, match=message.format(**numbers)):
        model(**inputs)
