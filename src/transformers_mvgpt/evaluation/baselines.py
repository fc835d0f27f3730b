# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Other models of transformers at their published sizes, with random weights: how long they take for a first token."""

import gc
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.nn import functional as F
from transformers import PreTrainedModel, ProcessorMixin

from ..modeling.vision_language_model import VisionLanguageForConditionalGeneration
from ..video.video_decoding import decode_video
from .baseline_configs import CONFIGS, class_of_transformers, make_baseline
from .baseline_inputs import VisualInputs, process_frames
from .choices import check_baselines
from .machine_limits import median_seconds_in_turns
from .speed import first_token_calls


# Width and height of the video, in pixels. The second is measured where it makes a difference.
CLIP_SIZES = ((640, 360), (224, 224))

# Tokens of text around the visual tokens.
_NUM_TEXT_TOKENS = 30

# Packages that a model cannot do without.
_PACKAGES = {"fastvlm-0.5b": ("timm",)}
# Modules, and the packages that have them, without which a model runs slower code of transformers.
_FASTER_WITH = {"qwen3.5-0.8b": {"fla": "flash-linear-attention", "causal_conv1d": "causal-conv1d"}}


def check_requirements(name: str) -> None:
    """
    Args:
        name (`str`): of a baseline.

    Raises:
        ValueError: if there is no such model.
        ImportError: if it needs a package that is not installed, or another release of transformers.
    """
    check_baselines([name])
    for package in _PACKAGES.get(name, ()):
        if not _is_installed(package):
            raise ImportError(f"{name!r} needs {package}: pip install {package}, or leave it out of `--compare`.")
    class_of_transformers(f"{CONFIGS[name][0]}ForConditionalGeneration", name)


def measure_baselines(
    names: list[str],
    model: VisionLanguageForConditionalGeneration,
    processor: ProcessorMixin,
    video: str | bytes,
    *,
    runs: int = 5,
    compiled: bool = False,
    on_part: Callable[[str], None] = lambda name: None,
) -> Iterator[tuple[str, dict[str, dict[str, Any]] | str]]:
    """
    Measures one after the other on the frames of a video file.

    Args:
        names (`list[str]`): of baselines.
        model ([`VisionLanguageForConditionalGeneration`]), processor ([`ProcessorMixin`]): ours, where and in which dtype all are to
            be measured.
        video (`str` or `bytes`): a video file, or its content.
        runs (`int`), compiled (`bool`): as for [`measure_baseline`].
        on_part (`Callable`): called with the name of each.

    Yields:
        `tuple[str, dict | str]`: the name and what [`measure_baseline`] returns; or why it could not be measured, in one line: what is
        not installed, or does not fit into the memory.
    """
    if not names:
        return
    frames, _ = decode_video(video, processor.video_processor.sample_frames)
    ours = first_token_calls(model, processor, video)
    for name in names:
        on_part(name)
        try:
            yield (
                name,
                measure_baseline(
                    name, frames, _NUM_TEXT_TOKENS, model.device, model.dtype, ours, runs=runs, compiled=compiled
                ),
            )
        except (ImportError, MemoryError, torch.OutOfMemoryError) as error:
            yield name, (str(error).splitlines() or [type(error).__name__])[0]


