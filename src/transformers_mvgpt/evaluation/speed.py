# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""How long each part of an answer takes, beside its roofline: the time that its arithmetic or its memory needs at least."""

import copy
import functools
import itertools
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from transformers import ProcessorMixin
from transformers.generation.streamers import BaseStreamer

from ..chat import VideoChat
from ..kernels.graphs_model import recordings
from ..modeling.vision_language_model import VisionLanguageForConditionalGeneration
from .batch_speed import measure_batches
from .encoder_speed import measure_encoders
from .machine_limits import RECORDING_CALLS, LimitsMeter, MachineLimits, count_flops, median_seconds
from .quantization import stored_bytes
from .visual_file import VisualFile


# Called with the part that is measured next.
OnPart = Callable[[str], None]


@dataclass(frozen=True)
class PartTime:
    """
    Args:
        part (`str`): of an answer.
        seconds (`float`): median of the runs.
        flops, num_bytes (`float`): what has to be computed, or read, for it. Both 0 where that does not count.
    """

    part: str
    seconds: float
    flops: float = 0
    num_bytes: float = 0

    def beside(self, limits: MachineLimits) -> dict[str, Any]:
        """`part`, `seconds`, `roofline_seconds` (the lower bound: what the machine would need at its best) and `ratio` (how many times that)."""
        roofline = self.flops / limits.flops_per_second + self.num_bytes / limits.bytes_per_second or None
        ratio = None if roofline is None else self.seconds / roofline
        return {"part": self.part, "seconds": self.seconds, "roofline_seconds": roofline, "ratio": ratio}


@torch.inference_mode()
def measure_speed(
    model: VisionLanguageForConditionalGeneration,
    processor: ProcessorMixin,
    path: str | bytes,
    *,
    runs: int = 5,
    num_new_tokens: int = 16,
    batch_sizes: list[int] | None = None,
    on_part: OnPart | None = None,
) -> dict[str, Any]:
    """
    Measures the parts of an answer about a video file, or an image file where the model takes no videos, one after the other. On a GPU, parts up to the prefill, and `first token,
    eager`, are measured without CUDA graphs; then one after `cuda_graphs_enable`; what comes after them as it comes, with the graphs
    that the model records by itself.

    Args:
        model ([`VisionLanguageForConditionalGeneration`]): the model, where and in which dtype it is to be measured.
        processor ([`ProcessorMixin`]): its processor.
        path (`str` or `bytes`): a video file, or an image file, or what is in it.
        runs (`int`): of each part, after one that is not counted.
        num_new_tokens (`int`): of an answer whose decode steps are measured, at least 2.
        batch_sizes (`list[int]`, *optional*): how many videos are also asked about at once, see [`measure_batches`].
        on_part (`Callable`, *optional*): called as the measurement goes on.

    Returns:
        `dict[str, Any]`: `parts`, a list of part, seconds, roofline_seconds and ratio; `limits` of the machine;
        `num_prompt_tokens`; `batches`, what [`measure_batches`] returns; `peak_memory_bytes`, on a GPU what torch allocated for
        the parts, on a CPU the most that the process ever had; `None` where that is not known; `recorded_bytes` of a GPU that the
        model's CUDA graphs hold in the end.

    Raises:
        ValueError: if `runs` or `num_new_tokens` is too small.
    """
    if runs < 1 or num_new_tokens < 2:
        raise ValueError(f"`runs` ({runs}) must be at least 1, and `num_new_tokens` ({num_new_tokens}) at least 2.")
    device, dtype = model.device, model.dtype
    report = on_part or (lambda part: None)
    meter = LimitsMeter(device, dtype)
    parts: list[PartTime] = []
    peak_memory = 0
    recording_calls = RECORDING_CALLS if device.type == "cuda" else 1

    def begin(part: str) -> None:
        report(part)
        meter.sample()
        if device.type == "cuda":  # of the sample
            torch.cuda.reset_peak_memory_stats(device)

    def end(part: PartTime) -> None:
        nonlocal peak_memory
        parts.append(part)
        peak_memory = max(peak_memory, _peak_memory(device) or 0)

    def measure(part: str, call: Callable[[], Any], flops: float = 0, warm_ups: int = 1) -> Any:
        begin(part)
        result: Any = None

        def keep_result() -> None:
            nonlocal result
            result = None  # two results need not fit into memory
            result = call()

        end(PartTime(part, median_seconds(keep_result, device, runs, warm_ups=warm_ups), flops))
        return result

    visual = VisualFile(model, processor, path)
    decoded = measure("decode", visual.decode)
    pixels = measure("preprocess", lambda: visual.preprocess(decoded))
    if device.type == "cuda":
        measure("preprocess on the GPU", lambda: visual.preprocess(decoded, device=device))
    eager = without_cuda_graphs(model)
    body, config = eager.model, model.config
    measure_encoders(body, pixels, measure)

    prompt = visual.prompt()
    given = {visual.modality: visual.encode(body, pixels)}
    embedded = torch.empty(*prompt.shape, config.text_config.hidden_size, dtype=dtype, device="meta")
    # of the same arithmetic in plain weights: the counter does not know the products of quantized ones
    with torch.device("meta"):
        plain = type(body.language_model)(config.text_config).to(dtype)
    flops = (
        count_flops(plain, lambda twin: twin(inputs_embeds=embedded))
        + 2 * model.lm_head.in_features * model.lm_head.out_features
    )
    measure("prefill", lambda: eager(prompt, mm_encoder_outputs=given, logits_to_keep=1, use_cache=True), flops)

    whole = sum(part.flops for part in parts)
    if eager is not model:
        measure("first token, eager", lambda: generate_tokens(eager, prompt, 1, **pixels), whole)
        eager.cuda_graphs_enable()
        measure("first token, CUDA graphs enabled", lambda: generate_tokens(eager, prompt, 1, **pixels), whole)
        eager.cuda_graphs_disable()
    measure("first token", lambda: generate_tokens(model, prompt, 1, **pixels), whole, recording_calls)
    measure("file to first token", lambda: generate_tokens(model, prompt, 1, **visual.pixels()))
    if device.type == "cuda":
        measure(
            "file to first token, preprocessed on the GPU",
            lambda: generate_tokens(model, prompt, 1, **visual.pixels(device=device)),
        )

    chat = VideoChat(model, processor, given[visual.modality])  # the run that is not counted does the visual's prefill
    measure("second question", lambda: chat.ask(visual.question, max_new_tokens=1), warm_ups=recording_calls)

    begin("decode step")
    for _ in range(recording_calls - 1):
        generate_tokens(model, prompt, num_new_tokens, mm_encoder_outputs=given)
    clock = TokenClock()
    for _ in range(runs):
        generate_tokens(model, prompt, num_new_tokens, mm_encoder_outputs=given, streamer=clock)
    num_bytes = _bytes_per_token(model, prompt.shape[1])
    end(PartTime("decode step", statistics.median(clock.seconds), num_bytes=num_bytes))
    meter.sample()
    limits = meter.limits()
    if batch_sizes:
        report("batches")
    return {
        "parts": [part.beside(limits) for part in parts],
        "limits": asdict(limits),
        "num_prompt_tokens": prompt.shape[1],
        "batches": measure_batches(model, prompt, pixels, batch_sizes or [], runs=runs),
        "peak_memory_bytes": peak_memory or None,
        "recorded_bytes": _recorded_bytes(model),
    }


