# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Placeholders of a visual that is not given are refused in all families, whether the language model has an embedding for them or not."""

import copy

import pytest
import torch
from transformers import DynamicCache, StaticCache

from tiny_family_models import TinyFamily, tiny_mobilevlm, tiny_tinyllava
from tiny_models import with_seeded_weights
from transformers_mvgpt import MobileVLMForConditionalGeneration, TinyLlavaVideoForConditionalGeneration
from transformers_mvgpt.compat.cache_name import CACHE_NAME


KINDS = {
    "mobilevlm, outside the vocabulary": (MobileVLMForConditionalGeneration, tiny_mobilevlm),
    "mobilevlm": (MobileVLMForConditionalGeneration, lambda: tiny_mobilevlm(image_token_id=98)),
    "tinyllava": (TinyLlavaVideoForConditionalGeneration, tiny_tinyllava),
    "tinyllava, outside the vocabulary": (TinyLlavaVideoForConditionalGeneration, lambda: tiny_tinyllava(video_token_id=120)),
}  # fmt: skip


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def loaded(request):
    model_class, make_family = request.param
    family = make_family()
    return with_seeded_weights(model_class(family.config)), family


def message(family: TinyFamily, num_placeholders: int) -> str:
    names = "`pixel_values_videos` and `num_frames_per_video`" if family.modality == "video" else "`pixel_values`"
    return (
        rf"^The prompt has {num_placeholders} {family.modality} placeholders, but the {family.modality}s given make 0 visual "
        rf"tokens: {family.num_tokens} are needed for each {family.modality}\. Pass {names} as the processor returns them, or "
        r"`mm_encoder_outputs`, or leave the placeholders out\. TRL's trainers pass them on where the dataset has a column "
        r"`images`, which may hold empty lists\.$"
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_beams": 2},
        {"prompt_lookup_num_tokens": 3},
        {"do_sample": True, "num_return_sequences": 2},
        {"cache_implementation": "static", "disable_compile": True},
        {"prefill_chunk_size": 2},
        {"use_cache": False},
    ],
    ids=str,
)
def test_generate(loaded, options):
    model, family = loaded
    prompts = family.batch(family.sample(5, "a", 6), family.sample(7, 8))
    inputs = {name: prompts[name] for name in ("input_ids", "attention_mask")}
    with pytest.raises(ValueError, match=message(family, family.num_tokens)):
        model.generate(**inputs, max_new_tokens=2, **options)


@pytest.mark.parametrize("kind", ["none", "dynamic", "static"])
@pytest.mark.parametrize("is_training", [True, False], ids=["training", "inference"])
def test_forward(loaded, kind, is_training):
    model, family = loaded
    caches = {
        "none": {},
        "dynamic": {CACHE_NAME: DynamicCache(config=model.config)},
        "static": {CACHE_NAME: StaticCache(config=model.config, max_cache_len=64)},
    }
    ids = family.sample(5, "a", 6)["input_ids"]
    with torch.set_grad_enabled(is_training), pytest.raises(ValueError, match=message(family, family.num_tokens)):
        model(input_ids=ids, labels=ids, **caches[kind])


def test_forward_of_the_model_without_a_head(loaded):
    """TRL's trainers call it, and compute the loss themselves."""
    model, family = loaded
    with pytest.raises(ValueError, match=message(family, family.num_tokens)):
        model.base_model(family.sample(5, "a", 6)["input_ids"], use_cache=False)


@torch.no_grad()
def test_later_turn(loaded):
    model, family = loaded
    cache = DynamicCache(config=model.config)
    first = family.sample(5, "a", 6)
    model(**first, use_cache=True, **{CACHE_NAME: cache})
    again = torch.cat([first["input_ids"], family.sample(7, "a", 8)["input_ids"]], dim=1)
    new = again[:, cache.get_seq_length() :]
    with pytest.raises(ValueError, match=message(family, family.num_tokens)):
        model.generate(again, **{CACHE_NAME: copy.deepcopy(cache)}, max_new_tokens=2)
    with pytest.raises(ValueError, match=message(family, family.num_tokens)):
        model(new, **{CACHE_NAME: copy.deepcopy(cache)})
    # placeholders of what the cache holds need no pixels, nor does a token that was generated
    text = torch.cat([first["input_ids"], torch.tensor([[7, 8]])], dim=1)
    assert model.generate(text, **{CACHE_NAME: copy.deepcopy(cache)}, max_new_tokens=2).shape[1] == text.shape[1] + 2
    model(torch.tensor([[family.placeholder_id]]), **{CACHE_NAME: copy.deepcopy(cache)})


def test_labels_of_placeholders_do_not_count(loaded):
    """Whatever stands there, and where the trainer has counted them."""
    model, family = loaded
    sample = family.sample(5, "a", 6, 7)
    ids = sample["input_ids"]
    right = ids.masked_fill(ids == family.placeholder_id, -100)
    expected = model(**sample, labels=right).loss
    for labels in (ids, ids.masked_fill(ids == family.placeholder_id, 9)):
        torch.testing.assert_close(model(**sample, labels=labels).loss, expected)
        counted = model(**sample, labels=labels, num_items_in_batch=ids.shape[1] - 1).loss
        torch.testing.assert_close(counted, expected)
