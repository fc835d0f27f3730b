# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Times in a video, as people write them: 65, 65.5, 1:05 or 1:02:03.5."""

import math
import re
from typing import Annotated

import typer

from ..video.limits import shorten


_TIME = re.compile(r"(?:(?:(?P<hours>[0-9]+):)?(?P<minutes>[0-9]+):)?(?P<seconds>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")


def parse_time(text: str) -> float:
    """
    Seconds from the beginning: of `"65"`, `"65.5"`, `"1:05"` (65.0) or `"1:02:03.5"` (3723.5).

    Raises:
        ValueError: if it is no such time; says what is understood.
    """
    found = _TIME.fullmatch(text.strip())
    if found is not None:
        hours, minutes, seconds = int(found["hours"] or 0), int(found["minutes"] or 0), float(found["seconds"])
        is_below_60 = (found["minutes"] is None or seconds < 60) and (found["hours"] is None or minutes < 60)
        # of very many digits, no number is left
        if is_below_60 and math.isfinite(seconds) and max(hours, minutes) < 10**9:
            return 3600 * hours + 60 * minutes + seconds
    raise ValueError(
        f"'{shorten(text)}' is no time: write seconds (65, 65.5), minutes and seconds (1:05), or hours too (1:02:03.5)."
    )


def _parse_option(text: str) -> float:
    try:
        return parse_time(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


StartSecondsOption = Annotated[
    float | None,
    typer.Option(
        parser=_parse_option, metavar="TIME", help="Start of the segment to look at: 65, 65.5, 1:05 or 1:02:03.5."
    ),
]
EndSecondsOption = Annotated[
    float | None, typer.Option(parser=_parse_option, metavar="TIME", help="End of the segment to look at, likewise.")
]


def check_segment(start_seconds: float | None, end_seconds: float | None) -> None:
    """
    Raises:
        typer.BadParameter: if it ends before it starts.
    """
    if start_seconds is not None and end_seconds is not None and start_seconds >= end_seconds:
        raise typer.BadParameter(
            f"the end ({end_seconds:g} s) is not after the start ({start_seconds:g} s, --start-seconds).",
            param_hint="'--end-seconds'",
        )
