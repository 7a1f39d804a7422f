"""On which line of a TOML text a key stands. ``tomllib`` does not tell."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

KeyPath = tuple[str, ...]


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line (from 1) at which each table and key of ``text``, valid TOML, is first stated.

    Each statement is parsed alone by ``tomllib``: it ends with the first line at which what was gathered is valid.
    """
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    statement, begin = "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        if not statement:
            begin = number
        statement += line + "\n"
        try:
            parsed = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        paths = list(_paths(parsed))
        if statement.lstrip().startswith("["):
            table = paths[-1]
        else:
            paths = [table + path for path in paths]
        for path in paths:
            found.setdefault(path, begin)
        statement = ""
    return found


def _paths(parsed: dict[str, Any]) -> Iterator[KeyPath]:
    """Every key below ``parsed`` as a path, parents first."""
    for key, value in parsed.items():
        yield (key,)
        if isinstance(value, dict):
            for path in _paths(value):
                yield (key, *path)
