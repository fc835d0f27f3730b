# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What a model card says of speed and memory: what was measured of a model of this size."""

import json
from pathlib import Path


# made of the results of `mvgpt bench` in the source repository
SPEED_FILE = Path(__file__).with_name("speed.json")


def read_speed(num_parameters: int) -> list[dict[str, str]]:
    """
    Args:
        num_parameters (`int`): of the model, by which its size is known.

    Returns:
        `list[dict[str, str]]`: for each machine `machine`, `first_token`, `decode_step` and `memory`; empty if none measured
        such a model.
    """
    return [
        {
            "machine": record["machine"],
            "first_token": f"{record['first_token_seconds']:.3g} s",
            "decode_step": f"{1000 * record['decode_step_seconds']:.3g} ms",
            "memory": "" if record["peak_memory_bytes"] is None else f"{record['peak_memory_bytes'] / 1e9:.1f} GB",
        }
        for record in json.loads(SPEED_FILE.read_text(encoding="utf-8"))
        if record["num_parameters"] == num_parameters
    ]
