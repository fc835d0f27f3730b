# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The driver of exported models as files beside them, which need nothing of this package installed."""

from ..conversion.code_closure import PACKAGE, import_closure


DRIVER_FILE = "mvgpt_onnx.py"
# Where the driver's code may be: nothing in there needs torch.
_ROOMS = ("video", "processing", "runtime")


def driver_files() -> dict[str, str]:
    """
    Code by the names of its files: the command `mvgpt_onnx.py`, and all that it imports of this package as `mvgpt_onnx_....py`, which names
    no other module is likely to have.
    """
    stem = DRIVER_FILE.removesuffix(".py")
    files = import_closure([PACKAGE / "runtime" / DRIVER_FILE], rooms=_ROOMS, module=f"{stem}_{{}}")
    return {name if name == DRIVER_FILE else f"{stem}_{name}": code for name, code in files.items()}
