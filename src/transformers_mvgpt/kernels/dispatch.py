# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The seam between the models of all families and what is faster than plain PyTorch. That of VideoMamba and frame scoring is
`dispatch_video.py`.

Each function here takes the plain code as `plain`, and calls it wherever `gates.py` does not say that a fast path does the same.
Nothing else of this folder is imported by the model. Without `fast_paths.py`'s files (`fast` is `None`), all that is plain runs.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import torch
from torch import nn
from transformers import CompileConfig, PreTrainedModel
from transformers.activations import QuickGELUActivation
from transformers.modeling_outputs import BaseModelOutputWithPast, ModelOutput

from .fast_paths import fast
from .late_answer import LateAnswer


# What `encode_videos` cannot be asked for with a recording.
_NOT_IN_RECORDINGS = ("output_hidden_states", "output_attentions", "frame_selection")

# The base model of whose output nobody will look at other tokens than the last.
_LAST_TOKEN_ONLY: ContextVar[nn.Module | None] = ContextVar("last_token_only", default=None)
# Encoders are called before their turn, which only recordings are.
_IS_AHEAD: ContextVar[bool] = ContextVar("is_ahead", default=False)
# What lets the current stream wait for the encoders that were called before their turn.
_JOIN: ContextVar[Callable[[], None] | None] = ContextVar("join", default=None)


def run_language_model(
    model: PreTrainedModel, check: Callable[[], None] = lambda: None, **inputs: Any
) -> BaseModelOutputWithPast:
    """
    `model.language_model(**inputs)`: a prefill or a decode step.

    Args:
        model (`PreTrainedModel`): a base model, whose `language_model` has no head.
        check (`Callable`, *optional*):
            Raises if something is wrong with the inputs. It is called before anything is written into a cache, and where a
            recording is replayed, after the GPU has been asked for that.
        inputs: as the language model takes them, `inputs_embeds` among them.

    Returns:
        `BaseModelOutputWithPast`. Inside [`last_token_only`] of the same model, its `last_hidden_state` may be `(B, 1, h)`.
    """
    if fast is not None and inputs["inputs_embeds"].shape[1] == 1:
        check()
        may_record = not fast.are_graphs_disabled(model)
        decoded = fast.decode_on_gpu(model.language_model, may_record=may_record, **inputs)
        if decoded is not None:
            return decoded
    graphs, for_last_token = usable_cuda_graphs(model), _LAST_TOKEN_ONLY.get() is model
    if fast is not None and graphs is not None and fast.may_replay_prefill(model.language_model, **inputs):
        output = graphs.prefill(check=check, last_token_only=for_last_token, **inputs)
        if output is not None:
            return output
    check()
    return _run_without_graphs(model, last_token_only=for_last_token, **inputs)


def _run_without_graphs(
    model: PreTrainedModel, last_token_only: bool = False, **inputs: Any
) -> BaseModelOutputWithPast:
    language_model = model.language_model
    if fast is None:
        return language_model(**inputs)
    weights = fast.weights_for_decode_step(language_model, **inputs)
    if weights is not None:
        return fast.decode_step(language_model, weights, **inputs)
    if fast.may_prefill(language_model, **inputs):
        return fast.prefill(language_model, last_token_only=last_token_only, **inputs)
    return linear_of_one_token(inputs["inputs_embeds"], plain=lambda _: language_model(**inputs))


def last_token_only(model: nn.Module, logits_to_keep: int | torch.Tensor) -> AbstractContextManager[None]:
    """
    While it is entered, the language model may leave out of its last layer what other tokens than the last would need.

    Args:
        model (`nn.Module`): a base model that is about to be called.
        logits_to_keep (`int` or `torch.Tensor`): as the model with a head takes it.
    """
    is_enough = fast is not None and fast.needs_last_token_only(model, logits_to_keep)
    return _last_token_only(model) if is_enough else nullcontext()


@contextmanager
def _last_token_only(model: nn.Module) -> Iterator[None]:
    token = _LAST_TOKEN_ONLY.set(model)
    try:
        yield
    finally:
        _LAST_TOKEN_ONLY.reset(token)


def linear_of_one_token(x: torch.Tensor, *, plain: Callable[[torch.Tensor], Any]) -> Any:
    """
    `plain(x)`, with the linear layers in it as products of a matrix and a vector where x is a single token.

    Args:
        x (`torch.Tensor` of shape `(..., h)`): hidden states.
        plain (`Callable`): a linear layer, or what is made of some.
    """
    if fast is None or not fast.gains_from_row_products(x):
        return plain(x)
    with fast.OneRowProducts():
        return plain(x)


