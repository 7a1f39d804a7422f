"""What the validator found, in words for the person who wrote the file."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic_core import ErrorDetails

from edged.config.lines import KeyPath

EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text in quotes",
    "path_type": "a path in quotes",
    "dict_type": "a table",
    "tuple_type": "a list in brackets",
    "missing": "more items",
    "too_short": "at least {min_length} items",
    "too_long": "at most {max_length} items",
    "dataclass_type": "a table",
    "literal_error": "{expected}",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "string_pattern_mismatch": "a name: 1 to 32 of a-z, 0-9, _ and -, not beginning with _ or -",
}
"""pydantic's kinds of error (https://docs.pydantic.dev/latest/errors/validation_errors/) as what was expected."""

LOGIN = re.compile(r"://[^\s/]*@")
"""A login in front of a host."""

SECRET = re.compile("password|secret|token")
MAX_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """``text`` says what is wrong with the key at ``path`` and what was expected."""

    path: KeyPath
    text: str


def problems_of(errors: Iterable[ErrorDetails], data: Mapping[str, Any], root: type) -> list[Problem]:
    """One problem for each key that the validator of ``root`` objects to in ``data``."""
    by_path: dict[KeyPath, list[ErrorDetails]] = {}
    for error in errors:
        by_path.setdefault(_path(error, data), []).append(error)
    return [Problem(path, _text(path, found, data, root)) for path, found in by_path.items()]


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """``, did you mean "X"?`` with the closest of ``known``, or nothing if none is close."""
    closest = difflib.get_close_matches(given, list(known), n=1)
    return f', did you mean "{closest[0]}"?' if closest else ""


def fields_at(root: type, path: KeyPath) -> tuple[str, ...]:
    """The keys that the record at ``path`` below the record ``root`` knows; empty if there is no record."""
    at: Any = root
    for key in path:
        if get_origin(at) is dict:
            at = get_args(at)[1]
        else:
            at = _record(get_type_hints(at).get(key)) if dataclasses.is_dataclass(at) else None
    return tuple(field.name for field in dataclasses.fields(at)) if dataclasses.is_dataclass(at) else ()


def _record(hint: Any) -> Any:
    """The type itself, or what is optional in it."""
    if get_origin(hint) in {Union, types.UnionType}:
        return next((member for member in get_args(hint) if dataclasses.is_dataclass(member)), None)
    return hint


def _path(error: ErrorDetails, data: Mapping[str, Any]) -> KeyPath:
    """The error's place without what pydantic adds to it: the members of unions, and "[key]" for a bad key."""
    path: list[str] = []
    at: Any = data
    for step in map(str, error["loc"]):
        if not isinstance(at, dict) or (step not in at and error["type"] != "missing"):
            break
        path.append(step)
        at = at.get(step)
    return tuple(path)


def _text(path: KeyPath, errors: list[ErrorDetails], data: Mapping[str, Any], root: type) -> str:
    kind = errors[0]["type"]
    if kind == "missing" and errors[0]["loc"][-1] == path[-1]:  # else an item of a list
        return "missing, and has no default"
    if kind == "unexpected_keyword_argument":
        return _unknown(path, fields_at(root, path[:-1]))
    # Of a union, the member that had the right type says more than those that had not.
    telling = [error for error in errors if not error["type"].endswith("_type")] or errors
    words = (EXPECTED.get(error["type"], error["msg"]).format_map(error.get("ctx", {})) for error in telling)
    expected = " or ".join(dict.fromkeys(words))
    if errors[0]["loc"][-1] == "[key]":
        return f"expected {expected}"
    value: Any = data
    for key in path:
        value = value[key]
    guess = did_you_mean(value, re.findall("'([^']*)'", expected)) if kind == "literal_error" and isinstance(value, str) else ""
    return f"got {_shown(value)}, expected {expected}{guess}"


def _unknown(path: KeyPath, known: tuple[str, ...]) -> str:
    """Never shows the value: a person may have put a secret there."""
    references = [name for name in known if SECRET.search(name)]
    if SECRET.search(path[-1]) and references:
        return f"unknown key; no secret is written here, use {' or '.join(references)}"
    return f"unknown key, expected {', '.join(known)}{did_you_mean(path[-1], known)}"


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, date | time) else json.dumps(value, default=str, ensure_ascii=False)
    text = LOGIN.sub("://…@", text)  # as a person may paste the address of a camera, with its password, into any key
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
