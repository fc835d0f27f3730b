# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""`export_hub` writes one complete repository that gives nothing away, or nothing."""

import ast
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file

import transformers_mvgpt
from hub_folders import read_json, write_untrained
from release_layout import make_release
from transformers_mvgpt import MobileVideoGPTForConditionalGeneration, MobileVideoGPTProcessor
from transformers_mvgpt.conversion import convert, export_hub, hub_export
from transformers_mvgpt.conversion.code_closure import EXPORTED_ROOMS
from transformers_mvgpt.conversion.remote_code import RemoteCode
from transformers_mvgpt.families import family_of


# of peft, about the model that it is given
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

ALWAYS_INSTALLED = {"torch", "torchvision", "transformers", "numpy", "PIL", "huggingface_hub"}
Q_PROJ = "model.language_model.layers.0.self_attn.q_proj.weight"
REMOTE_CODE = RemoteCode(family_of("mobile_videogpt"))
CODE_FILES = set(REMOTE_CODE.code())
FILES = CODE_FILES | {
    "README.md",
    "chat_template.jinja",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
}


@pytest.fixture(scope="module")
def native(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("native")
    write_untrained(folder)
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory, native) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "exported"
    export_hub(native, folder)
    return folder


def required_imports(code: str) -> set[str]:
    """Packages that a file cannot be imported without: not those in `try:`, nor those of its own folder."""
    packages = set()
    pending: list[ast.AST] = [ast.parse(code)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            packages |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            packages.add(node.module or "")
        elif isinstance(node, ast.Try):
            continue
        pending += ast.iter_child_nodes(node)
    return {package.partition(".")[0] for package in packages}


class TestContent:
    def test_files(self, exported):
        assert {file.name for file in exported.iterdir()} == FILES
        assert [folder.name for folder in exported.parent.iterdir()] == ["exported"], "something was left over"

    def test_code_is_the_package_s(self, exported):
        package = {
            file.name: file
            for room in EXPORTED_ROOMS
            for file in Path(transformers_mvgpt.__file__).parent.glob(f"{room}/*.py")
        }
        for name in CODE_FILES:
            code = re.sub(r"^(\s*from )\.\.\w+(\.\w+ import)", r"\1\2", package[name].read_text("utf-8"), flags=re.M)
            assert (exported / name).read_text("utf-8") == code

    def test_code_needs_no_other_packages(self, exported):
        for name in CODE_FILES:
            needed = required_imports((exported / name).read_text("utf-8"))
            assert needed - sys.stdlib_module_names <= ALWAYS_INSTALLED, name

    def test_classes_are_where_the_config_says(self, exported):
        references = [*REMOTE_CODE.config_entries["auto_map"].values()]
        references += [task["impl"] for task in REMOTE_CODE.config_entries["custom_pipelines"].values()]
        for reference in references:
            file, name = reference.split(".")
            tree = ast.parse((exported / f"{file}.py").read_text("utf-8"))
            assert name in {node.name for node in tree.body if isinstance(node, ast.ClassDef)}

    def test_weights_are_those_of_the_source(self, exported, native):
        weights, expected = (load_file(folder / "model.safetensors") for folder in (exported, native))
        assert weights.keys() == expected.keys()
        assert all(torch.equal(weights[name], expected[name]) for name in weights)

    def test_exporting_again_changes_nothing(self, exported, tmp_path):
        export_hub(exported, tmp_path / "exported")
        for name in FILES:
            assert (tmp_path / "exported" / name).read_bytes() == (exported / name).read_bytes(), name

    def test_converting_takes_the_code_out(self, exported, tmp_path):
        convert(exported, tmp_path / "native")
        assert {file.name for file in (tmp_path / "native").iterdir()} == FILES - CODE_FILES - {"README.md"}
        config = read_json(tmp_path / "native" / "config.json")
        assert config.keys() & {"auto_map", "custom_pipelines"} == set()
        processor = read_json(tmp_path / "native" / "processor_config.json")
        assert "auto_map" not in processor
        assert "auto_map" not in processor["video_processor"]


class TestSources:
    def test_published_layout(self, tmp_path):
        release = make_release(tmp_path, image_encoder=False, video_encoder=False)
        export_hub(release, tmp_path / "exported")
        assert (
            MobileVideoGPTForConditionalGeneration.from_pretrained(tmp_path / "exported").config.num_video_tokens == 24
        )
        names = load_file(tmp_path / "exported" / "model.safetensors")
        assert all(name.startswith(("model.", "lm_head.")) for name in names)
        assert any(name.startswith("model.language_model.") for name in names)

    def test_adapter(self, tmp_path, native):
        write_adapter(tmp_path / "adapter", native)
        with pytest.raises(
            ValueError, match="`base_model_name_or_path` in adapter_config.json .* neither in that folder nor beside"
        ):
            export_hub(tmp_path / "adapter", tmp_path / "exported")
        export_hub(tmp_path / "adapter", tmp_path / "exported", base_model=native)
        convert(tmp_path / "adapter", tmp_path / "merged", base_model=native)
        weights, expected = (load_file(tmp_path / name / "model.safetensors") for name in ("exported", "merged"))
        assert weights.keys() == expected.keys()
        assert all(torch.equal(weights[name], expected[name]) for name in weights)
        assert not torch.equal(
            *(load_file(folder / "model.safetensors")[Q_PROJ] for folder in (tmp_path / "exported", native))
        )

    def test_adapter_whose_model_has_moved(self, tmp_path, native):
        base = tmp_path / "base"
        shutil.copytree(native, base)
        write_adapter(tmp_path / "adapter", base)
        base.rename(tmp_path / "moved")
        with pytest.raises(
            FileNotFoundError, match=f"There is no model folder .{base}.*say where it is now .*--base-model"
        ):
            export_hub(tmp_path / "adapter", tmp_path / "exported")
        export_hub(tmp_path / "adapter", tmp_path / "exported", base_model=tmp_path / "moved")
        assert {file.name for file in (tmp_path / "exported").iterdir()} == FILES


def write_adapter(folder: Path, base: Path) -> None:
    """What an instruction stage leaves behind."""
    model = MobileVideoGPTForConditionalGeneration.from_pretrained(base)
    lora = get_peft_model(
        model, LoraConfig(r=2, target_modules=r"model\.language_model\..*\.q_proj", init_lora_weights=False)
    )
    lora.peft_config["default"].base_model_name_or_path = str(base)
    lora.save_pretrained(folder)
    MobileVideoGPTProcessor.from_pretrained(base).save_pretrained(folder)


class TestNothingPrivate:
    def test_paths_of_encoders_are_left_out(self, tmp_path):
        release = make_release(tmp_path, image_encoder=False, video_encoder=False)
        assert str(tmp_path) in (release / "config.json").read_text()
        export_hub(release, tmp_path / "exported")
        for file in (tmp_path / "exported").iterdir():
            assert str(tmp_path).encode() not in file.read_bytes(), file.name

    def test_repositories_of_encoders_are_kept(self, tmp_path):
        names = {"image_mm_vision_tower": "openai/clip-vit-base-patch16", "mm_vision_tower": "OpenGVLab/VideoMamba"}
        export_hub(make_release(tmp_path, **names), tmp_path / "exported")
        assert read_json(tmp_path / "exported" / "config.json").items() >= names.items()

    def test_no_pickles(self, exported):
        assert {file.suffix for file in exported.iterdir()} == {".json", ".jinja", ".md", ".py", ".safetensors"}

    @pytest.mark.parametrize(
        ("secret", "what"),
        [
            ("hf_" + "a" * 34, "an access token"),
            ("known-token", "an access token"),
            ("{home}/data", "a path of this computer, {home}"),
        ],
        ids=["token", "own-token", "home"],
    )
    def test_what_would_be_published(self, tmp_path, native, monkeypatch, secret, what):
        home = str(tmp_path / "home")
        monkeypatch.setattr(Path, "home", lambda: Path(home))
        monkeypatch.setattr(hub_export, "get_token", lambda: "known-token")
        shutil.copytree(native, tmp_path / "native")
        (tmp_path / "native" / "chat_template.jinja").write_text("{# " + secret.format(home=home) + " #}")
        with pytest.raises(
            ValueError, match=f"chat_template.jinja would publish {what.format(home=home)}: remove it from"
        ):
            export_hub(tmp_path / "native", tmp_path / "exported")
        assert not (tmp_path / "exported").exists()


class TestTarget:
    def test_edited_card_is_not_replaced(self, tmp_path, native):
        export_hub(native, tmp_path / "exported")
        card = tmp_path / "exported" / "README.md"
        written = card.read_text("utf-8")
        for edited in (written.replace("## Limits", "## What it cannot do"), f"{written}\nThanks to all.\n", "mine"):
            card.write_text(edited, "utf-8")
            with pytest.raises(
                FileExistsError, match=r"README.md was edited .* is not replaced: move it out of the folder"
            ):
                export_hub(native, tmp_path / "exported", overwrite=True)
            assert card.read_text("utf-8") == edited
        card.write_text(written, "utf-8")
        export_hub(native, tmp_path / "exported", overwrite=True)

    @pytest.mark.parametrize("stop_at", ["Loading", "Writing", "Comparing"])
    def test_nothing_is_left_when_stopped(self, tmp_path, native, stop_at):
        def stop(step: str, completed: int, total: int) -> None:
            if step.startswith(stop_at) and completed == total:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            export_hub(native, tmp_path / "exported", on_progress=stop)
        assert list(tmp_path.iterdir()) == []

    def test_an_earlier_export_is_replaced_on_request(self, tmp_path, native, exported):
        shutil.copytree(exported, tmp_path / "exported")
        license_line = (exported / "modeling_mvgpt.py").read_text("utf-8").splitlines()[0]
        assert "The transformers-mvgpt authors" in license_line
        for name in ("of_an_older_version_mvgpt.py", "of_a_newer_version.py"):
            (tmp_path / "exported" / name).write_text(license_line.replace("2026", "2031") + "\nimport torch\n")
        with pytest.raises(FileExistsError, match="exported is not empty: .*let it be replaced"):
            export_hub(native, tmp_path / "exported")
        export_hub(native, tmp_path / "exported", overwrite=True)
        assert {file.name for file in (tmp_path / "exported").iterdir()} == FILES

    @pytest.mark.parametrize("name", ["notes.txt", "scores.json", "train.py"])
    def test_foreign_files_are_not_replaced(self, tmp_path, native, exported, name):
        shutil.copytree(exported, tmp_path / "exported")
        (tmp_path / "exported" / name).write_text("mine")
        with pytest.raises(FileExistsError, match=rf"not made by a conversion .* \(it holds {name}\)"):
            export_hub(native, tmp_path / "exported", overwrite=True)
        assert (tmp_path / "exported" / name).read_text() == "mine"

    @pytest.mark.parametrize("name", ["modeling_mvgpt.py", "of_mine_mvgpt.py"])
    def test_code_of_others_is_not_replaced_whatever_its_name(self, tmp_path, native, exported, name):
        shutil.copytree(exported, tmp_path / "exported")
        (tmp_path / "exported" / name).write_text("# Copyright 2026 somebody else\n")
        with pytest.raises(FileExistsError, match=rf"not made by a conversion .* \(it holds {name}\)"):
            export_hub(native, tmp_path / "exported", overwrite=True)
        assert (tmp_path / "exported" / name).read_text() == "# Copyright 2026 somebody else\n"

    def test_an_export_is_not_replaced_by_a_conversion(self, tmp_path, native, exported):
        shutil.copytree(exported, tmp_path / "exported")
        with pytest.raises(FileExistsError, match=r"not made by a conversion .*it holds README.md"):
            convert(native, tmp_path / "exported", overwrite=True)

    def test_plain_code_lacks_the_scan_that_a_config_names(self, tmp_path):
        write_untrained(tmp_path / "native")
        config = read_json(tmp_path / "native" / "config.json")
        config["video_config"]["scan_implementation"] = "numba"
        (tmp_path / "native" / "config.json").write_text(json.dumps(config))
        with pytest.raises(
            ValueError, match="`video_config.scan_implementation` is 'numba', which a plain export has not: "
        ):
            export_hub(tmp_path / "native", tmp_path / "exported", plain=True)
        assert not (tmp_path / "exported").exists()

    def test_progress(self, tmp_path, native):
        steps = []
        export_hub(native, tmp_path / "exported", on_progress=lambda *step: steps.append(step))
        assert list(dict.fromkeys(step for step, _, _ in steps)) == [
            f"Loading {native}",
            f"Writing {tmp_path / 'exported'}",
            "Comparing tensors",
        ]
        assert all(completed <= total for _, completed, total in steps)
        assert steps[-1][1] == steps[-1][2]
