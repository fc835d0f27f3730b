# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest

from transformers_mvgpt import UntrustedInput
from transformers_mvgpt.cli.limits import parse_limits


def test_limits_of_all_kinds_are_parsed():
    given = ["max_redirects=0", "max-download-bytes=2_000", "max_aspect_ratio=1e3", "allow_private_addresses=true"]
    assert parse_limits([*given, "media_folder=/a=b"]) == UntrustedInput(
        max_redirects=0,
        max_download_bytes=2000,
        max_aspect_ratio=1000,
        allow_private_addresses=True,
        media_folder="/a=b",
    )
    assert parse_limits(None) == UntrustedInput()


@pytest.mark.parametrize(
    "limit, error",
    [
        ("max_redirects", r"`--limit max_redirects` must be NAME=VALUE, where NAME is one of max_pixels_per_frame, "),
        ("max_frames=3", "`--limit max_frames=3` must be NAME=VALUE"),
        ("max_redirects=many", "`--limit max_redirects=many`: the value must be a whole number"),
        ("max_aspect_ratio=wide", "the value must be a number"),
        ("allow_private_addresses=maybe", "the value must be true or false"),
        ("max_download_bytes=0", r"`max_download_bytes` \(0\) must be at least 1"),
    ],
)
def test_limits_that_are_none(limit, error):
    with pytest.raises(ValueError, match=error):
        parse_limits([limit])
