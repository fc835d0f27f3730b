# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Files that were written, run beside the model that they were made of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from transformers import PreTrainedModel, ProcessorMixin

from .onnx_graphs import Traced


# By precision: how far an output may be from the model's, as a share of its root mean square. Float32 differs by the order of sums; 8 and
# 4 bits as they did with trained and random models of all families (1 to 3, and 8 to 17 hundredths), with room for others.
TOLERANCES = {"fp32": 1e-3, "fp16": 2e-2, "int8": 0.25, "q4": 0.6}
# Pixels are torch's on a CPU; elsewhere torch rounds otherwise.
_GREY_LEVELS = 1.5
_FRAME_SIZE = (75, 100)
# A prompt in two steps, the second one behind a cache.
_NUM_CACHED, _NUM_NEW, _NUM_KEPT = 6, 3, 2


class FileCheck:
    """
    Runs files of a folder and compares what they give.

    Args:
        folder (`Path`): where they are.
        model ([`VisionLanguageForConditionalGeneration`]): what they were made of, in float32.
    """

    def __init__(self, folder: Path, model: PreTrainedModel):
        self._folder, self._model = folder, model
        self._generator = torch.Generator().manual_seed(0)

    @torch.no_grad()
    def preprocessing(self, processor: ProcessorMixin) -> None:
        """
        `preprocess.onnx`, on frames of noise.

        Raises:
            RuntimeError: if they become other pixels than the processor makes.
        """
        frames = torch.randint(0, 256, (2, *_FRAME_SIZE, 3), dtype=torch.uint8, generator=self._generator).numpy()
        found = self._run("preprocess.onnx", {"frames": frames})
        if self._model.config.model_type == "mobilevlm":
            part: Any = processor.image_processor
            expected = part(list(frames), return_tensors="pt")
        else:
            part = processor.video_processor
            expected = part([frames], do_sample_frames=False, return_tensors="pt")
        for name, pixels in found.items():
            std = part.context_image_std if name.startswith("context_") else part.image_std
            grey_levels = np.abs(pixels - expected[name].numpy().reshape(pixels.shape))
            grey_levels = grey_levels * np.asarray(std)[:, None, None] / part.rescale_factor
            if not (difference := float(grey_levels.max())) <= _GREY_LEVELS:
                self._fail("preprocess.onnx", name, f"by {difference:.3g} grey levels", f"{_GREY_LEVELS} grey levels")

    @torch.no_grad()
    def encoder(self, stem: str, traced: Traced) -> None:
        """
        The file of an encoder, on noise that differs from frame to frame.

        Raises:
            RuntimeError: if it gives something else than the model.
        """
        file = f"{stem}.onnx"
        inputs = traced.example(dict.fromkeys(traced.free_sizes, 3), seed=1)
        for pixels in inputs.values():
            frames = pixels.flatten(0, -4)
            # frames of one kind would have scores that are almost equal
            frames *= torch.linspace(0.2, 1, len(frames))[:, None, None, None]
        found = self._run(file, {name: pixels.numpy() for name, pixels in inputs.items()})
        model = self._model.model
        if "image_features" in traced.outputs:
            expected = {"image_features": model.get_image_features(**inputs).pooler_output}
        else:
            features = model.get_video_features(**inputs)
            expected = {"video_features": features.pooler_output}
            if "frame_scores" in traced.outputs:
                expected |= {"frame_scores": features.frame_scores}
                if (found["selected_frames"] != features.selected_frames.numpy()).any():
                    self._fail(file, "selected_frames", "in which frames they are", "none")
        for name, output in expected.items():
            self._compare(file, name, found[name], output.numpy(), "fp32")

    @torch.no_grad()
    def embeddings(self, file: str, precision: str) -> None:
        """
        A file of embeddings, ids outside the vocabulary included.

        Raises:
            RuntimeError: if it gives something else than the model.
        """
        table = self._model.get_input_embeddings().weight
        ids = torch.randint(0, len(table), (2, 8), generator=self._generator)
        unknown = ids.clone()
        unknown[0, 0], ids[0, 0] = len(table) + 1, 0
        found = self._run(file, {"input_ids": unknown.numpy()})["inputs_embeds"]
        self._compare(file, "inputs_embeds", found, table[ids].numpy(), precision)

    @torch.no_grad()
    def decoder(self, file: str, precision: str) -> None:
        """
        A file of the language model: a prompt with padding, and tokens behind its cache.

        Raises:
            RuntimeError: if it gives something else than the model.
        """
        model, length = self._model, _NUM_CACHED + _NUM_NEW
        table = model.get_input_embeddings().weight
        embeds = table[torch.randint(0, len(table), (2, length), generator=self._generator)]
        mask = torch.ones(2, length, dtype=torch.long)
        mask[1, :2] = 0
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        hidden = model.model.language_model(inputs_embeds=embeds, attention_mask=mask, position_ids=positions)
        expected = model.lm_head(hidden.last_hidden_state[:, -_NUM_KEPT:])

        session = self._open(file, precision)
        cache = {
            given.name: np.zeros((2, given.shape[1], 0, given.shape[3]), _NUMPY_TYPES[given.type])
            for given in session.get_inputs()
            if given.name.startswith("past_key_values.")
        }
        output: Mapping[str, np.ndarray] = {}
        for first, end in ((0, _NUM_CACHED), (_NUM_CACHED, length)):
            inputs = {
                "inputs_embeds": embeds[:, first:end].numpy(),
                "attention_mask": mask[:, :end].numpy(),
                "position_ids": positions[:, first:end].numpy(),
                "num_logits_to_keep": np.array(_NUM_KEPT),
            }
            output = _outputs(session, inputs | cache)
            cache = {name: output[name.replace("past_key_values", "present")] for name in cache}
        self._compare(file, "logits", output["logits"], expected.numpy(), precision)

    def _open(self, file: str, precision: str = "fp32") -> onnxruntime.InferenceSession:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if precision in ("fp32", "fp16"):  # a second copy of the weights would take as much memory again
            options.add_session_config_entry("session.disable_prepacking", "1")
        try:
            return onnxruntime.InferenceSession(self._folder / file, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise RuntimeError(f"{file} was written, and onnxruntime cannot open it: {error}") from error

    def _run(self, file: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return _outputs(self._open(file), inputs)

    def _compare(self, file: str, name: str, found: np.ndarray, expected: np.ndarray, precision: str) -> None:
        tolerance = TOLERANCES[precision]
        if found.shape != expected.shape:
            self._fail(file, name, f"in their shape, {found.shape} instead of {expected.shape}", "none")
        size = float(np.sqrt(np.square(expected, dtype=np.float64).mean()))
        difference = float(np.sqrt(np.square(found - expected, dtype=np.float64).mean())) / max(size, 1e-12)
        if not difference <= tolerance:
            self._fail(file, name, f"by {difference:.3g} of their root mean square", f"{tolerance:g} ({precision})")

    def _fail(self, file: str, name: str, difference: str, tolerance: str) -> None:
        raise RuntimeError(
            f"`{name}` of {file} differ from the model's {difference}, and at most {tolerance} may be: nothing was kept. Another release of "
            "torch, onnxscript or onnxruntime may help, or another precision."
        )


# what onnxruntime calls the types of caches
_NUMPY_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def _outputs(session: onnxruntime.InferenceSession, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))
