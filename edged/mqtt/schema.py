"""JSON Schema of payloads, in the words that every draft since 7 and AsyncAPI have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

Schema = dict[str, Any]


def schemas(structs: Sequence[type[Struct]], ref_template: str) -> tuple[tuple[Schema, ...], dict[str, Schema]]:
    """A schema for each, and the components that they refer to by ``ref_template``."""
    found, components = msgspec.json.schema_components(structs, ref_template=ref_template)
    return tuple(map(_plain, found)), {name: _plain(component) for name, component in components.items()}


def _plain(schema: Any) -> Any:
    """Without ``prefixItems``, new in 2020-12: all tuples are of one type. Of what we say every field is required, since no default
    is left out; of what we hear, which may hold no other fields, those that have no default."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain(value) for key, value in schema.items() if key not in {"prefixItems", "default"}}
    if "prefixItems" in schema:
        first, *others = schema["prefixItems"]
        if any(other != first for other in others):
            raise AssertionError(f"a tuple of several types has no plain schema: {schema}")
        plain["items"] = _plain(first)
    if "properties" in schema and schema.get("additionalProperties") is not False:
        plain["required"] = list(schema["properties"])
    return plain
