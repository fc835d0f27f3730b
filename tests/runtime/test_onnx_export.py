# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Exported folders, file by file, beside the models that they were made of."""

import onnxruntime
import pytest
import torch

from exported_folders import CHECKPOINTS, PRECISIONS
from transformers_mvgpt.conversion.loading import load_model


FAMILIES = tuple(CHECKPOINTS)
FILES = {"chat_template.jinja", "config.json", "generation_config.json", "processor_config.json"}
FILES |= {"tokenizer.json", "tokenizer_config.json", "onnx"}
ENCODERS = {
    "mobile_videogpt": {"vision_encoder", "image_encoder"},
    "mobilevlm": {"vision_encoder"},
    "tinyllava_video": {"vision_encoder"},
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def loaded(family):
    return load_model(str(CHECKPOINTS[family]), {}, dtype=torch.float32)


def open_file(folder, stem: str) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(folder / "onnx" / f"{stem}.onnx", providers=["CPUExecutionProvider"])


def test_files(family, exported_folder):
    folder = exported_folder(family)
    assert {file.name for file in folder.iterdir() if not file.name.startswith("mvgpt_onnx")} == FILES | {"README.md"}
    stems = {"preprocess"} | ENCODERS[family]
    for precision in PRECISIONS:
        ending = "" if precision == "fp32" else f"_{precision}"
        stems |= {f"embed_tokens{ending}", f"decoder_model_merged{ending}"}
    assert {file.name for file in (folder / "onnx").iterdir()} == {f"{stem}.onnx" for stem in stems}


@torch.no_grad()
def test_encoders(family, exported_folder, loaded):
    model, generator = loaded.model.eval(), torch.Generator().manual_seed(1)
    for stem in ENCODERS[family]:
        session = open_file(exported_folder(family), stem)
        sizes = {"num_images": 3, "num_frames": 5}
        pixels = {
            given.name: torch.randn(tuple(sizes.get(size, size) for size in given.shape), generator=generator)
            for given in session.get_inputs()
        }
        outputs = session.run(None, {name: value.numpy() for name, value in pixels.items()})
        names = [output.name for output in session.get_outputs()]
        if stem == "image_encoder" or family == "mobilevlm":
            expected = {"image_features": model.get_image_features(**pixels).pooler_output}
        else:
            features = model.get_video_features(**pixels)
            expected = {"video_features": features.pooler_output}
            if family == "mobile_videogpt":
                expected |= {name: features[name] for name in ("frame_scores", "selected_frames")}
        assert names == list(expected)
        for name, output in zip(names, outputs, strict=True):
            torch.testing.assert_close(torch.from_numpy(output), expected[name], atol=5e-5, rtol=1e-5)
