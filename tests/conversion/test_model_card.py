# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Model cards: what they know of a checkpoint, and that their examples run."""

import ast
import json
import re
import shutil
from pathlib import Path

import pytest
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from hub_folders import WITHOUT_NUMBA, put_in_cache, run_without_package, write_untrained
from release_layout import make_release
from transformers_mvgpt import MobileVideoGPTConfig
from transformers_mvgpt.conversion import export_hub
from transformers_mvgpt.conversion.card_metadata import is_repository_id, read_metadata
from transformers_mvgpt.demo import CHECKPOINT, CLIP


SCORES = {"scores": {"model": {"direction": 0.97, "all": 0.985}, "guesser": {"direction": 0.25, "all": 0.3}}}


@pytest.fixture(scope="module")
def native(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("native")
    write_untrained(folder)
    return folder


def export_card(source: Path, target: Path, **options) -> ModelCard:
    export_hub(source, target, **options)
    return ModelCard.load(target / "README.md")


class TestMetadata:
    def test_of_every_model(self, tmp_path, native):
        data = export_card(native, tmp_path / "exported").data.to_dict()
        assert data == {
            "library_name": "transformers",
            "pipeline_tag": "video-text-to-text",
            "tags": ["mobile-videogpt", "videomamba", "custom_code"],
        }

    def test_of_published_weights(self, tmp_path):
        names = {"image_mm_vision_tower": "openai/clip-vit-base-patch16", "mm_vision_tower": "OpenGVLab/VideoMamba"}
        card = export_card(make_release(tmp_path, **names), tmp_path / "exported")
        assert card.data.license == "cc-by-nc-sa-4.0"
        assert card.data.language == ["en"]
        assert card.data.base_model == ["openai/clip-vit-base-patch16", "OpenGVLab/VideoMamba"]
        assert "lmms-lab/LLaVA-Video-178K" in card.data.datasets
        assert "CC BY-NC-SA 4.0" in card.text
        assert "CC BY 4.0 by their license file" in card.text
        for heading in ("## Evaluation", "## Speed"):
            assert heading not in card.text

    def test_scores(self, tmp_path, native):
        shutil.copytree(native, tmp_path / "native")
        (tmp_path / "native" / "scores.json").write_text(json.dumps(SCORES))
        card = export_card(tmp_path / "native", tmp_path / "shapes")
        assert card.data.model_name == "shapes"
        assert card.data.license == "apache-2.0"
        results = card.data.eval_results
        assert [(result.metric_name, result.metric_value) for result in results] == [
            ("exact answers: direction", 0.97),
            ("exact answers: all", 0.985),
        ]
        assert {(result.task_type, result.dataset_type, result.dataset_split) for result in results} == {
            ("video-text-to-text", "drawn-clips", "test")
        }
        assert "| exact answers: direction | 0.97 |" in card.text
        assert "knows nothing else" in card.text

    def test_own_card_of_the_checkpoint(self, tmp_path, native):
        shutil.copytree(native, tmp_path / "native")
        result = EvalResult(
            task_type="video-text-to-text",
            dataset_type="me/cats",
            dataset_name="Cats",
            metric_type="accuracy",
            metric_value=0.5,
        )
        own = ModelCardData(
            license="mit",
            base_model="me/base",
            datasets=["me/cats", str(tmp_path)],
            language="fr",
            library_name="peft",
            pipeline_tag="text-generation",
            tags=["base_model:adapter:" + str(tmp_path)],
            model_name="mine",
            eval_results=[result],
        )
        (tmp_path / "native" / "README.md").write_text(f"---\n{own.to_yaml()}\n---\n# Mine\n")
        card = export_card(tmp_path / "native", tmp_path / "exported")
        data = card.data
        assert (data.license, data.base_model, data.datasets, data.language) == ("mit", ["me/base"], ["me/cats"], "fr")
        assert (data.pipeline_tag, data.library_name) == ("video-text-to-text", "transformers")
        assert data.eval_results == [result]
        assert "| Cats | accuracy | 0.5 |" in card.text
        assert "under `mit`" in card.text
        assert "fine-tuned from me/base" in card.text
        assert str(tmp_path) not in str(card)

    def test_adapter_on_a_folder(self, tmp_path):
        """The folder's name says nothing to others; what its model came from does."""
        names = {"image_mm_vision_tower": "openai/clip-vit-base-patch16", "mm_vision_tower": "OpenGVLab/VideoMamba"}
        config = MobileVideoGPTConfig(**names)
        (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(tmp_path / "base")}))
        published = ["Amshaker/Mobile-VideoGPT-0.5B", *names.values()]
        assert read_metadata(str(tmp_path), config, "mine").base_model == published
        (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "me/base"}))
        assert read_metadata(str(tmp_path), config, "mine").base_model == ["me/base"]

    def test_nothing_is_made_up(self, tmp_path, native):
        card = export_card(native, tmp_path / "exported")
        assert "Nothing is known about the license of the weights" in card.text
        assert "## Evaluation" not in card.text
        assert "Of a model of this size" in card.text  # it has as many parameters as the one that was measured

    def test_damaged_scores(self, tmp_path, native):
        shutil.copytree(native, tmp_path / "native")
        (tmp_path / "native" / "scores.json").write_text("{")
        with pytest.raises(ValueError, match="scores.json is damaged: it cannot be read"):
            export_hub(tmp_path / "native", tmp_path / "exported")

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("me/model-1.5B", True),
            ("model", False),
            ("/data/model", False),
            ("./model", False),
            ("../me/model", False),
            ("me/model/file.pth", False),
            ("C:\\models", False),
        ],
    )
    def test_repository_ids(self, name, expected):
        assert is_repository_id(name) is expected

    def test_a_folder_is_no_repository(self, tmp_path, monkeypatch):
        (tmp_path / "me" / "model").mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
        assert not is_repository_id("me/model")