def activate(x: torch.Tensor, training: bool, *, plain: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """x * sigmoid(1.702 x), CLIP's activation, of (..., h)."""
    if fast is not None and fast.may_activate(x, training):
        return fast.quick_gelu(x)
    return plain(x)


class QuickGELU(QuickGELUActivation):
    """transformers' own, in one go over its input where it can be compiled."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return activate(input, self.training, plain=super().forward)


def use_quick_gelu(encoder: nn.Module) -> None:
    """Puts [`QuickGELU`] in the place of transformers' own activations of a CLIP encoder."""
    for module in encoder.modules():
        if type(getattr(module, "activation_fn", None)) is QuickGELUActivation:
            module.activation_fn = QuickGELU()


def run_image_layers(
    layers: Sequence[nn.Module], hidden_states: torch.Tensor, *, plain: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """
    `plain(hidden_states)`, which calls the layers of CLIP's or SigLIP's image encoder one after the other.

    Args:
        layers (`Sequence[CLIPEncoderLayer | SiglipEncoderLayer]`): CLIP's after [`use_quick_gelu`].
        hidden_states (`torch.Tensor` of shape `(S, L, h)`): what the first of them takes.
    """
    if fast is not None and fast.may_run_image_layers(layers, hidden_states, QuickGELU):
        return fast.run_image_layers(layers, hidden_states)
    if fast is not None and fast.may_compile_image_layers(layers, hidden_states):
        with fast.CompiledFunctional():
            return plain(hidden_states)
    return plain(hidden_states)


def enable_cuda_graphs(model: PreTrainedModel, memory_budget: int | None = None) -> None:
    """
    Lets [`run_language_model`], [`encode_videos`] and [`compiled_call`] of a base model record CUDA kernels at once, and replay
    them.

    Args:
        model (`PreTrainedModel`): a base model.
        memory_budget (`int`, *optional*): bytes that recordings hold at most.

    Raises:
        ImportError: if they are not among these files.
    """
    if fast is None:
        raise ImportError("CUDA graphs are not among these files.")
    fast.recordings[model] = fast.CudaGraphs(model, _run_without_graphs, at_once=True, memory_budget=memory_budget)


def disable_cuda_graphs(model: nn.Module) -> None:
    """Forgets the recordings of a base model, and makes no others."""
    if fast is not None:
        fast.recordings[model] = None
        _forget_decode_steps(model)


def forget_cuda_graphs(model: nn.Module) -> None:
    """Forgets the recordings of a base model: weights have gone somewhere else."""
    graphs = None if fast is None else fast.recordings.get(model)
    if graphs is not None:
        graphs.forget()
    _forget_decode_steps(model)


def _forget_decode_steps(model: nn.Module) -> None:
    if fast is not None:
        fast.forget_decode_steps(getattr(model, "language_model", None))


def generating_turn() -> AbstractContextManager[None]:
    """Entered by a call of `generate`: CUDA kernels are recorded while there is no other."""
    return nullcontext() if fast is None else fast.turns.generating()


def encode_videos(
    model: PreTrainedModel, *streams: torch.Tensor, plain: Callable[..., ModelOutput], **kwargs: Any
) -> dict[str, torch.Tensor]:
    """
    `plain(*streams, **kwargs)`, which is `model._encode_videos`, as a recording if there is one.

    Args:
        model (`PreTrainedModel`): a base model.
        streams (`torch.Tensor`): pixels of videos.
        kwargs: what is asked for beside the videos' features, or other features: a recording has neither.
    """
    graphs = usable_cuda_graphs(model)
    if graphs is not None and not any(kwargs.get(name) for name in _NOT_IN_RECORDINGS):
        encoded = (
            graphs.encode_videos(*streams) if not _IS_AHEAD.get() or graphs.encode_videos.is_ready(*streams) else None
        )
        if encoded is not None:
            return encoded
    if _IS_AHEAD.get():
        raise _NotRecorded
    return plain(*streams, **kwargs)


class _NotRecorded(Exception):
    """Encoders would have to be asked for kernel by kernel."""


@contextmanager
def encoding_ahead(model: PreTrainedModel, encode: Callable[[], ModelOutput] | None) -> Iterator[ModelOutput | None]:
    """
    Calls the encoders of a base model before their turn, on a CUDA stream of their own, if that takes no more than to replay a
    recording. Python and other streams are not kept waiting. [`join_encoders`] lets the current stream wait for them.

    Args:
        model (`PreTrainedModel`): a base model.
        encode (`Callable`, *optional*): encodes videos by [`encode_videos`]. Its errors are left for when the encoders' turn comes.
    """
    ahead = None
    if fast is not None and encode is not None:
        token = _IS_AHEAD.set(True)
        try:
            with torch.no_grad():
                if usable_cuda_graphs(model) is not None:
                    ahead = fast.Ahead(model.device, encode)
        except (_NotRecorded, ValueError):
            pass
        finally:
            _IS_AHEAD.reset(token)
    if ahead is None:
        yield None
        return
    join_token = _JOIN.set(ahead.join)
    try:
        yield ahead.encoded
    finally:
        _JOIN.reset(join_token)
        ahead.join()


def join_encoders() -> None:
    """From here on, the current stream sees what [`encoding_ahead`] began."""
    join = _JOIN.get()
    if join is not None:
        join()


def ask(tensor: torch.Tensor) -> LateAnswer:
    """A small tensor whose values Python will read later, so that it does not wait for a GPU."""
    return LateAnswer(tensor)


def compiled_call(
    model: PreTrainedModel,
    compile_config: CompileConfig | None,
    *,
    plain: Callable[[CompileConfig | None], Callable[..., ModelOutput]],
) -> Callable[..., ModelOutput]:
    """
    What `generate` takes for the steps after the first token, with a cache of fixed size: recorded, if the model's kernels are.

    Args:
        model (`PreTrainedModel`): with or without a head.
        compile_config (`CompileConfig`, *optional*): asks for something else.
        plain (`Callable`): transformers' own `get_compiled_call`.
    """
    graphs = usable_cuda_graphs(model.base_model)
    is_wanted = graphs is not None and graphs.at_once and compile_config is None
    if fast is None or not is_wanted or fast.wants_more_than_logits(model.config):
        return plain(compile_config)
    return fast.GraphedStep(plain(CompileConfig(mode="default")))


def usable_cuda_graphs(model: PreTrainedModel) -> Any:
    """The recordings of a base model, if there may be any and the mode of the call is one in which they may be replayed."""
    if fast is None or not fast.may_replay_graphs(model):
        return None
    return fast.graphs_of(model, _run_without_graphs)
