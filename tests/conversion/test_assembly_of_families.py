# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`assemble` makes a model of the family that is asked for, of a language model and an encoder's whole repository."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from published_folders import (
    ENCODER_PREFIXES,
    GROUP,
    LDPV2,
    MODEL_TYPES,
    PHI,
    published_weights,
    write_image_encoder,
    write_language_model,
)
from transformers_mvgpt.conversion import assemble
from transformers_mvgpt.conversion.weight_names import native_names
from transformers_mvgpt.families import family_of


CONFIGS = {
    LDPV2: {"image_grid_size": 2},
    GROUP: {"num_queries": 8, "num_groups": 4, "num_resampler_layers": 1},
    PHI: {"resampler_type": "naive", "num_queries": 8, "num_resampler_layers": 1},
}


def assemble_of_parts(folder: Path, kind: str, **options) -> Path:
    assemble(
        folder / "start",
        language_model=write_language_model(folder / "language_model", kind),
        image_encoder=write_image_encoder(folder / "encoder", MODEL_TYPES[kind]),
        config=CONFIGS[kind],
        **options,
    )
    return folder / "start"


@pytest.mark.parametrize(
    ("kind", "family"), [(LDPV2, None), (LDPV2, "mobilevlm"), (GROUP, "tinyllava_video"), (PHI, None)]
)
def test_weights_are_those_of_the_parts(tmp_path, kind, family):
    start = assemble_of_parts(tmp_path, kind, family=family)
    for name in ("language_model", "encoder"):
        (tmp_path / name).rename(tmp_path / f"{name}-away")
    known = family_of(MODEL_TYPES[kind])
    model, processor = AutoModelForImageTextToText.from_pretrained(start), AutoProcessor.from_pretrained(start)
    assert (type(model), type(processor)) == (known.model_class, known.processor_class)

    weights = load_file(start / "model.safetensors")
    projectors = tuple(f"model.{name}." for name in known.projectors)
    fresh = {name: tensor for name, tensor in weights.items() if name.startswith(projectors)}
    assert all(tensor.isfinite().all() for tensor in fresh.values())
    assert all(tensor.any() for name, tensor in fresh.items() if name.endswith("weight"))
    natives = native_names(published_weights(kind), MODEL_TYPES[kind])
    expected = {natives[name]: tensor for name, tensor in published_weights(kind).items()}
    expected = {name: tensor for name, tensor in expected.items() if not name.startswith(projectors)}
    assert weights.keys() == expected.keys() | fresh.keys()
    assert [name for name in expected if not torch.equal(weights[name], expected[name])] == []

    # the placeholder is no token of the language model, whatever the sizes of its tokenizer and of its vocabulary
    [modality] = processor.placeholders
    placeholder = getattr(model.config, f"{modality}_token_id")
    assert placeholder == getattr(processor, f"{modality}_token_id")
    assert processor.tokenizer.convert_ids_to_tokens(placeholder) == "<image>"
    assert model.config.vision_config.hidden_size == len(
        published_weights(kind)[f"{ENCODER_PREFIXES[MODEL_TYPES[kind]]}post_layernorm.bias"]
    )


def test_the_family_is_asked_for(tmp_path):
    """Around Qwen2 there may be two families: the first one is meant where none is named."""
    with pytest.raises(
        ValueError,
        match=r"`config` has num_groups, .* may be given of Mobile-VideoGPT: `family` \(`--family`\) says another",
    ):
        assemble_of_parts(tmp_path, GROUP)


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        ("llava", {}, "`family` \\('llava'\\) must be 'mobile_videogpt' or 'mobilevlm' or 'tinyllava_video'"),
        ("mobilevlm", {}, "is a qwen2 model, not a language model of the type llama"),
        (
            "tinyllava_video",
            {"video_encoder": "OpenGVLab/VideoMamba"},
            "`video_encoder` was given, but TinyLLaVA-Video has no video encoder",
        ),
    ],
)
def test_what_does_not_fit(tmp_path, family, options, message):
    with pytest.raises(ValueError, match=message):
        assemble_of_parts(tmp_path, GROUP, family=family, **options)
    assert not (tmp_path / "start").exists()
