# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
All that can stand in for plain PyTorch, and the conditions for it. `dispatch.py` takes them from here and from nowhere else:
where this file says `fast = None` and nothing more, the files below are not needed.
"""

from .compiled_functional import CompiledFunctional
from .decode_step import decode_step
from .gates import (
    gains_from_row_products,
    may_activate,
    may_compile_image_layers,
    may_run_image_layers,
    wants_more_than_logits,
)
from .gates_graphs import may_replay_graphs, may_replay_prefill
from .gates_language_model import may_prefill, needs_last_token_only, weights_for_decode_step
from .gpu_decode_step import decode_on_gpu, forget_decode_steps
from .graphs_ahead import Ahead
from .graphs_model import CudaGraphs, are_graphs_disabled, graphs_of, recordings
from .graphs_step import GraphedStep
from .graphs_turns import turns
from .numba_elementwise import quick_gelu
from .one_row_linear import OneRowProducts
from .prefill import prefill
from .triton_image_encoder import run_image_layers


class FastPaths:
    """By the place in `dispatch.py` where they are used: first the condition, then what it allows."""

    # the language model
    may_replay_graphs = staticmethod(may_replay_graphs)
    may_replay_prefill = staticmethod(may_replay_prefill)
    weights_for_decode_step = staticmethod(weights_for_decode_step)
    decode_step = staticmethod(decode_step)
    decode_on_gpu = staticmethod(decode_on_gpu)
    forget_decode_steps = staticmethod(forget_decode_steps)
    needs_last_token_only = staticmethod(needs_last_token_only)
    may_prefill = staticmethod(may_prefill)
    prefill = staticmethod(prefill)
    # a linear layer of a single token
    gains_from_row_products = staticmethod(gains_from_row_products)
    OneRowProducts = OneRowProducts
    # CLIP's activation
    may_activate = staticmethod(may_activate)
    quick_gelu = staticmethod(quick_gelu)
    # CLIP's layers, and what those of image encoders call
    may_run_image_layers = staticmethod(may_run_image_layers)
    run_image_layers = staticmethod(run_image_layers)
    may_compile_image_layers = staticmethod(may_compile_image_layers)
    CompiledFunctional = CompiledFunctional
    # CUDA graphs
    recordings = recordings
    CudaGraphs = CudaGraphs
    graphs_of = staticmethod(graphs_of)
    are_graphs_disabled = staticmethod(are_graphs_disabled)
    turns = turns
    Ahead = Ahead
    wants_more_than_logits = staticmethod(wants_more_than_logits)
    GraphedStep = GraphedStep


fast: type[FastPaths] | None = FastPaths
