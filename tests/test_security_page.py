# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""SECURITY.md says of limits and commands what is so."""

import re
from dataclasses import fields
from pathlib import Path

import typer

from transformers_mvgpt import UntrustedInput
from transformers_mvgpt.cli.main import app


PAGE = (Path(__file__).parents[1] / "SECURITY.md").read_text("utf-8")
DEFAULTS = UntrustedInput()


def rows_of(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its header."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_limit_is_named_with_its_default():
    stated = {name: value for names, value in rows_of("The limits") for name in re.findall(r"`(\w+)`", names)}
    assert list(stated) == [field.name for field in fields(UntrustedInput)]
    assert stated["max_pixels_per_frame"].startswith(f"{DEFAULTS.max_pixels_per_frame:,} ")
    assert stated["max_aspect_ratio"] == f"{DEFAULTS.max_aspect_ratio:g}"
    assert stated["max_decoded_bytes"].startswith(f"{DEFAULTS.max_decoded_bytes // 1024**2} MiB ")
    assert stated["max_redirects"] == (
        f"{DEFAULTS.max_download_bytes // 1024**2} MiB, {DEFAULTS.max_download_seconds:g} s, {DEFAULTS.max_redirects}"
    )
    assert stated["allow_private_addresses"] == "no" and not DEFAULTS.allow_private_addresses
    assert stated["media_folder"].startswith("none") and DEFAULTS.media_folder is None


def test_every_command_is_named():
    stated = [
        name for row in rows_of("What the commands read and write") for name in re.findall(r"`([\w-]+)`", row[0])
    ]
    assert sorted(stated) == sorted(typer.main.get_command(app).commands)