class TestSnippets:
    """Those of a card of a repository, with the small model as that repository."""

    REPOSITORY = "me/mobile-videogpt-shapes"

    @pytest.fixture
    def snippets(self, tmp_path, monkeypatch) -> list[str]:
        card = export_card(CHECKPOINT, tmp_path / "exported", repository=self.REPOSITORY)
        put_in_cache(tmp_path / "hub", self.REPOSITORY, tmp_path / "exported")
        shutil.copyfile(CLIP, tmp_path / "clip.mp4")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        snippets = re.findall(r"^```python\n(.*?)^```", card.text, re.MULTILINE | re.DOTALL)
        assert len(snippets) == 3
        return snippets

    def test_without_the_package(self, tmp_path, snippets):
        for snippet in snippets[:2]:
            assert "trust_remote_code=True" in snippet
            printed = run_without_package(printing(snippet), tmp_path, HF_HUB_CACHE=tmp_path / "hub", **WITHOUT_NUMBA)
            assert_shown(printed.splitlines()[-1], snippet)

    def test_with_the_package(self, tmp_path, snippets):
        snippet = snippets[2].replace(
            'pipe = pipeline("video-text-to-text", ',
            f'pipe = pipeline("video-text-to-text", model_kwargs={{"cache_dir": {str(tmp_path / "hub")!r}}}, ',
        )
        assert snippet != snippets[2]
        assert "trust_remote_code" not in snippet
        namespace: dict = {}
        *statements, last = ast.parse(snippet).body
        exec("\n".join(map(ast.unparse, statements)), namespace)
        assert_shown(repr(eval(ast.unparse(last), namespace)), snippet)


def printing(snippet: str) -> str:
    """The snippet, with the value of its last expression printed."""
    *statements, last = ast.parse(snippet).body
    return "\n".join([*map(ast.unparse, statements), f"print(repr({ast.unparse(last)}))"])


def assert_shown(value: str, snippet: str) -> None:
    """The output is what the comment at the end of the snippet says, if there is one."""
    comment = snippet.splitlines()[-1]
    if comment.startswith("# "):
        pattern = re.escape(comment.removeprefix("# ")).replace(r"\.\.\.", ".*")
        assert re.fullmatch(pattern, value, re.DOTALL), value
    assert value
