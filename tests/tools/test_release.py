# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What stops a release. That the files of one can be made and installed is seen by `make release` alone, which needs the network."""

import subprocess
import zipfile

import pytest

from release import problems, wheel_problems


CHANGELOG = (
    "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-11-28\n\n- New.\n\n## [1.1.0] - 2026-01-31\n\n- Old.\n"
)
FILES = {
    "setup.cfg": "[metadata]\nname = transformers-mvgpt\nversion = 1.2.0\n",
    "CHANGELOG.md": CHANGELOG,
    "CITATION.cff": 'cff-version: 1.2.0\nversion: 1.2.0\ndate-released: "2026-11-28"\n',
    "src/transformers_mvgpt/__init__.py": "",
    "src/transformers_mvgpt/py.typed": "",
}
ABOUT = "transformers_mvgpt-1.2.0.dist-info"


def git(root, *arguments):
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def root(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "Everything")
    git(tmp_path, "tag", "v1.2.0")
    return tmp_path


def test_nothing_stops_what_is_ready(root):
    assert problems(root) == []


def change(root, name, old, new):
    """As it would be released: committed and tagged."""
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new))
    git(root, "commit", "--quiet", "-am", "Changed")
    git(root, "tag", "--force", "v1.2.0")


def test_the_tree_must_be_clean(root):
    (root / "setup.cfg").write_text(FILES["setup.cfg"] + "\n")
    (root / "new.py").write_text("")
    assert problems(root) == ["setup.cfg is not committed", "new.py is not committed"]


def test_the_tag_must_be_that_of_the_version(root):
    git(root, "tag", "--delete", "v1.2.0")
    assert problems(root) == ["the last commit has no tag v1.2.0 (it has none): git tag v1.2.0"]
    git(root, "tag", "v1.3.0")
    assert problems(root) == ["the last commit has no tag v1.2.0 (v1.3.0): git tag v1.2.0"]


def test_a_version_of_development_is_none(root):
    change(root, "setup.cfg", "1.2.0", "1.2.0.dev0")
    assert problems(root)[0] == "setup.cfg: version 1.2.0.dev0 is none to release; take one such as 1.2.3 or 1.2.3rc1"


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("CHANGELOG.md", "## [Unreleased]\n", "## [Unreleased]\n\n- More.\n", "CHANGELOG.md: [Unreleased] has lines; they belong to 1.2.0"),
        ("CHANGELOG.md", "[1.2.0]", "[1.2.1]", "CHANGELOG.md has no section `## [1.2.0] - YYYY-MM-DD` that says what is new"),
        ("CHANGELOG.md", "- New.", "", "CHANGELOG.md has no section `## [1.2.0] - YYYY-MM-DD` that says what is new"),
        ("CHANGELOG.md", "2026-11-28", "2026-11-31", "CHANGELOG.md: 2026-11-31 is no date (YYYY-MM-DD)"),
        ("CITATION.cff", "\nversion: 1.2.0", "\nversion: 1.1.0", "CITATION.cff does not say `version: 1.2.0`"),
        ("CITATION.cff", "11-28", "11-27", 'CITATION.cff does not say `date-released: "2026-11-28"`'),
    ],
)  # fmt: skip
def test_changelog_and_citation_must_say_it(root, name, old, new, problem):
    change(root, name, old, new)
    assert problem in problems(root)


def test_a_wheel_holds_the_files_of_src_and_no_others(root):
    wheel = root / "transformers_mvgpt-1.2.0-py3-none-any.whl"
    names = [
        "transformers_mvgpt/__init__.py",
        "transformers_mvgpt/py.typed",
        f"{ABOUT}/METADATA",
        f"{ABOUT}/licenses/LICENSE",
    ]
    write_wheel(wheel, names)
    assert wheel_problems(root, wheel) == []
    write_wheel(wheel, ["transformers_mvgpt/__init__.py", "tests/test_it.py", f"{ABOUT}/METADATA"])
    assert wheel_problems(root, wheel) == [
        f"{wheel.name} lacks transformers_mvgpt/py.typed",
        f"{wheel.name} has tests/test_it.py, which is not in src/",
        f"{wheel.name} lacks LICENSE",
    ]


def write_wheel(path, names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "")