@torch.inference_mode()
def measure_baseline(
    name: str,
    frames: torch.Tensor,
    num_text_tokens: int,
    device: torch.device,
    dtype: torch.dtype,
    ours: Mapping[str, Callable[[], object]],
    *,
    runs: int = 5,
    compiled: bool = False,
) -> dict[str, dict[str, Any]]:
    """
    Seconds from pixels in memory to the first token, of another model and of ours, which take turns. When it returns, the model is
    gone.

    Args:
        name (`str`): of a baseline.
        frames (`torch.Tensor` of shape `(n, 3, height, width)`): uint8; they are brought to `CLIP_SIZES`, and then to pixels by the
            model's own processor.
        num_text_tokens (`int`): tokens of text around the visual tokens.
        device (`torch.device`), dtype (`torch.dtype`): where, and of the weights.
        ours (`dict[str, Callable]`): by the name of its result, what makes our first token: `our_seconds` and, where that is
            another, `our_eager_seconds`.
        runs (`int`): of each, after one that is not counted.
        compiled (`bool`): also measure it with `torch.compile`, which takes minutes.

    Returns:
        `dict[str, dict[str, Any]]`: under the name for the first size of the video, and under the name with the size for the other, if
        it makes a difference: `seconds`, the median; those of `ours`; `compiled_seconds` on request, or `compiled_error`; `num_parameters`; `num_prompt_tokens`;
        `clip_size` of the video and `frame_size` that the image encoder gets, width and height in pixels; `slower_without`, packages
        that are not installed and would make it faster.

    Raises:
        ValueError, ImportError: as [`check_requirements`].
    """
    check_requirements(name)
    model = first_token = None
    try:
        with torch.device(device):
            model = make_baseline(name).to(dtype).eval()
        results: dict[str, dict[str, Any]] = {}
        for clip_size, inputs in _inputs_that_differ(name, frames):
            ids = inputs.prompt(model.config, num_text_tokens)
            first_token = _first_token_call(model, inputs, ids)
            seconds = median_seconds_in_turns([first_token, *ours.values()], device, runs)
            result: dict[str, Any] = dict(zip(("seconds", *ours), seconds, strict=True))
            if compiled:
                result |= _measure_compiled(model, first_token, device, runs)
            result |= {
                "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
                "num_prompt_tokens": ids.shape[1],
                "clip_size": clip_size,
                "frame_size": inputs.size,
                "slower_without": [
                    package for module, package in _FASTER_WITH.get(name, {}).items() if not _is_installed(module)
                ],
            }
            results[name if not results else f"{name}, video of {clip_size[0]} x {clip_size[1]}"] = result
        return results
    finally:
        # before the next is made: two do not fit where one does
        model = first_token = None
        free_memory(device)


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def free_memory(device: torch.device) -> None:
    """Collects what nobody refers to, and gives what torch keeps of a GPU's memory back."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _inputs_that_differ(name: str, frames: torch.Tensor) -> Iterator[tuple[tuple[int, int], VisualInputs]]:
    """For each of `CLIP_SIZES` what the model gets. What is brought to the same size as before is left out."""
    seen = []
    for width, height in CLIP_SIZES:
        video = F.interpolate(frames.float(), (height, width), mode="bilinear").round().to(torch.uint8)
        inputs = process_frames(name, video)
        if inputs.size not in seen:
            seen.append(inputs.size)
            yield (width, height), inputs


def _first_token_call(model: PreTrainedModel, inputs: VisualInputs, ids: torch.Tensor) -> Callable[[], object]:
    device, dtype = model.device, model.dtype
    prompt = ids.to(device)
    options: dict[str, Any] = {
        name: tensor.to(device, dtype if tensor.is_floating_point() else None)
        for name, tensor in inputs.pixels.items()
    }
    if inputs.has_token_types:
        options["mm_token_type_ids"] = (prompt == getattr(model.config, inputs.placeholder)).int() * 2
    options |= {"attention_mask": torch.ones_like(prompt), "min_new_tokens": 1, "max_new_tokens": 1}
    return lambda: model.generate(prompt, do_sample=False, **options)


def _measure_compiled(
    model: PreTrainedModel, first_token: Callable[[], object], device: torch.device, runs: int
) -> dict[str, Any]:
    """
    With the forward pass compiled, as transformers documents it (`cache_implementation="static"` compiles later tokens alone). What
    torch cannot compile of it stays eager.
    """
    model.forward = torch.compile(model.forward)
    try:
        return {"compiled_seconds": median_seconds_in_turns([first_token], device, runs)[0]}
    except Exception as error:  # whatever the compiler meets: the other figures stay
        return {"compiled_error": f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"}
    finally:
        del model.forward
        torch.compiler.reset()
