# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Models of the published sizes, on the meta device."""

import pytest
import torch

from transformers_mvgpt import MobileVLMConfig, TinyLlavaVideoConfig
from transformers_mvgpt.evaluation.choices import PUBLISHED_SIZES
from transformers_mvgpt.evaluation.random_models import make_processor, make_random_model, published_size
from transformers_mvgpt.families import family_of


# of all, and of the vision towers, projectors and language models, the head beside its embeddings where it is not tied to them
SIZES = {
    "0.5b": (656_605_056, 85_799_424 + 73_941_504, 1_501_696 + 1_329_664, 494_032_768),
    "1.5b": (1_710_275_072, 85_799_424 + 73_941_504, 3_557_376 + 3_262_464, 1_543_714_304),
    "mobilevlm-1.7b": (1_686_742_016, 303_507_456, 18_936_832, 1_298_761_728 + 32_000 * 2048),
    "mobilevlm-v2-1.7b": (1_674_121_216, 303_507_456, 6_316_032, 1_298_761_728 + 32_000 * 2048),
    "mobilevlm-v2-3b": (3_014_273_536, 303_507_456, 9_205_760, 2_619_640_320 + 32_000 * 2560),
    "tinyllava-video-3b": (3_629_878_336, 428_225_600, 115_714_048, 3_085_938_688),
}
MOBILE_LLAMA = {"model_type": "llama", "vocab_size": 32_000}
VICUNA_7B = {**MOBILE_LLAMA, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32}
VICUNA_7B |= {"num_attention_heads": 32, "num_key_value_heads": 32}
PHI_2 = {"model_type": "phi", "vocab_size": 51_200, "hidden_size": 2560, "intermediate_size": 10240}
PHI_2 |= {"num_hidden_layers": 32, "num_attention_heads": 32}


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def test_all_sizes_can_be_chosen():
    assert tuple(SIZES) == PUBLISHED_SIZES


@pytest.mark.parametrize("name", SIZES)
def test_number_of_parameters(name):
    model = make_random_model(name, torch.device("meta"), torch.bfloat16)
    towers = [encoder.module for encoder in model.encoders.values()]
    parts = [sum(count(getattr(model.model, part)) for part in parts) for parts in (towers, model.projectors)]
    assert (count(model), *parts) == SIZES[name][:3]
    assert count(model) == sum(SIZES[name][1:])
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


@pytest.mark.parametrize(
    ("config", "projector"),
    [
        (MobileVLMConfig(projector_type="ldp", text_config=published_size("mobilevlm-v2-3b").text_config), 28_913_920),
        (MobileVLMConfig(text_config=VICUNA_7B), 21_020_672),
        (TinyLlavaVideoConfig(resampler_type="naive"), 116_697_088),
        (TinyLlavaVideoConfig(text_config=PHI_2), 176_099_840),
        (TinyLlavaVideoConfig(text_config=PHI_2, resampler_type="naive"), 177_328_640),
    ],
    ids=["MobileVLM-3B", "MobileVLM_V2-7B", "Qwen2.5-3B naive", "Phi-2 group", "Phi-2 naive"],
)
def test_projectors_of_other_published_sizes(config, projector):
    with torch.device("meta"):
        model = family_of(config).model_class(config)
    [name] = model.projectors
    assert count(getattr(model.model, name)) == projector


def test_unknown_size_is_refused():
    with pytest.raises(
        ValueError, match=r"There is no published size '7b': take '0.5b' or '1.5b' or 'mobilevlm-1.7b' or"
    ):
        published_size("7b")


@pytest.mark.parametrize("name", SIZES)
def test_prompts_have_the_length_of_published_ones(name):
    """By a few tokens: Vicuna's system prompt and what it says of roles are about 40 of any tokenizer."""
    config = published_size(name)
    processor = make_processor(config)
    modality = "video" if "video" in processor.placeholders else "image"
    content = [{"type": modality}, {"type": "text", "text": "What is happening?"}]
    ids = torch.tensor(processor.encode_chat([{"role": "user", "content": content}]))
    is_visual = ids == getattr(processor, f"{modality}_token_id")
    assert is_visual.sum() == getattr(config, f"num_{modality}_tokens")
    assert 25 <= (~is_visual).sum() <= 50
