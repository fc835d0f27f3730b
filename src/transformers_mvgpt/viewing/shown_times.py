# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Times in a video as people read them, in pictures, lists and lines alike. cli/times.py reads what they write."""


def format_seconds(seconds: float, num_digits: int = 1, *, is_clock: bool = False) -> str:
    """
    `"3.5 s"`, from a minute on `"1:05.0"`, from an hour on `"1:02:03.5"`.

    Args:
        num_digits (`int`): digits behind the point.
        is_clock (`bool`): whether a time below a minute is written likewise, as `"0:03.5"`.
    """
    seconds = round(seconds, num_digits)
    if seconds < 60 and not is_clock:
        return f"{seconds:.{num_digits}f} s"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    clock = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{clock}:{rest:0{num_digits + 3 if num_digits else 2}.{num_digits}f}"
