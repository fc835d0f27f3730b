# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""The site that `make docs` makes: strictly, of every page and public name, without dead links and without other hosts."""

import importlib
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

import transformers_mvgpt


ROOT = Path(__file__).parents[1]
# what a browser fetches by itself
FETCHED = {"script": "src", "img": "src", "source": "src", "video": "src", "iframe": "src", "link": "href"}
NOT_FETCHED = {"canonical", "prev", "next", "alternate"}
PACKAGE = Path(transformers_mvgpt.__file__).parent


@dataclass
class Page(HTMLParser):
    path: Path
    anchors: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    fetched: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        address = values.get(FETCHED.get(tag, ""), "")
        if address and values.get("rel") not in NOT_FETCHED:
            self.fetched.add(address)
        if tag == "a" and "href" in values:
            self.links.add(values["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site that could be built, strictly."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    said = result.stdout + result.stderr
    assert result.returncode == 0 and "WARNING" not in said, (
        f"mkdocs says:\n{said}\nA page that is not in `nav` of mkdocs.yml belongs there."
    )
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    # 404.html is shown at any address
    return {path: Page(path) for path in sorted(site.rglob("*.html")) if path.name != "404.html"}


@cache
def public_names() -> dict[str, str]:
    """Each public name, by its path in the package that has it."""
    names = {}
    for file in sorted(PACKAGE.rglob("__init__.py")):
        if "__all__" in file.read_text("utf-8"):
            package = importlib.import_module(".".join(file.parent.relative_to(PACKAGE.parent).parts))
            names |= {f"{package.__name__}.{name}": name for name in package.__all__}
    return names


def test_every_public_name_is_documented(pages):
    """Under one of its paths, as the package and a room in it may both have it."""
    anchors = {anchor for path, page in pages.items() if path.parent.name == "api" for anchor in page.anchors}
    documented = {public_names()[path] for path in public_names() if path in anchors}
    missing = sorted({path for path, name in public_names().items() if name not in documented})
    assert missing == [], "write `::: PATH` of these into a page of docs/api/"


def test_links_lead_somewhere(pages):
    dead = []
    for path, page in pages.items():
        for link in page.links | page.fetched:
            target, anchor = urldefrag(link)
            if urlsplit(target).scheme:
                continue
            file = (path.parent / unquote(target)).resolve() if target else path
            file = file / "index.html" if file.is_dir() else file
            if not file.is_file():
                dead.append((path.name, link))
            elif anchor and file in pages and unquote(anchor) not in pages[file].anchors:
                dead.append((path.name, link))
    assert dead == []


def test_nothing_is_fetched_from_other_hosts(site, pages):
    assert {address for page in pages.values() for address in page.fetched if re.match(r"(\w+:)?//", address)} == set()
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheet.read_text("utf-8")), sheet.name


def test_links_out_of_the_folder_lead_into_the_site(site, pages):
    """On GitHub they lead to files of the repository, which tests/test_pages.py looks at."""
    assert "repository/SECURITY.html" in pages[site / "pipeline.html"].links
    assert (
        "../repository/src/transformers_mvgpt/families.py.html" in pages[site / "contributing" / "family.html"].links
    )


def test_docstrings_are_rendered(site, pages):
    text = (site / "api" / "chat.html").read_text("utf-8")
    assert "<strong>Parameters</strong>" in text and "<dt><code>video</code></dt>" in text
    # a link of the docstring
    assert re.search(r'<a class="autorefs [^>]*href="#transformers_mvgpt.VideoChat.ask"><code>ask</code>', text)
    for page in pages:
        if page.parent.name == "api":
            content = re.sub(r"<(pre|code).*?</\1>", "", page.read_text("utf-8"), flags=re.DOTALL)
            assert not re.search(r"^\s*(<p>)?(Args|Returns|Raises):", content, re.MULTILINE), page.name
            assert "[`" not in content and "[<code>" not in content, page.name
