# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The most memory that this process ever had. Nothing here loads more than the standard library."""

import sys
from pathlib import Path


def peak_bytes() -> int:
    """
    Of this process since its program began. Where the system tells no more than the most of the process, what the process
    was before it became this program counts too.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text("utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
