# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What transformers says about models while this package is not imported, and that cards and pages say it first."""

import json
import shutil
from pathlib import Path

import pytest

from hub_folders import run_without_package
from transformers_mvgpt.demo import CHECKPOINT


ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "hub_configs"
CODE = """
import json
from transformers import AutoConfig, AutoProcessor, logging

logging.set_verbosity_error()
said = []
for load in (AutoConfig.from_pretrained, AutoProcessor.from_pretrained):
    for folder in sys.argv[1:]:
        try:
            said.append(type(load(folder)).__name__)
        except Exception as error:
            said.append(str(error))
print("\\n" + json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Of a folder without code and a repository with code: about their configs, then about their processors."""
    folder = tmp_path_factory.mktemp("fresh")
    repository = shutil.copytree(CONFIGS / "mobile-videogpt-shapes", folder / "repository")
    # transformers asks on stdout whether code is trusted
    return json.loads(run_without_package(CODE, folder, CHECKPOINT, repository).splitlines()[-1])


def test_what_transformers_says(said):
    config, config_with_code, processor, processor_with_code = said
    assert "model type `mobile_videogpt` but Transformers does not recognize this architecture" in config
    assert "contains custom code which must be executed" in config_with_code
    assert "Please pass the argument `trust_remote_code=True`" in config_with_code
    # no error: that has to be read
    assert processor == "Qwen2Tokenizer"
    assert "contains custom code which must be executed" in processor_with_code


@pytest.mark.parametrize("card", sorted(CONFIGS.glob("*/README.md")), ids=lambda card: card.parent.name)
def test_a_card_says_it_first(card):
    title, first, *_ = card.read_text("utf-8").split("---\n", 2)[2].strip().split("\n\n")
    assert title.startswith("# ")
    assert first.startswith("Load it with `trust_remote_code=True`, or `import transformers_mvgpt` first. ")
    assert '"contains custom' in first
    assert '"does not recognize this architecture"' in first


@pytest.mark.parametrize("page", ["model", "pipeline", "publishing"])
def test_a_page_says_it(page):
    text = " ".join((ROOT / "docs" / f"{page}.md").read_text("utf-8").split())
    assert {
        "model": "[Without it](pipeline.md#without-the-import) transformers knows neither, and `AutoProcessor` returns a bare tokenizer",
        "pipeline": '[Without the import](#without-the-import), transformers says that it "does not recognize this architecture"',
        "publishing": 'transformers says that the repository "contains custom code"',
    }[page] in text
