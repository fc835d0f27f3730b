# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`mvgpt frames`: pictures and lists of the frames that a model of each family looks at."""

import sys

import pytest
from PIL import Image
from typer.testing import CliRunner

from tiny_trained import MOBILEVLM, PICTURE_SEEDS, TINYLLAVA, picture
from transformers_mvgpt.cli import frames as command
from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CLIP


@pytest.fixture
def run_frames(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments):
        return CliRunner().invoke(app, ["frames", *map(str, arguments), "--device", "cpu"])

    return run


def refused(result, message):
    error = result.stderr.splitlines()[-1]
    assert result.exit_code != 0 and result.stdout == ""
    assert message in error, error


def test_picture(run_frames, tmp_path):
    path = tmp_path / "frames.png"
    result = run_frames(CLIP, "-o", path)
    assert (result.exit_code, result.stdout) == (0, f"{path}: 8 of 16 frames chosen by their scores\n")
    assert "the package's small one" in result.stderr
    assert Image.open(path).size[0] == 1660
    before = path.read_bytes()
    refused(run_frames(CLIP, "-o", path), f"{path} is there already: choose another file, or let it be replaced")
    assert path.read_bytes() == before
    result = run_frames(CLIP, "-o", path, "--overwrite", "--theme", "dark", "--frame-selection", "uniform")
    assert result.stdout == f"{path}: 8 of 16 frames chosen at even distances\n"
    assert Image.open(path).convert("RGB").getpixel((2, 2)) == (13, 17, 23)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("suffix", "begin"), [(".svg", b"<?xml"), (".PDF", b"%PDF")])
def test_formats(run_frames, tmp_path, suffix, begin):
    """Of an image too, with the family that takes images alone."""
    picture(PICTURE_SEEDS[0]).save(tmp_path / "picture.png")
    path = tmp_path / f"frames{suffix}"
    result = run_frames(tmp_path / "picture.png", "-o", path, "-m", MOBILEVLM)
    assert (result.exit_code, result.stdout) == (0, f"{path}: 1 frame\n")
    assert path.read_bytes().startswith(begin)


def test_list(run_frames):
    result = run_frames(CLIP, "--start-seconds", "0:02", "--end-seconds", "4", "--frame-selection", "rarest")
    title, *lines = result.stdout.splitlines()
    assert title == "8 of 16 frames chosen by the lowest scores"
    assert lines[0].split()[:5] == ["frame", "24", "2.00", "s", "score"]
    assert max(map(len, lines)) <= 40 and len({line.index("score") for line in lines}) == 1
    assert len(lines) == 16 and sum(line.endswith("  chosen") for line in lines) == 8
    result = run_frames(CLIP, "-m", TINYLLAVA)
    title, *lines = result.stdout.splitlines()
    assert title == f"{len(lines)} frames, all of them seen"
    assert lines[1].split() == ["frame", "16", "1.33", "s"]


def test_refused_before_anything_is_loaded(run_frames, tmp_path, monkeypatch):
    def load(*args, **kwargs):
        pytest.fail("the model was loaded")

    monkeypatch.setattr("transformers_mvgpt.evaluation.pipeline_loading.load_pipeline", load)
    refused(
        run_frames(CLIP, "-o", "frames.gif"),
        "`--out` (frames.gif) must end in .png, .svg, .pdf, .jpg, .jpeg or .webp.",
    )
    refused(
        run_frames(CLIP, "-o", tmp_path / "no" / "frames.png"), f"There is no folder {tmp_path / 'no'} for frames.png"
    )
    refused(run_frames("no.mp4", "-o", tmp_path / "frames.png"), "There is no video at 'no.mp4'")
    refused(run_frames(CLIP, "-m", TINYLLAVA, "--frame-selection", "rarest"), "TinyLLaVA-Video selects no frames")
    refused(run_frames(CLIP, "--frame-selection", "best"), "'best' is not one of 'scores', 'uniform', 'rarest'")
    refused(run_frames(CLIP, "-m", MOBILEVLM), "MobileVLM takes images, no videos")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(command, "_frames", load)
    refused(run_frames(CLIP, "-o", "frames.png"), "needs matplotlib: pip install 'transformers-mvgpt[plots]'.")


@pytest.mark.parametrize("command", ["frames", "ask"])
def test_an_option_of_mobile_videogpt(run_frames, command):
    arguments = [command, str(CLIP), *(["What?"] if command == "ask" else []), "-m", str(TINYLLAVA)]
    result = CliRunner().invoke(app, [*arguments, "--frame-selection", "uniform"])
    refused(
        result, "TinyLLaVA-Video selects no frames, it looks at all that it is given: leave `--frame-selection` out."
    )
