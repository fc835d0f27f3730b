# Copyright 2026 The transformers-mvgpt authors. Licensed under the Apache License, Version 2.0.
"""Answers as a Parquet file, made of a file of lines and made into one again."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..compat.safetensors_files import full_disk_is_named
from ..training.sources import open_sources
from .answer_lines import in_unicode, read_rows


_ROWS_PER_GROUP = 1000
# In the file's metadata: columns whose text is JSON.
_JSON_COLUMNS = b"transformers_mvgpt.json_columns"


def write_parquet(lines: Path, target: Path) -> None:
    """
    Makes a Parquet file of a file of lines. It has the columns `answer` and `error` in any case. A column whose
    values have types that do not go together becomes text: JSON. Texts that are no Unicode are written out, see [`in_unicode`].

    Raises:
        ImportError: if pyarrow is missing.
    """
    import pyarrow
    from pyarrow import parquet

    names: dict[str, None] = {}
    mixed: set[str] = set()
    types: dict[str, Any] = {}
    for rows in _groups(lines):
        for row in rows:
            names.update(dict.fromkeys(row))
        for name in names:
            if name in mixed:
                continue
            try:
                found = pyarrow.array([row.get(name) for row in rows]).type
                known = types.get(name, pyarrow.null())
                fields = [pyarrow.schema([pyarrow.field(name, kind)]) for kind in (known, found)]
                types[name] = pyarrow.unify_schemas(fields, promote_options="permissive").field(0).type
                if _has_empty_struct(types[name]):
                    mixed.add(name)
            except (pyarrow.ArrowException, OverflowError):
                mixed.add(name)
    names.update(dict.fromkeys(("answer", "error")))  # also where there is none
    types |= {name: types.get(name, pyarrow.null()) for name in names}
    types |= dict.fromkeys(mixed, pyarrow.string())
    types |= {name: pyarrow.string() for name, kind in types.items() if kind == pyarrow.null()}
    metadata = {_JSON_COLUMNS: json.dumps(sorted(mixed))}
    schema = pyarrow.schema([pyarrow.field(name, types[name]) for name in names], metadata=metadata)
    with full_disk_is_named(target), parquet.ParquetWriter(target, schema) as writer:
        for rows in _groups(lines):
            for row in rows:
                row |= {name: json.dumps(row[name]) for name in mixed if row.get(name) is not None}
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))


def _has_empty_struct(kind: Any) -> bool:
    """Whether there is an object without keys in it, which Parquet cannot hold."""
    from pyarrow import types

    fields = [kind.field(index).type for index in range(kind.num_fields)]
    return (types.is_struct(kind) and not fields) or any(map(_has_empty_struct, fields))


def _groups(lines: Path) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    for _, _, row in read_rows(lines):
        rows.append(in_unicode(row))
        if len(rows) == _ROWS_PER_GROUP:
            yield rows
            rows = []
    if rows:
        yield rows


def parquet_rows(source: Path) -> Iterator[dict[str, Any]]:
    """The rows that [`write_parquet`] was given, without what is None."""
    from pyarrow import parquet

    columns = json.loads((parquet.read_schema(source).metadata or {}).get(_JSON_COLUMNS, b"[]"))
    for row in open_sources(source)[0]:
        given = {name: value for name, value in row.items() if value is not None}
        yield given | {name: json.loads(given[name]) for name in columns if name in given}
