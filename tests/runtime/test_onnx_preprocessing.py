# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`preprocess.onnx` makes the processors' pixels, to the last bit, of frames of any size."""

import numpy as np
import onnxruntime
import pytest
from transformers import AutoConfig, AutoProcessor

from exported_folders import CHECKPOINTS
from transformers_mvgpt.runtime.onnx_preprocessing import preprocessing_graph


# as the encoder's, tiny, odd, portrait, landscape, large, and far longer than wide
SIZES = [(48, 48), (5, 3), (33, 21), (641, 479), (300, 533), (1080, 1920), (60, 600), (2000, 30), (7, 5000)]


class Model:
    def __init__(self, config):
        self.config = config


@pytest.fixture(scope="module", params=CHECKPOINTS)
def parts(request, tmp_path_factory):
    checkpoint = CHECKPOINTS[request.param]
    processor = AutoProcessor.from_pretrained(checkpoint)
    file = tmp_path_factory.mktemp("preprocessing") / "preprocess.onnx"
    preprocessing_graph(Model(AutoConfig.from_pretrained(checkpoint)), processor).save(file)
    return processor, onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])


def expected_pixels(processor, frames: np.ndarray) -> dict[str, np.ndarray]:
    if hasattr(processor, "video_processor"):
        features = processor.video_processor([frames], do_sample_frames=False, return_tensors="np")
        names = processor.video_processor.model_input_names
        return {name: features[name][0] for name in names}
    return {"pixel_values": processor.image_processor(list(frames), return_tensors="np")["pixel_values"]}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_pixels(parts, size):
    processor, session = parts
    frames = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    expected = expected_pixels(processor, frames)
    names = [output.name for output in session.get_outputs()]
    assert names == list(expected)
    for name, pixels in zip(names, session.run(None, {"frames": frames}), strict=True):
        np.testing.assert_allclose(pixels, expected[name], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("family", "name", "value", "message"),
    [
        ("mobile_videogpt", "do_center_crop", False, "`do_center_crop` of the processor is False: only processors"),
        ("mobile_videogpt", "context_resample", 2, "`context_resample` of the processor is 2"),
        ("mobilevlm", "do_pad", False, "`do_pad` of the processor is False"),
        ("tinyllava_video", "resample", 2, "`resample` of the processor is 2"),
    ],
)
def test_other_processors(family, name, value, message):
    processor = AutoProcessor.from_pretrained(CHECKPOINTS[family])
    setattr(getattr(processor, "video_processor", None) or processor.image_processor, name, value)
    with pytest.raises(ValueError, match=message):
        preprocessing_graph(Model(AutoConfig.from_pretrained(CHECKPOINTS[family])), processor)
