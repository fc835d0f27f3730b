# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Whether a release can be made, and its files: `make release`. It publishes nothing: pushing the tag does, by .github/workflows/release.yml.

    python tools/release.py check    # the tree, the version and where it stands
    python tools/release.py build    # dist/, looked at, installed in a fresh environment and asked a question
"""

import configparser
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from datetime import date
from pathlib import Path


ROOT = Path(__file__).parents[1]
QUESTION, ANSWER = "What colour is the circle?", "blue"


def version_of(root: Path) -> str:
    settings = configparser.ConfigParser()
    settings.read(root / "setup.cfg", encoding="utf-8")
    return settings["metadata"]["version"]


def problems(root: Path) -> list[str]:
    """Why what is in this repository cannot be released, in a line each."""
    version = version_of(root)
    found = [f"{line[3:]} is not committed" for line in _git(root, "status", "--porcelain").splitlines()]
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version):
        found.append(f"setup.cfg: version {version} is none to release; take one such as 1.2.3 or 1.2.3rc1")
    tags = _git(root, "tag", "--points-at", "HEAD").split()
    if f"v{version}" not in tags:
        found.append(f"the last commit has no tag v{version} ({', '.join(tags) or 'it has none'}): git tag v{version}")
    return found + _changelog_problems(root, version)


def _changelog_problems(root: Path, version: str) -> list[str]:
    found = []
    sections = re.split(r"^## ", (root / "CHANGELOG.md").read_text("utf-8"), flags=re.M)[1:]
    headings = {section.partition("\n")[0]: section.partition("\n")[2].strip() for section in sections}
    if headings.get("[Unreleased]"):
        found.append(f"CHANGELOG.md: [Unreleased] has lines; they belong to {version}")
    dates = re.findall(rf"^## \[{re.escape(version)}\] - (.*)$", "".join(f"## {name}\n" for name in headings), re.M)
    if not dates or not headings[f"[{version}] - {dates[0]}"]:
        return [*found, f"CHANGELOG.md has no section `## [{version}] - YYYY-MM-DD` that says what is new"]
    try:
        date.fromisoformat(dates[0])
    except ValueError:
        found.append(f"CHANGELOG.md: {dates[0]} is no date (YYYY-MM-DD)")
    citation = (root / "CITATION.cff").read_text("utf-8")
    for line in (f"version: {version}", f'date-released: "{dates[0]}"'):
        if line not in citation.splitlines():
            found.append(f"CITATION.cff does not say `{line}`")
    return found


def wheel_problems(root: Path, wheel: Path) -> list[str]:
    """Files of `src/` that a wheel lacks, and those that it has beside them."""
    expected = {name.removeprefix("src/") for name in _git(root, "ls-files", "src").splitlines()}
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    about = {name for name in names if ".dist-info/" in name}
    found = [f"{wheel.name} lacks {name}" for name in sorted(expected - names)]
    found += [f"{wheel.name} has {name}, which is not in src/" for name in sorted(names - about - expected)]
    if not any(name.endswith("/licenses/LICENSE") for name in about):
        found.append(f"{wheel.name} lacks LICENSE")
    return found


def build(root: Path) -> Path:
    """Makes `dist/` anew. Returns the wheel, which was made of the source distribution."""
    shutil.rmtree(root / "dist", ignore_errors=True)
    subprocess.run([sys.executable, "-m", "build", "--outdir", root / "dist", root], check=True)
    files = sorted((root / "dist").iterdir())
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *files], check=True)
    [wheel] = (root / "dist").glob("*.whl")
    return wheel


def try_wheel(wheel: Path, version: str) -> list[str]:
    """Installs a wheel, with all that it requires, in a fresh environment, and asks the small model there."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        programs = Path(folder) / "bin"

        def run(*command: str | Path) -> str:
            # in that folder, so that nothing of the repository is found
            result = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True)
            return result.stdout.strip()

        run(programs / "python", "-m", "pip", "install", "--quiet", wheel)
        clip = run(programs / "python", "-c", "from transformers_mvgpt.demo import CLIP; print(CLIP)")
        said = run(programs / "mvgpt", "--version")
        answer = run(programs / "mvgpt", "ask", clip, QUESTION)
    found = [] if version in said.split() else [f"mvgpt --version says {said}, not {version}"]
    return found if answer == ANSWER else [*found, f"{QUESTION} is answered {answer}, not {ANSWER}"]


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, stdout=subprocess.PIPE, text=True).stdout


def _end_if(found: list[str]) -> None:
    if found:
        sys.exit("No release:\n" + "\n".join(f"- {line}" for line in found))


if __name__ == "__main__":
    _end_if(problems(ROOT))
    if sys.argv[1:] == ["build"]:
        made = build(ROOT)
        _end_if(wheel_problems(ROOT, made) + try_wheel(made, version_of(ROOT)))
        sys.stdout.write(f"Ready. To publish: git push origin v{version_of(ROOT)}\n")
