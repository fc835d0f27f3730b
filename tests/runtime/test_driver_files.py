# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The driver beside the exported files runs where nothing but five packages is installed."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from transformers_mvgpt.demo import CLIP
from transformers_mvgpt.runtime.driver_files import driver_files


# What the driver's users install, and what these packages need themselves to be imported.
PACKAGES = ("onnxruntime", "numpy", "av", "tokenizers", "jinja2")
NEEDED = ("markupsafe", "flatbuffers", "protobuf", "packaging", "huggingface_hub")
QUESTION = "What shape is it?"
REPORT = """
import runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    for name in ("torch", "transformers", "transformers_mvgpt", "PIL"):
        try:
            __import__(name)
        except ImportError:
            print(f"no {name}", file=sys.stderr)
"""


@pytest.fixture(scope="module")
def site_packages(tmp_path_factory):
    """A folder with these packages alone, as links."""
    folder = tmp_path_factory.mktemp("site")
    for package in (*PACKAGES, *NEEDED):
        for file in importlib.metadata.files(package) or ():
            top = file.parts[0]
            target = folder / top
            if top not in ("..", "__pycache__") and not os.path.lexists(target):
                target.symlink_to(
                    Path(file.locate()).parents[len(file.parts) - 2] if len(file.parts) > 1 else file.locate()
                )
    return folder


@pytest.fixture(scope="module")
def device_folder(exported_folder, tmp_path_factory):
    """The exported folder as it is copied to a device."""
    return Path(shutil.copytree(exported_folder("mobile_videogpt"), tmp_path_factory.mktemp("device") / "model"))


def run(site_packages: Path, *arguments: object) -> subprocess.CompletedProcess:
    """Python without any site packages but these."""
    command = [sys.executable, "-S", "-s", "-c", REPORT, *map(str, arguments)]
    environment = {"PYTHONPATH": str(site_packages), "PATH": os.environ["PATH"]}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, cwd=site_packages)


def test_answers_where_nothing_of_ours_is_installed(site_packages, device_folder):
    result = run(site_packages, device_folder / "mvgpt_onnx.py", CLIP, QUESTION, "What color is it?", "--show-frames")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[0] == "triangle"
    assert len(result.stdout.splitlines()) == 2
    lines = result.stderr.splitlines()
    assert lines[-4:] == ["no torch", "no transformers", "no transformers_mvgpt", "no PIL"]
    assert len(lines) == 12 and all(re.fullmatch(r"frame +\d+ +[\d.]+ s  score [\d.]+", line) for line in lines[:8])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([CLIP], 2, "the following arguments are required: QUESTION"),
        ([CLIP, QUESTION, "--precision", "int3"], 2, "invalid choice: 'int3'"),
        ([CLIP, " "], 1, "Error: The question is missing: the text is empty. Say what to answer."),
        (["none.mp4", QUESTION], 1, "Error: There is no video at 'none.mp4'"),
        ([CLIP, QUESTION, "--start", "99"], 1, r"Error: `start_seconds` (99.0) lies beyond the end of the video"),
        ([CLIP, QUESTION, "--provider", "abacus"], 1, "Error: The provider 'abacus' is not available here"),
        ([CLIP, QUESTION, "--limit", "max_pixels_per_frame=100"], 1, "or raise `--limit max_pixels_per_frame=...`."),
        ([CLIP, QUESTION, "--limit", "pixels=100"], 1, "Error: `--limit pixels=100` must be NAME=VALUE"),
        ([CLIP, QUESTION, "--image", "none.png"], 1, "Error: There is no image at 'none.png'"),
    ],
    ids=lambda value: None if isinstance(value, int) else str(value)[:30],
)
def test_errors_are_one_line(device_folder, monkeypatch, capsys, arguments, code, message):
    monkeypatch.syspath_prepend(str(device_folder))
    import mvgpt_onnx

    if code == 2:
        with pytest.raises(SystemExit) as stopped:
            mvgpt_onnx.main([*map(str, arguments)])
        assert stopped.value.code == 2
        assert message in capsys.readouterr().err
        return
    assert mvgpt_onnx.main([*map(str, arguments)]) == code
    output = capsys.readouterr()
    assert output.out == "" and message in output.err and output.err.count("\n") == 1


def test_interrupted(device_folder, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(device_folder))
    import mvgpt_onnx

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(mvgpt_onnx, "OnnxVideoChat", interrupt)
    assert mvgpt_onnx.main([str(CLIP), QUESTION]) == 130
    assert capsys.readouterr() == ("", "")


def run_as_command(folder: Path, before: str) -> subprocess.CompletedProcess:
    code = f"import runpy, sys\nsys.path.insert(0, sys.argv[1])\n{before}\nrunpy.run_path(sys.argv.pop(1) + '/mvgpt_onnx.py', run_name='__main__')"
    command = [sys.executable, "-c", code, str(folder), str(CLIP), QUESTION]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_links(site_packages, device_folder, tmp_path):
    """A folder as in the Hub's cache, whose files are links, and a link to the program in it, as in `~/bin`."""
    (blobs := tmp_path / "blobs").mkdir()
    (snapshot := tmp_path / "snapshots" / "0123").mkdir(parents=True)
    for number, file in enumerate(file for file in sorted(device_folder.rglob("*")) if file.is_file()):
        (blobs / str(number)).symlink_to(file) if file.suffix == ".onnx" else shutil.copy(file, blobs / str(number))
        (link := snapshot / file.relative_to(device_folder)).parent.mkdir(exist_ok=True)
        link.symlink_to(os.path.relpath(blobs / str(number), link.parent))
    (tmp_path / "ask").symlink_to(snapshot / "mvgpt_onnx.py")
    environment = {"PYTHONPATH": str(site_packages), "PATH": os.environ["PATH"]}
    for program in (snapshot / "mvgpt_onnx.py", tmp_path / "ask"):
        command = [sys.executable, "-S", "-s", str(program), "none.mp4", QUESTION]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
        assert result.stderr.startswith("Error: There is no video at 'none.mp4'")


def test_a_package_that_is_missing(device_folder):
    result = run_as_command(device_folder, "sys.modules['onnxruntime'] = None")
    assert result.returncode == 1 and result.stdout == ""
    assert re.fullmatch(
        r"Error: Exported models need onnxruntime, which does not load .*: `pip install onnxruntime`\.\n",
        result.stderr,
    )


def test_interrupted_while_it_loads(device_folder):
    # onnxruntime makes an ImportError of it
    before = (
        "class Stop:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'onnxruntime':\n"
        "            try:\n                raise KeyboardInterrupt\n"
        "            except KeyboardInterrupt as error:\n                raise ImportError('initialization failed') from error\n"
        "sys.meta_path.insert(0, Stop())"
    )
    result = run_as_command(device_folder, before)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


def test_names_and_imports_of_the_files():
    files = driver_files()
    assert files["mvgpt_onnx.py"].startswith("# Copyright")
    assert all(re.fullmatch(r"mvgpt_onnx(_[a-z0-9_]+)?\.py", name) for name in files)
    for code in files.values():
        for module in re.findall(r"^\s*from (\S+) import", code, re.MULTILINE):
            assert not module.startswith(".")
            if module.startswith("mvgpt_onnx"):
                assert f"{module}.py" in files