def without_cuda_graphs(
    model: VisionLanguageForConditionalGeneration,
) -> VisionLanguageForConditionalGeneration:
    """
    On a GPU, a model of the same weights that never records CUDA graphs, whatever the model does; on other devices, the model
    itself.
    """
    if model.device.type != "cuda":
        return model
    twin = copy_with_same_weights(model)
    twin.cuda_graphs_disable()
    return twin


def copy_with_same_weights(
    model: VisionLanguageForConditionalGeneration,
) -> VisionLanguageForConditionalGeneration:
    """Modules of their own, and the tensors of the model."""
    tensors = {id(tensor): tensor for tensor in itertools.chain(model.parameters(), model.buffers())}
    return copy.deepcopy(model, tensors)


def generate_tokens(
    model: VisionLanguageForConditionalGeneration, prompt: torch.Tensor, length: int, **inputs: Any
) -> torch.Tensor:
    """As many tokens as asked for: an answer that ended early would be measured as a fast one."""
    options = {"eos_token_id": model.config.text_config.vocab_size, "max_new_tokens": length, "do_sample": False}
    return model.generate(prompt, attention_mask=torch.ones_like(prompt), **options, **inputs)


def first_token_calls(
    model: VisionLanguageForConditionalGeneration, processor: ProcessorMixin, path: str | bytes
) -> dict[str, Callable[[], torch.Tensor]]:
    """
    What [`measure_speed`] measures as the first token of a file: from pixels in memory, through all of the model.

    Returns:
        `dict[str, Callable]`: `our_seconds`, as it comes, after the calls that record CUDA graphs on a GPU; there, also
        `our_eager_seconds`, without them.
    """
    visual = VisualFile(model, processor, path)
    inputs, prompt = visual.preprocess(visual.decode()), visual.prompt()
    eager = without_cuda_graphs(model)
    models = {"our_seconds": model} if eager is model else {"our_seconds": model, "our_eager_seconds": eager}
    calls: dict[str, Callable[[], torch.Tensor]] = {
        name: functools.partial(generate_tokens, each, prompt, 1, **inputs) for name, each in models.items()
    }
    if eager is not model:
        for _ in range(RECORDING_CALLS):
            calls["our_seconds"]()
    return calls


class TokenClock(BaseStreamer):
    """
    A streamer that keeps the time between each two tokens of an answer, in `seconds`.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last: float | None = None

    def put(self, value: torch.Tensor) -> None:
        """Takes the prompt, then each token."""
        now = time.perf_counter()
        if value.numel() == 1:
            if self._last is not None:
                self.seconds.append(now - self._last)
            self._last = now

    def end(self) -> None:
        """Of an answer."""
        self._last = None


def _bytes_per_token(model: VisionLanguageForConditionalGeneration, num_cached: int) -> int:
    """What has to be read for a token: the language model's weights, of the embeddings the head's alone, and the cache."""
    language_model: Any = model.model.language_model
    text = model.config.text_config
    embeddings = language_model.get_input_embeddings().weight
    weights = [weight for weight in language_model.parameters() if weight is not embeddings]
    weights += model.lm_head.parameters()
    head_size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    cache = 2 * text.num_hidden_layers * text.num_key_value_heads * head_size * num_cached
    return sum(map(stored_bytes, weights)) + cache * model.dtype.itemsize


def _recorded_bytes(model: VisionLanguageForConditionalGeneration) -> int | None:
    memory = getattr(recordings.get(model.base_model), "memory", None)
    return None if memory is None else memory.num_bytes


def _peak_memory(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
