# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""
The code that a model needs, as files of one flat folder. transformers finds the files of remote code by a regular expression
that knows `from .file import name` at the start of a line and nothing else, so that is how each import is written here.
"""

import ast
import io
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path


PACKAGE = Path(__file__).parents[1]
# An import in an exported file leads to one of these folders, never to `__init__` or to what the package is beside them.
EXPORTED_ROOMS = ("compat", "kernels", "modeling", "video", "processing")
# All files of code begin with it, in a later version with another year perhaps.
LICENSE_LINE = "# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0."
_LICENSE_LINE = re.compile(r"# Copyright \d{4} The transformers-mvgpt authors\.")
_IMPORT_HEAD = re.compile(r"from\b[\s\\]*[.\w\s\\]*?\bimport\b")


def import_closure(
    entry_points: Iterable[Path],
    instead: Mapping[str, str] | None = None,
    rooms: Collection[str] = EXPORTED_ROOMS,
    module: str = ".{}",
) -> dict[str, str]:
    """
    The entry points and all that they import of this package, directly or not.

    Args:
        entry_points (`Iterable[Path]`): files in the exported rooms.
        instead (`Mapping[str, str]`, *optional*): code that takes the place of a file's own, by the file's name.
        rooms (`Collection[str]`): those that imports may lead to.
        module (`str`): what a file is imported as, of its name.

    Returns:
        `dict[str, str]`: the code of each file by its name, in the order of the names.

    Raises:
        ValueError: if an import has a form that transformers overlooks, leads out of the exported rooms or to a file whose name
            another one has.
    """
    found: dict[str, Path] = {}
    code: dict[str, str] = {}
    pending = list(entry_points)
    while pending:
        file = pending.pop()
        if (known := found.setdefault(file.name, file)) != file:
            raise ValueError(f"{known} and {file} would be one file of a flat folder: give one of them another name.")
        if file.name not in code:
            own = (instead or {}).get(file.name)
            text = file.read_text("utf-8") if own is None else own
            code[file.name], imported = _flatten(text, file, rooms, module)
            pending += imported
    return dict(sorted(code.items()))


def is_own_code(file: Path) -> bool:
    """Whether a file of code is this package's, of whatever version, by the license on top of it."""
    if file.suffix != ".py" or not file.is_file():
        return False
    with file.open(encoding="utf-8", errors="replace") as stream:
        return _LICENSE_LINE.match(stream.readline()) is not None


def _flatten(code: str, file: Path, rooms: Collection[str], module: str) -> tuple[str, list[Path]]:
    """The code of a file as it stands in a flat folder, and the files of this package that it imports."""
    lines = io.StringIO(code).readlines()
    imported = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.level:
            target = _find(file, node, rooms)
            imported.append(target)
            _rewrite_head(lines, node, f"from {module.format(target.stem)} import", file)
    return "".join(lines), imported


def _find(file: Path, node: ast.ImportFrom, rooms: Collection[str]) -> Path:
    """The file that a relative import names."""
    room, _, name = (node.module or "").rpartition(".")
    folder = file.parent if node.level == 1 else PACKAGE / room
    is_exported = room == "" if node.level == 1 else node.level == 2 and room in rooms
    target = folder / f"{name}.py"
    if not is_exported or not name or not target.is_file():
        raise ValueError(
            f"{file}, line {node.lineno}: `from {'.' * node.level}{node.module or ''} import` names no file of "
            f"{', '.join(rooms)}: write `from .file import name`, or `from ..room.file import name`."
        )
    return target


def _rewrite_head(lines: list[str], node: ast.ImportFrom, head: str, file: Path) -> None:
    """Replaces all from `from` to `import`, in place; the lines stay as many."""
    first = node.lineno - 1
    indent = lines[first].encode()[: node.col_offset].decode()
    if indent.strip():
        raise ValueError(f"{file}, line {node.lineno}: an import must begin its line, or transformers overlooks it.")
    rest = "".join(lines[first:])[len(indent) :]
    found = _IMPORT_HEAD.match(rest)
    assert found is not None  # it was parsed
    num_lines = found[0].count("\n") + 1
    tail = io.StringIO(rest[found.end() :]).readline()
    lines[first : first + num_lines] = [indent + head + tail, *[""] * (num_lines - 1)]
