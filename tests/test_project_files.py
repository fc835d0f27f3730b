# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""What the project says of itself in several places is the same in all: Pythons, releases of transformers, targets, versions."""

import configparser
import re
import subprocess
from pathlib import Path

import pytest
import yaml


ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(scope="module")
def settings():
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg", encoding="utf-8")
    return found


def read(name):
    return yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text("utf-8"))


def steps_of(workflow):
    return [step for job in workflow["jobs"].values() for step in job.get("steps", [])]


def commands_of(target):
    """What `make` would run."""
    return subprocess.run(
        ["make", "--dry-run", "--always-make", target], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout


def test_pythons(settings):
    """The matrix tries those that setup.cfg declares, from the oldest that it allows and tools write for."""
    [oldest] = re.findall(r"^>=(3\.\d+)$", settings["options"]["python_requires"])
    declared = re.findall(r"Python :: (3\.\d+)$", settings["metadata"]["classifiers"], re.M)
    assert read("tests.yml")["jobs"]["tests"]["strategy"]["matrix"]["python"] == declared
    assert declared[0] == oldest and declared == [
        f"3.{minor}" for minor in range(int(oldest[2:]), int(oldest[2:]) + len(declared))
    ]
    assert f'target-version = "py{oldest.replace(".", "")}"' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_releases_of_transformers(settings):
    """`make test` has the newest that setup.cfg allows, `make test-floor` the oldest; the matrix runs both."""
    [floor] = re.findall(r"^transformers>=([\d.]+),<6$", settings["options"]["install_requires"], re.M)
    assert f" transformers=={floor} " in commands_of("test-floor")
    assert read("tests.yml")["jobs"]["tests"]["strategy"]["matrix"]["target"] == ["test", "test-floor"]


def test_workflows_run_what_ci_runs():
    """The targets of .ci/run, with nothing skipped that it does not skip."""
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    workflow = read("tests.yml")
    runs = [step["run"] for step in steps_of(workflow) if step.get("run", "").startswith("make")]
    targets = [run.split()[1] for run in runs if "matrix" not in run]
    targets += workflow["jobs"]["tests"]["strategy"]["matrix"]["target"]
    assert sorted(targets) == sorted(re.findall(r"^make (\S+)$", script, re.M))
    must = re.findall(r"(FAIL_WITHOUT_\w+)=1", script)
    assert must and {name: workflow["env"].get(name) for name in must} == dict.fromkeys(must, 1)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_have_few_rights(path):
    """Actions are of one commit each, jobs end, nothing may be written but where that is the job's purpose, and no password lies about."""
    text = path.read_text("utf-8")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert "secrets." not in text and workflow["concurrency"]["group"]
    for name, job in workflow["jobs"].items():
        if "uses" in job:  # another workflow of these, and no more than what it needs
            assert job == {"uses": job["uses"]} and (ROOT / job["uses"]).resolve() in WORKFLOWS
            continue
        assert job["timeout-minutes"] <= 75
        assert ("permissions" in job) == (name == "publish")
    for step in steps_of(workflow):
        assert re.fullmatch(r"[\w/.-]+@[0-9a-f]{40}", step.get("uses", f"a@{'0' * 40}")), step
        if "actions/checkout@" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
    versions = re.findall(r"uses: (\S+@\S+)(.*)$", text, re.M)
    assert all(re.fullmatch(r" # v\d+\.\d+\.\d+", comment) for _, comment in versions)


def test_nothing_is_published_before_the_tests_have_passed():
    """PyPI takes nothing back: a release waits for all that is tried of a pull request."""
    jobs = read("release.yml")["jobs"]
    assert jobs["tests"] == {"uses": "./.github/workflows/tests.yml"} and set(jobs["publish"]["needs"]) == {
        "tests",
        "build",
    }
    # YAML takes `on` for a truth value
    assert "workflow_call" in read("tests.yml")[True]
    groups = [read(name)["concurrency"]["group"] for name in ("tests.yml", "release.yml")]
    assert groups[0] != groups[1]


def test_actions_have_one_version():
    used = [step["uses"] for path in WORKFLOWS for step in steps_of(read(path.name)) if "uses" in step]
    assert len({name.partition("@")[0] for name in used}) == len(set(used))


def test_targets_of_make():
    """Those that workflows, README and CONTRIBUTING name are there, and are no files."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    [phony] = re.findall(r"^\.PHONY: (.*)$", makefile, re.M)
    texts = [path.read_text("utf-8") for path in (*WORKFLOWS, ROOT / "README.md", ROOT / "CONTRIBUTING.md")]
    named = {name for text in texts for name in re.findall(r"(?:`|run: |\$ )make ([a-z][a-z-]+)", text)}
    assert named and named <= set(phony.split())
    assert all(re.search(rf"^{name}:", makefile, re.M) for name in phony.split())


def test_readme_s_commands_run_after_make_demo():
    """It installs matplotlib too, for the picture of `mvgpt frames`, which the package itself does not require."""
    text = (ROOT / "README.md").read_text("utf-8")
    assert text.index("$ make demo") < text.index("$ mvgpt frames ") and "-o frames.png" in text
    assert '--editable ".[plots]"' in commands_of("demo")


def test_the_site_is_published_from_where_it_is_built():
    [folder] = [
        step["with"]["path"] for step in steps_of(read("docs.yml")) if "pages-artifact" in step.get("uses", "")
    ]
    assert re.findall(r"^site_dir: (\S+)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M) == [folder]


def test_what_a_citation_says():
    """Valid in what tools need, with the papers that README names, and no invented person."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["cff-version"] == "1.2.0" and citation["license"] == "Apache-2.0"
    assert citation["authors"] == [{"name": "The transformers-mvgpt authors"}]
    papers = {reference["url"] for reference in citation["references"]}
    assert papers == set(re.findall(r"https://arxiv\.org/abs/[\d.]+", (ROOT / "README.md").read_text("utf-8")))
    assert all(
        author["name"].startswith("The authors of ") for item in citation["references"] for author in item["authors"]
    )
