# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
Links that lead out of `docs/`. On GitHub they lead to files of the repository; in the site each of these files has a page below
`repository/`, so that the same link leads there. MkDocs calls the functions whose names begin with `on_`.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel


ROOT = Path(__file__).parents[2]
FOLDER = "repository"

# A fenced block, which holds no links, or the target of a link or picture.
_FENCE_OR_LINK = re.compile(r"^( *)(`{3,}).*?^\1\2 *$|(?<=\]\()[^)\s]+(?=\))", re.MULTILINE | re.DOTALL)
_NEEDS = re.compile(r"^<!-- needs: (.*?) -->\n", re.MULTILINE | re.DOTALL)
_LANGUAGES = {".py": "python", ".sh": "bash", ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds a page for each file outside of `docs/` that `nav` names or a page links, and for those that these link."""
    added: set[str] = set()
    pending = [uri.removeprefix(f"{FOLDER}/") for uri in _leaves(config.nav) if uri.startswith(f"{FOLDER}/")]
    for file in files.documentation_pages():
        pending += _linked(f"docs/{file.src_uri}")
    while pending:
        path = pending.pop()
        if path in added or path.startswith("docs/") or not (ROOT / path).exists():
            continue
        added.add(path)
        files.append(_file(path, config))
        if path.endswith(".md"):
            pending += _linked(path)
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Leads links to where the site has what they name, and shows what a block of code needs."""
    uri = page.file.src_uri
    source = uri.removeprefix(f"{FOLDER}/") if uri.startswith(f"{FOLDER}/") else f"docs/{uri}"

    def lead(match: re.Match[str]) -> str:
        link = match[0]
        if match[2] or (path := _repository_path(source, link)) is None:
            return link
        _, hash_sign, anchor = link.partition("#")
        return posixpath.relpath(_site_uri(path), posixpath.dirname(uri) or ".") + hash_sign + anchor

    return _NEEDS.sub(lambda match: f'<p class="needs">Needs {match[1]}.</p>\n\n', _FENCE_OR_LINK.sub(lead, markdown))


def _leaves(nav: Any) -> list[str]:
    """The pages of a `nav`, which is made of lists and mappings."""
    if isinstance(nav, str):
        return [nav]
    entries = nav.values() if isinstance(nav, dict) else nav or []
    return [uri for entry in entries for uri in _leaves(entry)]


def _linked(source: str) -> list[str]:
    """What the page `source` links in the repository."""
    links = (match[0] for match in _FENCE_OR_LINK.finditer((ROOT / source).read_text("utf-8")) if not match[2])
    return [path for link in links if (path := _repository_path(source, link)) is not None]


def _repository_path(source: str, link: str) -> str | None:
    """Where a link of the file `source` leads in the repository; None for an address or an anchor of the same page."""
    path = link.partition("#")[0]
    if not path or re.match(r"[a-z][a-z0-9+.-]*:", path):
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), path))


def _site_uri(path: str) -> str:
    """Where the site has a file of the repository, as the name of its source."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.endswith((".md", ".png", ".svg")):
        return f"{FOLDER}/{path}"
    return f"{FOLDER}/{path}.md"


def _file(path: str, config: MkDocsConfig) -> File:
    file = ROOT / path
    uri = _site_uri(path)
    if path.endswith((".png", ".svg")):
        return File.generated(config, uri, abs_src_path=str(file))
    if path.endswith(".md"):
        content = file.read_text("utf-8")
    elif file.is_dir():
        names = sorted(entry.name + "/" * entry.is_dir() for entry in file.iterdir() if entry.name[0] not in "._")
        content = f"# {path}\n\n" + "".join(f"- `{name}`\n" for name in names)
    else:
        text = file.read_text("utf-8")
        fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`{3,}", text))])
        content = f"# {path}\n\n{fence}{_LANGUAGES.get(file.suffix, 'text')}\n{text}{fence}\n"
    return File.generated(config, uri, content=content, inclusion=InclusionLevel.NOT_IN_NAV)
