# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""MobileVLM's projector file, loaded by llama.cpp's `mtmd`."""

import logging

import numpy as np
import pytest
import torch
from PIL import Image

from mtmd_library import image_embeddings
from tiny_families import WIDTH, write_mobilevlm
from tiny_trained import MOBILEVLM
from transformers_mvgpt.conversion.loading import load_model
from transformers_mvgpt.runtime.gguf_export import export_gguf
from transformers_mvgpt.runtime.gguf_projector import projector_problem


# 24 x 24 patches
VISION = {"image_size": 96, "patch_size": 4, "num_hidden_layers": 3}


@pytest.mark.parametrize("projector_type", ["ldp", "ldpv2"])
def test_visual_tokens_are_the_models(tmp_path, projector_type):
    """But for llama.cpp's fault: the class token behind the patches, whose place the second patch is taken for."""
    folder = write_mobilevlm(tmp_path / "model", VISION, projector_type=projector_type, image_grid_size=12)
    files = export_gguf(folder, tmp_path / "chat.gguf", type="q8_0")
    assert files == [tmp_path / "chat.gguf", tmp_path / "mmproj-chat.gguf"]

    loaded = load_model(str(folder), {})
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    pixel_values = loaded.processor.image_processor(Image.fromarray(pixels), return_tensors="pt")["pixel_values"]
    tower, projector = loaded.model.model.vision_tower, loaded.model.model.image_projector
    expected = []
    with torch.no_grad():
        patches = tower.embeddings.patch_embedding(pixel_values).flatten(2).transpose(1, 2)
        class_token = tower.embeddings.class_embedding.expand(1, 1, -1)
        for tokens in ([class_token, patches], [patches, class_token]):
            hidden_states = tower.pre_layrnorm(torch.cat(tokens, 1) + tower.embeddings.position_embedding.weight)
            for layer in tower.encoder.layers[:-1]:
                hidden_states = layer(hidden_states, attention_mask=None)
            expected.append(projector(hidden_states[:, 1:])[0].numpy())
        ours = loaded.model.get_image_features(pixel_values).pooler_output
    np.testing.assert_allclose(expected[0], np.asarray(ours[0]).reshape(144, WIDTH), atol=1e-4)

    found = image_embeddings(*files, pixels, WIDTH)
    differences = [np.abs(found - values).max() for values in expected]
    # the one once the fault is mended, the other until then
    assert min(differences) < 0.02 < 0.5 < max(differences)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"image_size": 48}, "12 x 12 patches and 144 visual tokens"),
        ({"hidden_act": "relu"}, "the activation 'relu'"),
        ({"vision_feature_layer": -1}, "the output of the last layer"),
    ],
)
def test_what_llama_cpp_has_no_projector_for(tmp_path, fields, problem):
    folder = write_mobilevlm(tmp_path / "model", VISION, image_grid_size=12)
    config = load_model(str(folder), {}).model.config
    for name, value in fields.items():
        setattr(config if hasattr(config, name) else config.vision_config, name, value)
    assert problem in projector_problem(config)


def test_the_language_model_alone(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert export_gguf(MOBILEVLM, tmp_path / "chat.gguf") == [tmp_path / "chat.gguf"]
    assert "mmproj-chat.gguf is not written" in caplog.text
    assert "no projector for 6 x 6 patches and 36 visual tokens, and has it for 24 x 24 and 144 alone" in caplog.text
