# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""On stderr stands what the commands print, and nothing of other packages, whichever of them are installed."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from typer.main import get_command

from forked_commands import ForkedCommands, wait_for_text
from release_layout import RELEASE_CONFIG, VIDEOMAMBA_FILE, make_language_model, make_release, write_videomamba
from release_layout import write_clip as write_image_encoder
from training_data import make_clips, tiny_recipe
from transformers_mvgpt.cli.main import app
from transformers_mvgpt.demo import CHECKPOINT, CLIP
from transformers_mvgpt.runtime.web_packages import WEB_PACKAGES


DATA = Path(__file__).parents[1] / "data"
QUESTION = "What color is the circle?"
COMPILING = (
    r"numba compiles functions for this CPU, which takes some seconds once: later processes find them on disk\."
)
SMALL_MODEL = r"No --model is named: .*"


def bar(name: str) -> str:
    """Each state of a bar."""
    return rf" *{name}: +\d+%\|.*\| \d+/\d+ \[.*\] *"


# For each command, its arguments in a folder that `material` fills, and what may stand on stderr, line by line.
CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "draw-clips": ("draw-clips drawn --num-questions 3", (bar("Questions"),)),
    "ask": (f"ask {CLIP} '{QUESTION}' -m {CHECKPOINT} --show-frames", (r"frame +\d+ .*", COMPILING)),
    "chat": (f"chat {CLIP} -m {CHECKPOINT} --device cpu", (COMPILING,)),
    "live": (
        f"live {CLIP} '{QUESTION}' -m {CHECKPOINT} --every 5 --as-fast-as-possible --idle-seconds 0.1 --device cpu",
        (COMPILING,),
    ),
    "frames": (f"frames {CLIP} -o frames.png --device cpu", (SMALL_MODEL, COMPILING)),
    "caption": (
        f"caption drawn -m {CHECKPOINT} --prompt '{QUESTION}' --out answers.parquet --workers 1 --device cpu",
        (bar("Answers"), r"Left out: .*", COMPILING),
    ),
    "evaluate": (f"evaluate {CHECKPOINT} drawn/questions.jsonl --device cpu", (bar("Questions"), COMPILING)),
    "bench": (f"bench {DATA}/mobilevlm_tiny --runs 1 --tokens 2 --device cpu", (COMPILING,)),
    "convert": ("convert release converted", (r"(Loading|Writing) .*", bar("Comparing tensors"))),
    "assemble": (
        f"assemble assembled --language-model language --image-encoder images --video-encoder {VIDEOMAMBA_FILE} --config config.json",
        (r"(Loading|Writing) .*", bar("Comparing tensors")),
    ),
    "export-hub": ("export-hub converted exported", (r"(Loading|Writing) .*", bar("Comparing tensors"))),
    "export-onnx": (
        f"export-onnx {DATA}/mobilevlm_tiny onnx",
        (r"Loading .*", bar("Writing and checking ONNX files")),
    ),
    "export-gguf": ("export-gguf converted model.gguf", (r"Loading .*", bar(r"Writing model\.gguf"))),
    "train": ("train recipe.yaml", (r" *\d+%\|.*", r"\d problems with samples: .*")),
    "merge": ("merge trained merged --base-model release", (r"(Loading|Writing) .*", bar("Comparing tensors"))),
    "demo": ("demo --seed 3", (COMPILING,)),
    "serve": (f"serve {CHECKPOINT} --port 0 --device cpu", (r"INFO: +.*", COMPILING)),
    "web --static": ("web --static page --model onnx --vendored packages", ()),
    "web": ("web --port 0 --device cpu", (SMALL_MODEL, COMPILING)),
}


def serve_an_answer(stdout: Path, stderr: Path) -> None:
    port = re.search(r"Uvicorn running on http://127\.0\.0\.1:(\d+)", wait_for_text(stderr, "Uvicorn running"))[1]
    assert httpx.get(f"http://127.0.0.1:{port}/v1/models").status_code == 200


def load_a_page(stdout: Path, stderr: Path) -> None:
    address = re.search(r"The page is at (\S+)\. ", wait_for_text(stdout, "Ctrl+C"))[1]
    assert "gradio" in httpx.get(address).text


STDIN = {"chat": f"{QUESTION}\n"}
# These take 8 s of a processor.
SLOW = ("export-onnx", "web --static")
# What is done while a command runs that ends when it is told to.
DURING: dict[str, Callable[[Path, Path], None]] = {"serve": serve_an_answer, "web": load_a_page}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the commands read."""
    folder = tmp_path_factory.mktemp("quiet")
    release, clips = make_release(folder), make_clips(folder / "clips", num_samples=2)
    assert release == folder / "release"
    recipe = tiny_recipe("instruction", release, clips, folder / "trained", max_steps=1, report_to="tensorboard")
    # more workers than there are processors
    (folder / "recipe.yaml").write_text(recipe.to_yaml().replace("num_workers: 0", "num_workers: 4"))
    for package in WEB_PACKAGES:
        place = folder / "packages" / package.folder_name
        place.mkdir(parents=True)
        (place / "VERSION").write_text(package.version)
        for name in package.files:
            (place / Path(name).name).touch()
    make_language_model(folder / "language")
    write_image_encoder(folder / "images")
    write_videomamba(folder / VIDEOMAMBA_FILE)
    names = "video_config num_frames frames_per_chunk num_selected_frames image_grid_size video_grid_size".split()
    (folder / "config.json").write_text(json.dumps({name: RELEASE_CONFIG[name] for name in names}))
    return folder


@pytest.fixture(scope="module")
def commands(material: Path) -> Iterator[ForkedCommands]:
    running = ForkedCommands(material)
    yield running
    running.close()


def test_every_command_has_a_case():
    assert set(get_command(app).commands) == {name.partition(" ")[0] for name in CASES}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in CASES]
)
def test_stderr_holds_what_we_print(commands: ForkedCommands, name: str):
    """In the order of the cases: some read what those before them have written."""
    line, allowed = CASES[name]
    result = commands.run(shlex.split(line), STDIN.get(name, ""), DURING.get(name))
    if name not in DURING:
        assert result.exit_code == 0, result.stderr
        assert result.stdout
    parts = re.split(r"[\r\n]+", result.stderr)
    assert [part for part in parts if part.strip() and not any(re.fullmatch(known, part) for known in allowed)] == []
    assert commands.start_messages() == ""
