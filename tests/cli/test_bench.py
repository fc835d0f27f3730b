# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
import json
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from train_demo.small_model import make_config, make_processor
from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.evaluation.choices import PUBLISHED_SIZES


NUM_QUANTIZED = 4 * (4 * 128**2 + 3 * 128 * 384)  # weights of the linear layers of the language model


def run(*arguments):
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


def test_figures_are_printed_and_kept(tmp_path):
    options = ["--device", "cpu", "--runs", 1, "--tokens", 3, "--batch-sizes", "1,2"]
    result = run(CHECKPOINT, *options, "--out", tmp_path / "small.json")
    assert result.exit_code == 0, result.stderr
    kept = json.loads((tmp_path / "small.json").read_text("utf-8"))
    assert kept["machine"]["dtype"] == "float32"
    assert kept["runs"] == 1
    assert kept["quantization"] is None
    assert kept["num_parameters"] == 1_795_008
    assert (kept["baselines"], kept["left_out"]) == ({}, {})
    rows = [line.split(" | ")[0].removeprefix("| ") for line in result.stdout.splitlines()[2:]]
    assert rows[: rows.index("")] == [part["part"] for part in kept["parts"]]
    assert [batch["batch_size"] for batch in kept["batches"]] == [1, 2]
    assert rows[-2:] == ["1", "2"]
    assert (tmp_path / "small.png").exists()


def test_quantized_model(tmp_path):
    pytest.importorskip("numba", reason="numba is not installed")
    options = ["--device", "cpu", "--runs", 1, "--tokens", 2, "--quantization", "int4"]
    result = run(CHECKPOINT, *options, "--out", tmp_path / "small.json")
    assert result.exit_code == 0, result.stderr
    kept = json.loads((tmp_path / "small.json").read_text("utf-8"))
    assert kept["quantization"] == "int4"
    assert kept["num_parameters"] == 1_795_008
    # the prefill's arithmetic is that of the whole weights; of a decode step, fewer bytes are read
    rooflines = {part["part"]: part["roofline_seconds"] for part in kept["parts"]}
    flops = rooflines["prefill"] * kept["limits"]["flops_per_second"]
    assert flops > 2 * kept["num_prompt_tokens"] * NUM_QUANTIZED
    num_bytes = rooflines["decode step"] * kept["limits"]["bytes_per_second"]
    assert NUM_QUANTIZED / 2 < num_bytes < 4 * NUM_QUANTIZED


@pytest.mark.parametrize("name", ["small.json", "small.png"])
def test_figures_are_not_replaced_unasked(tmp_path, name):
    (tmp_path / name).write_text("mine")
    result = run(CHECKPOINT, "--out", tmp_path / "small.json")
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: {tmp_path / name} is there already: choose another file, or let it be replaced (`--overwrite`).\n"
    )
    assert (tmp_path / name).read_text() == "mine"


def test_a_size_without_weights(monkeypatch):
    """Its placeholders are not those of the tokenizer at hand."""
    config = make_config(make_processor().tokenizer)
    config.image_token_id, config.video_token_id = 151655, 151656
    monkeypatch.setattr("transformers_mvgpt.evaluation.random_models.published_size", lambda name: config)
    result = run("0.5b", "--device", "cpu", "--runs", 1, "--tokens", 2)
    assert result.exit_code == 0, result.stderr
    assert "| second question |" in result.stdout


def test_bad_options_are_refused_before_anything_is_built():
    result = run(CHECKPOINT, "--dtype", "int8")
    assert result.exit_code == 1
    assert result.stderr == "Error: `--dtype` (int8) must be float32, bfloat16 or float16.\n"
    result = run(CHECKPOINT, "--compare", "gpt")
    assert result.exit_code == 1
    assert "no model 'gpt' to compare with" in result.stderr
    result = run(CHECKPOINT, "--quantization", "int2")
    assert result.exit_code == 1
    assert result.stderr == "Error: `quantization` (int2) must be int8 or int4.\n"


def test_a_model_of_images_sees_no_video():
    for option in (["--compare", "smolvlm2-500m"], ["--video", "clip.mp4"]):
        result = run("mobilevlm-v2-3b", *option)
        assert result.exit_code == 1
        assert re.fullmatch(r"Error: `--(compare|video)` .*MobileVLM.*\.\n", result.stderr)


def test_help_names_all_sizes():
    text = re.sub(r"[\s│]+", " ", run("--help").stdout)
    assert all(size in text for size in PUBLISHED_SIZES)


