# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Projectors and LoRA adapters of MobileVLM and TinyLLaVA-Video, by the release's names or ours, become complete models."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from published_folders import (
    GROUP,
    LDP,
    LDPV2,
    MODEL_TYPES,
    published_weights,
    write_image_encoder,
    write_language_model,
    write_published,
)
from transformers_mvgpt.conversion import convert
from transformers_mvgpt.conversion.weight_names import native_names


PROJECTORS = {LDP: "model.mm_projector.", LDPV2: "model.mm_projector.", GROUP: "connector._connector."}
LANGUAGE_MODELS = {LDP: "model.", LDPV2: "model.", GROUP: "language_model.model."}


def trained_projector(kind: str) -> dict[str, torch.Tensor]:
    return {name: tensor + 1 for name, tensor in published_weights(kind).items() if name.startswith(PROJECTORS[kind])}


def assert_converted(folder: Path, kind: str, changed: dict[str, torch.Tensor]) -> None:
    """The folder has the published weights, but for the changed ones."""
    expected = {**published_weights(kind), **changed}
    natives = native_names(expected, MODEL_TYPES[kind])
    weights = load_file(folder / "model.safetensors")
    assert weights.keys() == set(natives.values())
    differing = [
        name for name in expected if not torch.allclose(weights[natives[name]], expected[name], rtol=0, atol=1e-6)
    ]
    assert differing == []


@pytest.mark.parametrize(
    ("kind", "names"),
    [(LDP, "release"), (LDPV2, "without model"), (GROUP, "release"), (GROUP, "module."), (GROUP, "ours")],
)
def test_a_projector_on_a_published_checkpoint(tmp_path, kind, names):
    base = write_published(tmp_path / "base", kind)
    projector = trained_projector(kind)
    natives = native_names(projector, MODEL_TYPES[kind])
    renamed = {
        "release": projector,
        "without model": {name.removeprefix("model."): tensor for name, tensor in projector.items()},
        "module.": {f"module.{name}": tensor for name, tensor in projector.items()},
        "ours": {natives[name]: tensor for name, tensor in projector.items()},
    }
    (tmp_path / "output").mkdir()
    torch.save(renamed[names], tmp_path / "output" / "mm_projector.bin")
    convert(tmp_path / "output", tmp_path / "native", base_model=base)
    assert_converted(tmp_path / "native", kind, projector)


@pytest.mark.parametrize("kind", [LDP, GROUP])
def test_a_projector_on_a_language_model(tmp_path, kind):
    """All that training has saved is the projector and the config, which is that of a published checkpoint."""
    output = tmp_path / "output"
    output.mkdir()
    torch.save(trained_projector(kind), output / "mm_projector.bin")
    shutil.copy(write_published(tmp_path / "published", kind) / "config.json", output)
    encoder = write_image_encoder(tmp_path / "encoder", MODEL_TYPES[kind])
    language_model = write_language_model(tmp_path / "language_model", kind)
    convert(output, tmp_path / "native", base_model=language_model, image_encoder=encoder)
    assert_converted(tmp_path / "native", kind, trained_projector(kind))


@pytest.mark.parametrize(("kind", "is_native"), [(LDP, False), (LDPV2, True), (GROUP, False), (GROUP, True)])
def test_a_lora_adapter(tmp_path, kind, is_native):
    pytest.importorskip("peft")
    base = write_published(tmp_path / "base", kind)
    modules = [f"{LANGUAGE_MODELS[kind]}layers.{layer}.self_attn.q_proj" for layer in (0, 1)]
    adapter, merged = {}, trained_projector(kind)
    for module in modules:
        rows, columns = published_weights(kind)[f"{module}.weight"].shape
        A, B = torch.randn(4, columns), torch.randn(rows, 4)
        adapter |= {f"{module}.lora_A.weight": A, f"{module}.lora_B.weight": B}
        merged[f"{module}.weight"] = published_weights(kind)[f"{module}.weight"] + 2 * B @ A
    if is_native:
        convert(base, tmp_path / "native_base")
        base, natives = tmp_path / "native_base", native_names(adapter, MODEL_TYPES[kind])
        adapter = {natives[name]: tensor for name, tensor in adapter.items()}
    output = tmp_path / "output"
    output.mkdir()
    settings = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]}
    (output / "adapter_config.json").write_text(json.dumps({**settings, "base_model_name_or_path": str(base)}))
    save_file({f"base_model.model.{name}": t for name, t in adapter.items()}, output / "adapter_model.safetensors")
    full = {f"base_model.model.{name}": tensor for name, tensor in trained_projector(kind).items()}
    torch.save(full, output / "non_lora_trainables.bin")
    convert(output, tmp_path / "native")
    assert_converted(tmp_path / "native", kind, merged)


def test_weights_of_another_family_are_not_lost(tmp_path):
    base = write_published(tmp_path / "base", GROUP)
    (tmp_path / "output").mkdir()
    torch.save(trained_projector(LDPV2), tmp_path / "output" / "mm_projector.bin")
    with pytest.raises(ValueError, match=r"none of TinyLLaVA-Video's, and none may be lost: model\.mm_projector\.mlp"):
        convert(tmp_path / "output", tmp_path / "native", base_model=base)
