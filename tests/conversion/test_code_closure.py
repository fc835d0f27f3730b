# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What is exported is what is imported, written so that transformers finds it."""

import ast
import textwrap
from pathlib import Path

import pytest
from transformers.dynamic_module_utils import get_relative_imports

from transformers_mvgpt.conversion import code_closure
from transformers_mvgpt.conversion.code_closure import import_closure, is_own_code


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes files of a package by their paths, and returns the closure of `modeling/model.py`, as files of a folder."""
    monkeypatch.setattr(code_closure, "PACKAGE", tmp_path / "package")

    def export(model: str, instead: dict[str, str] | None = None, **others: str) -> Path:
        files = {"modeling/model": model, **{name.replace("__", "/"): code for name, code in others.items()}}
        for name, code in files.items():
            file = tmp_path / "package" / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(code))
        (tmp_path / "flat").mkdir()
        for name, code in import_closure([tmp_path / "package" / "modeling" / "model.py"], instead).items():
            ast.parse(code)
            (tmp_path / "flat" / name).write_text(code)
        return tmp_path / "flat"

    return export


def names_of(folder: Path) -> set[str]:
    return {file.stem for file in folder.iterdir()}


def test_nothing_but_what_is_imported(package):
    flat = package(
        "from .layers import Layer\n",
        modeling__layers="from ..kernels.scan import scan\nfrom .model import Model\n",
        modeling__others="from .layers import Layer\n",
        kernels__scan="import torch\n",
        kernels____init__="",
        kernels__unused="",
    )
    assert names_of(flat) == {"model", "layers", "scan"}
    assert (flat / "layers.py").read_text() == "from .scan import scan\nfrom .model import Model\n"


@pytest.mark.parametrize(
    "code",
    [
        "from ..kernels.scan import scan\n",
        "from   ..kernels.scan   import scan as other\n",
        "from ..kernels.scan import (\n    scan,\n    other,  # from ..kernels.x import y\n)\nx = 1\n",
        "from ..kernels.scan import scan, \\\n    other\nx = 1\n",
        "from \\\n    ..kernels.scan \\\n    import scan\nx = 1\n",
        "from .. kernels . scan import scan\n",
        "def run():\n    from ..kernels.scan import scan\n    return scan\n",
        "if True:\n\ttry:\n\t\tfrom ..kernels.scan import scan\n\texcept ImportError:\n\t\tscan = None\n",
        "def run():\n    x = 'ä'\n    from ..kernels.scan import (scan,\n        other)\n",
        "from ..kernels.scan import scan",
    ],
    ids=["plain", "spaces", "parentheses", "continued", "split", "dots", "function", "try", "unicode", "no newline"],
)
def test_forms_of_imports(package, code):
    flat = package(code, kernels__scan="")
    written = (flat / "model.py").read_text()
    assert get_relative_imports(flat / "model.py") == ["scan"]
    expected = ast.parse(code)
    for node in ast.walk(expected):
        if isinstance(node, ast.ImportFrom):
            node.module, node.level = "scan", 1
    assert ast.dump(ast.parse(written)) == ast.dump(expected)


def test_other_code_stays_as_it_is(package):
    code = '"""Says `from ..kernels.scan import scan`."""\n\nTEXT = """\n  x\n"""\nfrom ..kernels.scan import scan  # why\n'
    flat = package(code, kernels__scan="")
    assert (flat / "model.py").read_text() == code[: code.index("from ..kernels.scan import scan  #")] + (
        "from .scan import scan  # why\n"
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("from . import layers\n", r"line 1: `from \. import` names no file"),
        ("\nfrom .absent import x\n", r"line 2: `from \.absent import` names no file"),
        ("from ..kernels import x\n", r"`from \.\.kernels import` names no file"),
        (
            "from ..conversion.loading import x\n",
            r"`from \.\.conversion\.loading import` names no file of compat, kernels",
        ),
        ("from ..families import x\n", r"`from \.\.families import` names no file"),
        ("from ...other.kernels import x\n", r"names no file"),
        ("x = 1; from .layers import x\n", "line 1: an import must begin its line"),
    ],
)
def test_imports_that_transformers_would_overlook(package, code, message):
    others = {"modeling__layers": "", "kernels__scan": "", "conversion__loading": "", "families": ""}
    with pytest.raises(ValueError, match=message):
        package(code, **others)


def test_two_files_of_one_name(package):
    with pytest.raises(ValueError, match=r"scan\.py and .*scan\.py would be one file"):
        package("from .scan import a\nfrom ..kernels.scan import b\n", modeling__scan="", kernels__scan="")


def test_code_that_takes_the_place_of_a_file(package):
    files = {
        "kernels__dispatch": "from .fast_paths import fast\n",
        "kernels__fast_paths": "from .numba_scan import scan\nfast = scan\n",
        "kernels__numba_scan": "scan = 1\n",
    }
    flat = package("from ..kernels.dispatch import run\n", {"fast_paths.py": "fast = None\n"}, **files)
    assert names_of(flat) == {"model", "dispatch", "fast_paths"}
    assert (flat / "fast_paths.py").read_text() == "fast = None\n"


@pytest.mark.parametrize(
    ("code", "is_own"),
    [
        (
            "# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.\nx = 1\n",
            True,
        ),
        ("# Copyright 2031 The transformers-mvgpt authors. Licensed under another license.\n", True),
        ("# Copyright 2026 The transformers authors. Licensed under the Apache License, Version 2.0.\n", False),
        (
            "x = 1\n# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.\n",
            False,
        ),
        ("", False),
        ("\udcff", False),
    ],
    ids=["ours", "newer", "other authors", "not on top", "empty", "no text"],
)
def test_own_code_is_known_by_its_license(tmp_path, code, is_own):
    (tmp_path / "modeling_mvgpt.py").write_bytes(code.encode("utf-8", "surrogateescape"))
    assert is_own_code(tmp_path / "modeling_mvgpt.py") is is_own
    (tmp_path / "notes.txt").write_text(code, "utf-8", "ignore")
    assert not is_own_code(tmp_path / "notes.txt")
