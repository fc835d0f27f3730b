# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest

from transformers_mvgpt.kernels import triton_elementwise, triton_frame_scoring
from triton_process import needs_triton, run_tests


FILES = [
    "interpreted_elementwise.py",
    "interpreted_prefill.py",
    "interpreted_frame_scoring.py",
    "interpreted_image_encoder.py",
]


@needs_triton
def test_kernels_in_the_interpreter():
    run_tests(FILES, TRITON_INTERPRET="1")


@pytest.mark.needs_cuda
def test_kernels_on_the_gpu():
    assert "skipped" not in run_tests(FILES, TRITON_INTERPRET="0")


CONSTANTS = {"W": 896, "K": 1024, "HAS_UPDATE": True, "IS_LAYER_NORM": False}
CONSTANTS |= {"H": 14, "G": 2, "D": 64, "H_BLOCK": 16, "G_BLOCK": 2, "HALF": 32}
OF_SCORING = {"D": 768, "M": 25, "M_BLOCK": 32, "T": 64, "K": 64, "COLUMNS": 128, "P": 256}
IN_FLOAT32 = {"attention", "largest", "sums", "received", "scores"}


@needs_triton
@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("name", ["normalize", "silu_times", "quick_gelu", "rotate", "tile", "column", "frame"])
def test_kernels_compile_for_nvidia_gpus(name, dtype):
    """Which takes no GPU."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    is_scoring = name in ("tile", "column", "frame")
    kernel = getattr(triton_frame_scoring if is_scoring else triton_elementwise, f"_{name}_kernel")
    constants = OF_SCORING if is_scoring else CONSTANTS
    constants = {key: value for key, value in constants.items() if key in kernel.arg_names}
    signature = {key: "constexpr" if key in constants else "i32" for key in kernel.arg_names}
    for key in kernel.arg_names:
        if key.endswith("_pointer"):
            signature[key] = "*fp32" if key.removesuffix("_pointer") in IN_FLOAT32 else f"*{dtype}"
        elif key in ("epsilon", "scale"):
            signature[key] = "fp32"
    places = {(kernel.arg_names.index(key),): value for key, value in constants.items()}
    for capability in (80, 90):
        compiled = triton.compile(
            ASTSource(kernel, signature, places), target=GPUTarget("cuda", capability, 32), options={"num_warps": 4}
        )
        assert compiled.asm["cubin"]
