# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The option `--limit` of commands that read what others made."""

from typing import Annotated

import typer

from ..video.limit_values import parse_limits as parse_limits


LimitOption = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="NAME=VALUE",
        help="Sets a limit on files and addresses, a field of UntrustedInput, as in max_download_bytes=2000000000; may be "
        "repeated.",
    ),
]
