# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
All that can stand in for plain PyTorch, and the conditions for it. `dispatch.py` takes them from here and from nowhere else:
where this file says `fast = None` and nothing more, the files below are not needed.
"""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch

from .decode_step import decode_step
from .gates import (
    check_scan,
    fastest_scan,
    gains_from_row_products,
    may_activate,
    may_normalize,
    may_run_image_layers,
    may_score_frames,
    mixer_implementation,
    wants_more_than_logits,
)
from .gates_graphs import may_replay_graphs, may_replay_prefill
from .gates_language_model import may_prefill, needs_last_token_only, weights_for_decode_step
from .graphs_ahead import Ahead
from .graphs_model import CudaGraphs, are_graphs_disabled, graphs_of, recordings
from .graphs_step import GraphedStep
from .graphs_turns import turns
from .mamba_ssm_scan import scan_with_mamba_ssm
from .naive_scan import ScanInputs
from .numba_elementwise import add_and_normalize, quick_gelu
from .numba_mixer import convolve as convolve_on_cpu
from .numba_mixer import scan_both_ways as scan_both_ways_on_cpu
from .numba_scan import scan_with_numba
from .one_row_linear import OneRowProducts
from .prefill import prefill
from .triton_frame_scoring import score_frames
from .triton_image_encoder import run_image_layers
from .triton_mixer import convolve as convolve_with_triton
from .triton_mixer import scan_both_ways as scan_both_ways_with_triton
from .triton_scan import scan_with_triton


class MixerKernels(NamedTuple):
    """
    Args:
        convolve (`Callable`): as in `numba_mixer.py`.
        scan_both_ways (`Callable`): likewise.
    """

    convolve: Callable[..., torch.Tensor]
    scan_both_ways: Callable[[ScanInputs, ScanInputs, torch.Tensor], torch.Tensor]

    def mix(self, mixer: Any, hidden_states: torch.Tensor) -> torch.Tensor:
        """What stands between the first and the last projection of a VideoMamba mixer: (S, L, h) -> (S, L, E)."""
        x, gate = mixer.in_proj(hidden_states).chunk(2, dim=-1)  # (S, L, E) each
        sizes = [mixer.config.time_step_rank, mixer.config.state_size, mixer.config.state_size]
        directions = []
        for conv1d, x_proj, dt_proj, A_log, D, is_backward in (
            (mixer.conv1d, mixer.x_proj, mixer.dt_proj, mixer.A_log, mixer.D, False),
            (mixer.conv1d_b, mixer.x_proj_b, mixer.dt_proj_b, mixer.A_b_log, mixer.D_b, True),
        ):
            convolved = self.convolve(x, conv1d.weight, conv1d.bias, is_backward)
            dt, B, C = x_proj(convolved).split(sizes, dim=-1)
            B, C = B.unsqueeze(1), C.unsqueeze(1)  # (S, 1, L, N)
            directions.append(ScanInputs(convolved, dt_proj(dt), -torch.exp(A_log.float()), B, C, D))
        forward, backward = directions
        return self.scan_both_ways(forward, backward, gate)


class FastPaths:
    """By the place in `dispatch.py` where they are used: first the condition, then what it allows."""

    # the language model
    may_replay_graphs = staticmethod(may_replay_graphs)
    may_replay_prefill = staticmethod(may_replay_prefill)
    weights_for_decode_step = staticmethod(weights_for_decode_step)
    decode_step = staticmethod(decode_step)
    needs_last_token_only = staticmethod(needs_last_token_only)
    may_prefill = staticmethod(may_prefill)
    prefill = staticmethod(prefill)
    # a linear layer of a single token
    gains_from_row_products = staticmethod(gains_from_row_products)
    OneRowProducts = OneRowProducts
    # VideoMamba's mixer
    mixer_implementation = staticmethod(mixer_implementation)
    mixers: ClassVar = {
        "numba": MixerKernels(convolve_on_cpu, scan_both_ways_on_cpu),
        "triton": MixerKernels(convolve_with_triton, scan_both_ways_with_triton),
    }
    # the selective scan
    fastest_scan = staticmethod(fastest_scan)
    check_scan = staticmethod(check_scan)
    scans: ClassVar = {"numba": scan_with_numba, "triton": scan_with_triton, "mamba_ssm": scan_with_mamba_ssm}
    # VideoMamba's norm
    may_normalize = staticmethod(may_normalize)
    add_and_normalize = staticmethod(add_and_normalize)
    # CLIP's activation
    may_activate = staticmethod(may_activate)
    quick_gelu = staticmethod(quick_gelu)
    # CLIP's layers
    may_run_image_layers = staticmethod(may_run_image_layers)
    run_image_layers = staticmethod(run_image_layers)
    # frame scoring
    may_score_frames = staticmethod(may_score_frames)
    score_frames = staticmethod(score_frames)
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
