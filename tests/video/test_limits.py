# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import pytest

from transformers_mvgpt import UntrustedInput
from transformers_mvgpt.video.limits import shorten


@pytest.mark.parametrize("size", [(7680, 4320), (8192, 6144), (6000, 60), (60, 6000), (1, 1)])
def test_usual_sizes_are_taken(size):
    UntrustedInput().check_size("The video 'a.mp4'", *size)


def test_a_size_above_a_limit_is_named_with_it():
    with pytest.raises(
        ValueError, match=r"The video 'a\.mp4' is 8000x8000, 64,000,000 pixels; at most 50,331,648 are taken"
    ):
        UntrustedInput().check_size("The video 'a.mp4'", 8000, 8000)
    with pytest.raises(ValueError, match=r"is 8000x1: one side may be at most 100 times the other"):
        UntrustedInput().check_size("The video 'a.mkv'", 8000, 1)
    UntrustedInput(max_aspect_ratio=8000).check_size("The video 'a.mkv'", 8000, 1)
    UntrustedInput(max_pixels_per_frame=64_000_000).check_size("The video 'a.mp4'", 8000, 8000)


@pytest.mark.parametrize(
    "name", ["max_pixels_per_frame", "max_aspect_ratio", "max_decoded_bytes", "max_download_seconds"]
)
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_must_be_positive(name, value):
    with pytest.raises(ValueError, match=rf"`{name}` \({value}\) must be at least 1"):
        UntrustedInput(**{name: value})


def test_redirects_may_be_forbidden():
    assert UntrustedInput(max_redirects=0).max_redirects == 0


def test_names_in_messages_are_short_and_on_one_line():
    assert shorten("clip.mp4") == "clip.mp4"
    assert shorten(["a"]) == "['a']"
    assert (
        shorten("a\nb\x1b[2Jc\x00")
        == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[2Jc\N{REPLACEMENT CHARACTER}"
    )
    long = shorten("start" + "x" * 10_000 + "end.mp4")
    assert len(long) <= 200 and long.startswith("start") and long.endswith("end.mp4")