@pytest.mark.parametrize("sizes", ["0", "1,", "1;2", "-1", "eight"])
def test_bad_batch_sizes_are_refused(sizes):
    result = run(CHECKPOINT, f"--batch-sizes={sizes}")
    assert result.exit_code == 1
    message = f"`--batch-sizes` ({sizes}) must be positive numbers with commas between them: 1,8,32"
    assert result.stderr == f"Error: {message}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dtype", "nope"], "`--dtype` (nope) must be float32, bfloat16 or float16."),
        (["--compare", "smolvlm2-500m,gpt"], "There is no model 'gpt' to compare with"),
        (["--quantization", "int2"], "`quantization` (int2) must be int8 or int4."),
        (["--batch-sizes", "0"], "`--batch-sizes` (0) must be positive numbers"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_wrong_choice_is_said_before_torch_is_loaded(arguments, message):
    script = "import sys; from mvgpt_command import main\ntry: main()\nfinally: print('torch' in sys.modules)"
    process = subprocess.run(
        [sys.executable, "-c", script, "bench", "0.5b", *arguments], capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 1
    assert process.stderr.startswith(f"Error: {message}")
    assert process.stdout == "False\n"


def test_baselines_are_kept_as_they_are_measured(monkeypatch, tmp_path):
    out = tmp_path / "small.json"

    def measure(names, model, processor, video, **options):
        assert (names, options["runs"], options["compiled"]) == (["smolvlm2-256m", "fastvlm-0.5b"], 1, True)
        yield "smolvlm2-256m", {"smolvlm2-256m": {"seconds": 1.0, "our_seconds": 0.5}}
        assert json.loads(out.read_text("utf-8"))["baselines"].keys() == {"smolvlm2-256m"}
        yield "fastvlm-0.5b", "'fastvlm-0.5b' needs timm"

    parts = [{"part": "first token", "seconds": 1.0, "roofline_seconds": None, "ratio": None}]
    monkeypatch.setattr("transformers_mvgpt.evaluation.speed.measure_speed", lambda *_, **__: {"parts": parts})
    monkeypatch.setattr("transformers_mvgpt.evaluation.baselines.measure_baselines", measure)
    options = ["--device", "cpu", "--runs", 1, "--tokens", 2, "--compare", "smolvlm2-256m,fastvlm-0.5b"]
    result = run(CHECKPOINT, *options, "--compare-compiled", "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "| smolvlm2-256m | 1000 | 0.50 |" in result.stdout
    assert result.stdout.endswith("\nNot measured: 'fastvlm-0.5b' needs timm\n")
    assert json.loads(out.read_text("utf-8"))["left_out"] == {"fastvlm-0.5b": "'fastvlm-0.5b' needs timm"}


def test_a_run_goes_on_with_its_file(monkeypatch, tmp_path):
    out, measured = tmp_path / "small.json", []

    def measure(names, *args, **options):
        for name in names:
            measured.append(name)
            yield name, {name: {"seconds": 1.0, "our_seconds": 0.5}}

    parts = [{"part": "first token", "seconds": 1.0, "roofline_seconds": None, "ratio": None}]
    monkeypatch.setattr(
        "transformers_mvgpt.evaluation.speed.measure_speed",
        lambda *_, **__: measured.append("ours") or {"parts": parts},
    )
    monkeypatch.setattr("transformers_mvgpt.evaluation.baselines.measure_baselines", measure)
    options = [CHECKPOINT, "--device", "cpu", "--out", out, "--resume", "--compare"]
    for names in ("smolvlm2-256m", "smolvlm2-256m,lfm2-vl-450m"):
        result = run(*options, names)
        assert result.exit_code == 0, result.stderr
    assert measured == ["ours", "smolvlm2-256m", "lfm2-vl-450m"]
    with monkeypatch.context() as context:  # where nothing is missing, no model is loaded
        context.setattr("transformers.AutoModelForImageTextToText.from_pretrained", lambda *_, **__: pytest.fail())
        assert run(*options, names).stdout == result.stdout
    assert "| smolvlm2-256m | 1000 | 0.50 |" in result.stdout
    result = run(*options, "smolvlm2-256m", "--runs", 2)
    assert result.exit_code == 1
    assert f"{out} has runs 5, and this run 2: choose another file, or leave out `--resume`." in result.stderr
    out.write_text("[]")
    assert "holds no result of `mvgpt bench`" in run(*options, "smolvlm2-256m").stderr
    result = run(CHECKPOINT, "--resume")
    assert result.stderr == "Error: `--resume` goes on with a file: name it with `--out`.\n"
