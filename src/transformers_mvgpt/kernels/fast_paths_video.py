# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
All that can stand in for the plain code of VideoMamba and frame scoring: `dispatch_video.py` takes it from here and from nowhere
else, as `dispatch.py` from `fast_paths.py`.
"""

from typing import ClassVar

from .gates_video_encoder import (
    check_scan,
    fastest_scan,
    may_normalize,
    may_project_patches,
    may_run_video_layers,
    may_score_frames,
    mixer_implementation,
    weights_for_video_layers,
)
from .mamba_ssm_scan import scan_with_mamba_ssm
from .numba_elementwise import add_and_normalize
from .numba_mixer import mix as mix_on_cpu
from .numba_scan import scan_with_numba
from .triton_frame_scoring import score_frames
from .triton_mixer import mix as mix_with_triton
from .triton_scan import scan_with_triton
from .video_layers import project_patches, run_video_layers


class FastVideoPaths:
    """By the place in `dispatch_video.py` where they are used: first the condition, then what it allows."""

    # VideoMamba's mixer
    mixer_implementation = staticmethod(mixer_implementation)
    mixers: ClassVar = {"numba": mix_on_cpu, "triton": mix_with_triton}
    # its patches and its layers
    may_project_patches = staticmethod(may_project_patches)
    project_patches = staticmethod(project_patches)
    may_run_video_layers = staticmethod(may_run_video_layers)
    weights_for_video_layers = staticmethod(weights_for_video_layers)
    run_video_layers = staticmethod(run_video_layers)
    # the selective scan
    fastest_scan = staticmethod(fastest_scan)
    check_scan = staticmethod(check_scan)
    scans: ClassVar = {"numba": scan_with_numba, "triton": scan_with_triton, "mamba_ssm": scan_with_mamba_ssm}
    # VideoMamba's norm
    may_normalize = staticmethod(may_normalize)
    add_and_normalize = staticmethod(add_and_normalize)
    # frame scoring
    may_score_frames = staticmethod(may_score_frames)
    score_frames = staticmethod(score_frames)


fast: type[FastVideoPaths] | None = FastVideoPaths
