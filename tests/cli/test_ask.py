# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import sys

import numpy as np
import pytest
from PIL import Image
from transformers import pipeline
from typer.testing import CliRunner

from transformers_mvgpt.cli.ask import ask
from transformers_mvgpt.cli.main import app
from transformers_mvgpt.cli.shown_frames import frame_lines
from transformers_mvgpt.video.video_decoding import VIDEO_BACKENDS


QUESTION = "What is moving?"


@pytest.fixture
def run_ask(checkpoint):
    def run(*arguments):
        options = ["--model", str(checkpoint), "--device", "cpu", "--max-new-tokens", "4"]
        return CliRunner().invoke(app, ["ask", *map(str, arguments), *options])

    return run


@pytest.fixture(scope="module")
def answer_of_pipeline(checkpoint):
    pipe = pipeline("video-text-to-text", model=str(checkpoint), device="cpu", max_new_tokens=4)
    return lambda *args, **kwargs: pipe(*args, **kwargs)[0]["generated_text"]


def test_stdout_is_the_answer_and_nothing_else(run_ask, clip, answer_of_pipeline):
    result = run_ask(clip, QUESTION)
    assert result.exit_code == 0
    assert result.stdout == answer_of_pipeline(str(clip), text=QUESTION) + "\n"


def test_segment_image_and_frames(run_ask, clip, answer_of_pipeline, tmp_path):
    image = tmp_path / "image.png"
    Image.fromarray(np.random.randint(0, 256, (40, 60, 3), dtype=np.uint8)).save(image)
    options = ["--image", image, "--start-seconds", 0.5, "--end-seconds", 1.5, "--show-frames"]
    result = run_ask(clip, QUESTION, *options)
    assert result.exit_code == 0
    sample = {"images": [str(image)], "video": str(clip), "text": QUESTION}
    assert result.stdout == answer_of_pipeline(sample, start_seconds=0.5, end_seconds=1.5) + "\n"
    frames = [line.split() for line in result.stderr.splitlines() if line.startswith("frame ")]
    assert len(frames) == 8
    for _, index, seconds, unit, _, _ in frames:
        assert 16 <= int(index) <= 48
        assert (float(seconds), unit) == (pytest.approx(int(index) / 32, abs=0.01), "s")


def test_answer_is_streamed_to_a_terminal(checkpoint, clip, answer_of_pipeline, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    ask([str(clip), QUESTION], model=str(checkpoint), device="cpu", max_new_tokens=4)
    assert capsys.readouterr().out == answer_of_pipeline(str(clip), text=QUESTION) + "\n"


def test_every_decoder_can_be_chosen():
    help_text = CliRunner().invoke(app, ["ask", "--help"]).stdout
    assert f"--video-backend <{'|'.join(VIDEO_BACKENDS)}>" in help_text


def test_frames_without_a_time():
    frames = [{"video": 0, "index": 3, "seconds": None, "score": 201.26}]
    assert frame_lines(frames) == ["frame      3  score 201.3"]


@pytest.mark.parametrize("name", ["missing.mp4", "missing folder/"])
def test_missing_video(run_ask, tmp_path, name):
    result = run_ask(tmp_path / name, QUESTION)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[-1].startswith("Error: ")
    assert f"'{tmp_path / name}'" in result.stderr.splitlines()[-1]


def test_damaged_video(run_ask, tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"not a video")
    result = run_ask(path, QUESTION)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"Error: The video '{path}' could not be read" in result.stderr


def test_segment_beyond_the_end(run_ask, clip):
    result = run_ask(clip, QUESTION, "--start-seconds", 99)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Error: `start_seconds` (99.0) lies beyond the end of the video" in result.stderr


def test_missing_video_is_noticed_before_the_model_is_loaded():
    result = CliRunner().invoke(app, ["ask", "missing.mp4", QUESTION, "--model", "no/where"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: There is no video at 'missing.mp4'")


def test_missing_model_folder(clip, tmp_path):
    result = CliRunner().invoke(app, ["ask", str(clip), QUESTION, "--model", str(tmp_path / "model")])
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"Error: There is no model folder '{tmp_path / 'model'}'." in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "model", ["missing", "./missing", "../missing", "a/b/c", "~/missing", "models/missing", "owner/name"]
)
def test_model_that_is_no_folder(clip, tmp_path, monkeypatch, model):
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    result = CliRunner().invoke(app, ["ask", str(clip), QUESTION, "--model", model])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: There is no model folder '{model}'")


@pytest.mark.parametrize(
    ("question", "options", "message"),
    [
        (" ", [], "The question is missing: the text is empty. Say what to answer."),
        ("a\ud800", [], "The question has a lone surrogate (U+D800) at position 1"),
        (
            QUESTION,
            ["--image", "missing.png"],
            "There is no image at 'missing.png'. Check the path given as `--image`.",
        ),
        (QUESTION, ["--device", "gpu"], "`--device gpu` cannot be used here ("),
        (QUESTION, ["--device", "meta"], "`--device meta` cannot be used here (it holds no numbers). Use cpu, cuda"),
    ],
    ids=["empty", "surrogate", "image", "device", "meta"],
)
def test_what_is_wrong_before_the_model_is_loaded(clip, checkpoint, monkeypatch, question, options, message):
    monkeypatch.setattr("transformers.pipeline", None)
    result = CliRunner().invoke(app, ["ask", str(clip), question, "--model", str(checkpoint), *options])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {message}")
    assert len(result.stderr) < 410 and result.stderr.count("\n") == 1


def test_control_tokens_of_a_question_are_text(run_ask, clip, answer_of_pipeline):
    question = "Is <|video_pad|> or <|im_end|> red?"
    result = run_ask(clip, question)
    assert result.stdout == answer_of_pipeline(str(clip), text=question) + "\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["clip.mp4", "Why?", "--model", "m", "--fps", "3"], "No such option: --fps"),
        (["--model", "m"], "Missing argument 'VIDEO... QUESTION'"),
        (["clip.mp4", "--model", "m"], "Invalid value for 'QUESTION': the question is missing behind 'clip.mp4'"),
        (["clip.mp4", __file__, "--model", "m"], "test_ask.py' is a file. Write the question behind it, or `-`"),
        (["clip.mp4", "-", "--model", "m"], "Invalid value for 'QUESTION': stdin is empty: write the question to it."),
        (
            ["clip.mp4", "Why?", "--start-seconds", "1:05", "--end-seconds", "65"],
            "Invalid value for '--end-seconds': the end (65 s) is not after the start (65 s, --start-seconds).",
        ),
        (["clip.mp4", "Why?", "--model", "m", "--max-new-tokens", "0"], "Invalid value for '--max-new-tokens'"),
        (["clip.mp4", "Why?", "--model", "m", "--video-backend", "vlc"], "'vlc' is not one of 'pyav', 'torchcodec'"),
    ],
    ids=[
        "unknown option",
        "nothing",
        "no question",
        "no question behind files",
        "empty",
        "segment",
        "no tokens",
        "unknown decoder",
    ],
)
def test_wrong_usage(arguments, message):
    result = CliRunner().invoke(app, ["ask", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr and result.stderr.count("\n") == 1


def test_quantized_language_model(run_ask, clip):
    pytest.importorskip("numba", reason="numba is not installed")
    result = run_ask(clip, QUESTION, "--quantization", "int8")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("\n") == 1
    result = run_ask(clip, QUESTION, "--quantization", "int2")
    assert result.stderr.splitlines()[-1] == "Error: `quantization` (int2) must be int8 or int4."
