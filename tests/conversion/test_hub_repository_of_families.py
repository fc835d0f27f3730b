# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Exported folders of all families hold their own code, and give the same tokens without the package and saved again."""

import ast
import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor

from hub_folders import WITHOUT_NUMBA, read_json, run_without_package
from tiny_families import write_mobilevlm, write_tinyllava
from transformers_mvgpt.conversion import export_hub
from transformers_mvgpt.conversion.remote_code import RemoteCode
from transformers_mvgpt.demo import CLIP
from transformers_mvgpt.families import FAMILIES, family_of


# What the names of files of one family alone end with.
SUFFIXES = {
    "mobile_videogpt": ("mvgpt", "videomamba"),
    "mobilevlm": ("mobilevlm", "ldp"),
    "tinyllava_video": ("tinyllava",),
}
WRITERS = {"mobilevlm": write_mobilevlm, "tinyllava_video": write_tinyllava}
QUESTION = "What is it?"

# Loads the folders that it is given, answers with each, and saves all of them again.
REMOTE_CODE_RUN = """
import json
import transformers

answers = {}
for folder, visual in json.loads(sys.argv[1]).items():
    chat = [{"role": "user", "content": [visual, {"type": "text", "text": "What is it?"}]}]
    if folder.startswith("plain"):
        load = {name: getattr(transformers, name).from_pretrained for name in ("AutoModelForImageTextToText", "AutoProcessor")}
        model, processor = (from_pretrained(folder, trust_remote_code=True) for from_pretrained in load.values())
    else:
        pipe = transformers.pipeline(f"{visual['type']}-text-to-text", model=folder, trust_remote_code=True, device="cpu")
        assert isinstance(pipe(text=chat, max_new_tokens=6, return_full_text=False)[0]["generated_text"], str)
        model, processor = pipe.model, pipe.processor
    for part in (model, processor):
        assert type(part).__module__.startswith("transformers_modules."), type(part)
    inputs = processor.apply_chat_template(
        chat, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    answers[folder] = model.generate(**inputs, max_new_tokens=6, do_sample=False).tolist()
    model.save_pretrained(f"again/{folder}")
    processor.save_pretrained(f"again/{folder}")
assert not any(name.startswith("transformers_mvgpt") for name in sys.modules)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """A folder with nothing but exported ones, and something to look at."""
    native, alone = tmp_path_factory.mktemp("native"), tmp_path_factory.mktemp("alone")
    for model_type, write in WRITERS.items():
        write(native / model_type)
        export_hub(native / model_type, alone / model_type)
    export_hub(native / "mobilevlm", alone / "plain_mobilevlm", plain=True)
    Image.effect_mandelbrot((40, 30), (-2, -1, 1, 1), 20).convert("RGB").save(alone / "photo.jpg")
    shutil.copyfile(CLIP, alone / "clip.mp4")
    return alone


@pytest.fixture(scope="module")
def visuals(alone) -> dict[str, dict[str, str]]:
    image = {"type": "image", "path": str(alone / "photo.jpg")}
    video = {"type": "video", "path": str(alone / "clip.mp4")}
    return {"mobilevlm": image, "plain_mobilevlm": image, "tinyllava_video": video}


@pytest.fixture(scope="module")
def remote_answers(alone, visuals) -> dict[str, list[list[int]]]:
    printed = run_without_package(REMOTE_CODE_RUN, alone, json.dumps(visuals), **WITHOUT_NUMBA)
    return json.loads(printed.splitlines()[-1])


def answer(folder: Path, visual: dict[str, str]) -> list[list[int]]:
    """Tokens of prompt and answer, by the package."""
    model, processor = (auto.from_pretrained(folder) for auto in (AutoModelForImageTextToText, AutoProcessor))
    assert type(model).__module__.startswith("transformers_mvgpt.")
    chat = [{"role": "user", "content": [visual, {"type": "text", "text": QUESTION}]}]
    inputs = processor.apply_chat_template(
        chat, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )
    return model.generate(**inputs, max_new_tokens=6, do_sample=False).tolist()


@pytest.mark.parametrize("plain", [False, True], ids=["whole", "plain"])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.model_type)
def test_no_file_of_another_family(family, plain):
    files = RemoteCode(family).code(plain)
    others = [suffix for name, suffixes in SUFFIXES.items() if name != family.model_type for suffix in suffixes]
    assert [
        name for name in files if name.removesuffix(".py").endswith(tuple(f"_{suffix}" for suffix in others))
    ] == []
    own = SUFFIXES[family.model_type][0]
    assert {f"modeling_{own}.py", f"configuration_{own}.py", f"processing_{own}.py"} <= files.keys()
    # frames are decoded where videos are looked at
    assert ("video_decoding.py" in files) == (family.video_processor_class is not None)


@pytest.mark.parametrize("folder", ["mobilevlm", "plain_mobilevlm", "tinyllava_video"])
def test_same_tokens_without_the_package_and_saved_again(alone, visuals, remote_answers, folder):
    expected = answer(alone / folder, visuals[folder])
    assert remote_answers[folder] == expected
    code, again = RemoteCode(family_of(folder.removeprefix("plain_"))), alone / "again" / folder
    plain = folder.startswith("plain_")
    assert {file.name: file.read_text("utf-8") for file in again.glob("*.py")} == code.code(plain)
    config = read_json(again / "config.json")
    assert {name: config[name] for name in code.config_entries} == code.config_entries
    assert answer(again, visuals[folder]) == expected


@pytest.mark.parametrize("model_type", WRITERS)
def test_saved_again_with_the_package(tmp_path, alone, model_type):
    code = RemoteCode(family_of(model_type))
    AutoModelForImageTextToText.from_pretrained(alone / model_type).save_pretrained(tmp_path / "model")
    AutoProcessor.from_pretrained(alone / model_type).save_pretrained(tmp_path / "processor")
    for name in ("model", "processor"):
        assert {file.name for file in (tmp_path / name).glob("*.py")} == code.code().keys()
    assert read_json(tmp_path / "model" / "config.json")["auto_map"] == code.config_entries["auto_map"]
    processor = read_json(tmp_path / "processor" / "processor_config.json")
    assert processor["auto_map"].keys() >= {"AutoProcessor"}


@pytest.mark.parametrize("model_type", WRITERS)
def test_examples_of_the_card(monkeypatch, alone, model_type):
    card = (alone / model_type / "README.md").read_text("utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```", card, re.MULTILINE | re.DOTALL)
    assert len(snippets) == 3
    monkeypatch.chdir(alone)
    for snippet in snippets:
        *statements, last = ast.parse(snippet).body
        namespace: dict = {}
        exec("\n".join(map(ast.unparse, statements)), namespace)
        shown = snippet.splitlines()[-1]
        pattern = re.escape(shown.removeprefix("# ")).replace(r"\.\.\.", ".*") if shown.startswith("# ") else ".+"
        assert re.fullmatch(pattern, repr(eval(ast.unparse(last), namespace)), re.DOTALL), snippet


def test_an_image_processor_alone_takes_the_code_along(tmp_path, alone):
    AutoImageProcessor.from_pretrained(alone / "mobilevlm").save_pretrained(tmp_path)
    assert {file.name for file in tmp_path.glob("*.py")} == RemoteCode(family_of("mobilevlm")).code().keys()
