# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest
import torch

from transformers_mvgpt import MobileVLMConfig, MobileVLMModel
from transformers_mvgpt.modeling.projector_ldp import LDPProjector


@pytest.mark.parametrize(("side", "halved"), [(24, 12), (5, 3), (1, 1)])
def test_every_other_token_along_each_side_is_kept(side, halved):
    tokens = torch.randn(2, side**2, 12, generator=torch.manual_seed(0))
    assert LDPProjector(12, 32)(tokens).shape == (2, halved**2, 32)


@torch.no_grad()
def test_only_the_first_block_adds_its_input():
    projector = LDPProjector(12, 32)
    tokens = torch.randn(1, 16, 12, generator=torch.manual_seed(0))
    for block in (projector.block_1, projector.block_2):
        torch.nn.init.zeros_(block.norm_2.weight)
    assert projector(tokens).abs().max() == 0
    seen = []
    projector.block_2.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    projector(tokens)
    expected = projector.fc2(torch.nn.functional.gelu(projector.fc1(tokens)))
    assert torch.equal(seen[0].flatten(2).transpose(1, 2), expected)


@pytest.mark.parametrize(
    ("projector_type", "width", "num_parameters"),
    [
        ("ldp", 2048, 18_936_832),
        ("ldp", 2560, 28_913_920),
        ("ldpv2", 2048, 6_316_032),
        ("ldpv2", 2560, 9_205_760),
        ("ldpv2", 4096, 21_020_672),
    ],
)
def test_number_of_parameters_of_the_published_models(projector_type, width, num_parameters):
    text_config = {"hidden_size": width, "num_hidden_layers": 1, "num_attention_heads": 32}
    config = MobileVLMConfig(text_config=text_config, projector_type=projector_type)
    with torch.device("meta"):
        model = MobileVLMModel(config)
    assert sum(parameter.numel() for parameter in model.image_projector.parameters()) == num_parameters
    assert config.num_image_tokens == 144
