# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The figures in `docs/` are those of the files that they come from, and links in docstrings name what there is."""

import ast
import importlib
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import transformers

import transformers_mvgpt
from tiny_trained import MOBILEVLM, TINYLLAVA
from train_demo.ablations import ABLATIONS
from train_demo.steps import SCORES_FILE
from transformers_mvgpt.demo import CHECKPOINT
from transformers_mvgpt.evaluation.report import score_table


DOCS = Path(__file__).parents[1] / "docs"


def test_scores_of_the_small_model():
    page = (DOCS / "small_model.md").read_text("utf-8")
    results = json.loads((CHECKPOINT / SCORES_FILE).read_text("utf-8"))
    assert score_table(results["scores"]) in page
    for part, seconds in results["seconds"].items():
        assert f"| {seconds / 60:.1f} |" in next(
            line for line in page.splitlines() if line.startswith(f"| {part.replace('_', ' ')} ")
        )
    assert f"| all | | {sum(results['seconds'].values()) / 60:.1f} |" in page
    for name, value in results["machine"].items():
        assert str(value) in page, name


def test_scores_of_the_tiny_models():
    page = (DOCS / "tiny_models.md").read_text("utf-8")
    for folder in (MOBILEVLM, TINYLLAVA):
        results = json.loads((folder / SCORES_FILE).read_text("utf-8"))
        assert score_table(results["scores"]) in page
        assert f"{results['num_parameters'] / 1e6:.1f} million parameters" in page
        assert f"{results['num_questions']} questions about {results['num_visuals']}" in page
        minutes = (sum(results[name].values()) / 60 for name in ("seconds", "processor_seconds"))
        assert "{:.0f} minutes, {:.0f} of a processor".format(*minutes) in page
        for name, value in results["machine"].items():
            assert str(value) in page, name


def test_what_the_parts_are_worth():
    page = (DOCS / "small_model.md").read_text("utf-8")
    results = json.loads((DOCS / "ablations" / "ablations.json").read_text("utf-8"))
    assert list(results) == [*ABLATIONS, "guesser"]
    table = score_table({name: result["scores"] for name, result in results.items()})
    assert table in page
    assert (DOCS / "ablations" / "ablations.md").read_text("utf-8") == table
    assert "(ablations/ablations.png)" in page
    assert (DOCS / "ablations" / "ablations.png").is_file()


PACKAGE = Path(transformers_mvgpt.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
LINK = re.compile(r"\[`(~?[\w.]+)`\]")
LIBRARIES = ("transformers", "huggingface_hub", "peft")


@cache
def syntax_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


@cache
def defined_in(file: Path) -> set[str]:
    """What a file defines or imports at its top level, also in branches of an `if` or `try`."""
    names: set[str] = set()
    pending: list[ast.stmt] = list(syntax_of(file).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        names |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
        pending += [part for part in ast.iter_child_nodes(node) if isinstance(part, ast.stmt)]
    return names


def links(file: Path) -> Iterator[tuple[str, set[str]]]:
    """The links in a file's docstrings, each with the members of the class that it stands in."""

    def visit(node: ast.AST, members: set[str]) -> Iterator[tuple[str, set[str]]]:
        if isinstance(node, ast.ClassDef):
            members = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            for link in LINK.findall(ast.get_docstring(node) or ""):
                yield link, members
        for part in ast.iter_child_nodes(node):
            yield from visit(part, members)

    return visit(syntax_of(file), set())


def is_importable(path: str) -> bool:
    """Whether a dotted path leads to a module or to something in one."""
    first, *others = path.split(".")
    found = importlib.import_module(first)
    for index, name in enumerate(others, start=1):
        try:
            found = getattr(found, name)
        except AttributeError:
            try:
                found = importlib.import_module(".".join([first, *others[:index]]))
            except ImportError:
                return False
    return True


def exists(link: str, file: Path, members: set[str]) -> bool:
    """
    `[`Name`]` must be in the file, in the class around it, in another file of the package, or in transformers; `[`module.name`]`
    in a file of this name, `[`Class.name`]` in such a class, and `[`~path`]` outside of the package.
    """
    if link.startswith("~"):
        path = link[1:]
        return is_importable(path if path.split(".")[0] in LIBRARIES else f"transformers.{path}")
    first, *others = link.split(".")
    public = {} if first.startswith("_") else {other: defined_in(other) for other in SOURCES}
    if not others:
        is_known = first in members or first in defined_in(file) or any(first in names for names in public.values())
        return is_known or hasattr(transformers, first)
    if any(other.stem == first and others == [name] for other, names in public.items() for name in names):
        return True
    owners = [
        ".".join(other.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        for other in public
        if first in public[other]
    ]
    return any(is_importable(f"{owner}.{link}") for owner in owners) or is_importable(f"transformers.{link}")


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_links_in_docstrings_name_what_there_is(file):
    assert [link for link, members in links(file) if not exists(link, file, members)] == []


def test_links_to_nothing_are_found(tmp_path):
    file = tmp_path / "module.py"
    file.write_text('"""[`Path`], [`nothing`]"""\nfrom pathlib import Path\n')
    found = {link: exists(link, file, members) for link, members in links(file)}
    assert found == {"Path": True, "nothing": False}
    known = [
        "convert",
        "VideoMambaModel.forward",
        "~transformers.Trainer",
        "~modeling_outputs.BaseModelOutput",
        "sources.read",
    ]
    assert [exists(link, file, {"convert"}) for link in known] == [True, True, True, True, False]
    unknown = ["VideoMambaModel.dance", "~transformers.Dance", "~modeling_outputs.Dance", "numba_scan.dance", "_dance"]
    assert not any(exists(link, file, set()) for link in unknown)


def test_all_environment_variables_are_on_the_page():
    page = (DOCS / "process_state.md").read_text("utf-8")
    files = [path.read_text("utf-8") for path in (DOCS.parent / "src").rglob("*.py")]
    read = {name for file in files for name in re.findall(r"environ\.get\(\"(MVGPT_\w+)", file)}
    assert read == set(re.findall(r"MVGPT_\w+[A-Z]", page)) == {"MVGPT_DISABLE_NUMBA", "MVGPT_KEEP_TORCH_THREADS"}


def test_links_within_the_page_about_the_process():
    page = (DOCS / "process_state.md").read_text("utf-8")
    headings = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)", page, re.MULTILINE)}
    assert set(re.findall(r"\(#([^)]+)\)", page)) == headings
