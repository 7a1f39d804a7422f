"""What consumers rely on, field by field, and whether a change breaks it.

Pure. A field may be added. One that goes, has another type, unit, form or set of values, or is not always there any more, is a
break, unless the payload says so by a greater ``v``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Meaning = dict[str, Any]
Contract = dict[str, Meaning]
"""By place: ``payload.field.field``, ``[]`` for items, ``*`` for any key, ``topic ADDRESS`` for topics."""

STATED = ("x-unit", "format", "enum", "minItems", "maxItems")


def describe(document: Mapping[str, Any]) -> Contract:
    """The contract that an AsyncAPI document states."""
    found: Contract = {}
    for name, channel in document["channels"].items():
        operation = next(
            document["operations"][key] for key in (f"send_{name}", f"receive_{name}") if key in document["operations"]
        )
        binding = operation["bindings"]["mqtt"]
        found[f"topic {channel['address']}"] = {
            "qos": binding["qos"],
            "retain": binding["retain"],
            "payloads": sorted(channel["messages"]),
        }
    for name, message in document["components"]["messages"].items():
        found.update(_fields(message["payload"], name, document, required=True))
    return found


def compare(old: Contract, new: Contract) -> tuple[str, ...]:
    """What of ``old`` does not hold in ``new``, one sentence each; empty if consumers of the one can take the other."""
    renewed = {payload for payload in _payloads(old) if _version(new, payload) > _version(old, payload)}
    return tuple(
        text for place, before in old.items() if _payload(place) not in renewed for text in _breaks(place, before, new.get(place))
    )


def _breaks(place: str, before: Meaning, after: Meaning | None) -> Iterator[str]:
    if after is None:
        yield f"{place} is gone"
        return
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        if key == "payloads":
            if missing := set(was or ()) - set(now or ()):
                yield f"{place} does not carry {', '.join(sorted(missing))} any more"
        elif key == "required":
            if was and not now:
                yield f"{place} is not always there any more"
        elif was != now:
            yield f"{place}: {key} was {was}, is {now}"


def _fields(schema: Any, place: str, document: Mapping[str, Any], *, required: bool) -> Iterator[tuple[str, Meaning]]:
    variants = [_resolved(variant, document) for variant in _resolved(schema, document).get("anyOf", [schema])]
    meaning: Meaning = {"type": sorted({kind for variant in variants for kind in _types(variant)}), "required": required}
    for variant in variants:
        meaning |= {key: sorted(variant[key]) if key == "enum" else variant[key] for key in STATED if key in variant}
    yield place, meaning
    for variant in variants:
        for name, field in variant.get("properties", {}).items():
            yield from _fields(field, f"{place}.{name}", document, required=name in variant.get("required", ()))
        if "items" in variant:
            yield from _fields(variant["items"], f"{place}[]", document, required=True)
        if isinstance(variant.get("additionalProperties"), dict):
            yield from _fields(variant["additionalProperties"], f"{place}.*", document, required=False)


def _resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    return document["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


def _types(schema: Mapping[str, Any]) -> list[str]:
    if "type" in schema:
        kinds = schema["type"]
        return list(kinds) if isinstance(kinds, list) else [kinds]
    return ["integer" if isinstance(value, int) else "string" for value in schema.get("enum", [])]


def _payload(place: str) -> str:
    return place.partition(".")[0]


def _payloads(contract: Contract) -> set[str]:
    return {_payload(place) for place in contract}


def _version(contract: Contract, payload: str) -> int:
    versions: list[int] = contract.get(f"{payload}.v", {}).get("enum", [])
    return max(versions, default=0)
