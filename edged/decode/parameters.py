"""The parameters of a decoder, checked against the record that it declares."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, MinLen

from edged.core.errors import ModelRejected
from edged.core.model import Parameter

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def parse(record: type[T], parameters: Mapping[str, Parameter], decoder: str) -> T:
    """``record`` (made by ``@settings``) filled with ``parameters``; raises ModelRejected for a key that is unknown or missing,
    or a bad value."""
    hints = get_type_hints(record, include_extras=True)
    known = {field.name: field for field in fields(record)}
    for key, value in parameters.items():
        if key not in known:
            raise ModelRejected(f"decoder {decoder} has no parameter {key!r}", hint=suggestion(key, known))
        _check(f"parameter {key} of decoder {decoder}", value, hints[key])
    for key, field in known.items():
        if key not in parameters and _required(field):
            raise ModelRejected(
                f"decoder {decoder} needs the parameter {key}", hint=f"state it in the manifest; it has to be {_wanted(hints[key])}"
            )
    return record(**parameters)


def suggestion(word: str, known: Iterable[str]) -> str:
    """The known words, and the one that was probably meant."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    return (f"did you mean {close[0]!r}? " if close else "") + f"known: {', '.join(known)}"


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _check(what: str, value: Parameter, hint: Any) -> None:
    if not _is_of(value, get_args(hint)[0] if hasattr(hint, "__metadata__") else hint):
        raise ModelRejected(f"{what} is {value!r}", hint=f"it has to be {_wanted(hint)}")
    for bound in getattr(hint, "__metadata__", ()):
        for number in value if isinstance(value, tuple) and not isinstance(bound, MinLen) else (value,):
            holds, words = _holds(number, bound)
            if not holds:
                raise ModelRejected(f"{what} is {value!r}", hint=f"it has to be {words}")


def _is_of(value: Parameter, kind: Any) -> bool:
    """Whether a value from TOML is of ``kind``; numbers in an array are numbers, whole or not."""
    if get_origin(kind) is Literal:
        return isinstance(value, str) and value in get_args(kind)
    if get_origin(kind) is tuple:
        return isinstance(value, tuple)
    return type(value) in ((int, float) if kind is float else (kind,))


def _wanted(hint: Any) -> str:
    kind = get_args(hint)[0] if hasattr(hint, "__metadata__") else hint
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(repr, get_args(kind)))}"
    return "a list of numbers" if get_origin(kind) is tuple else f"of type {kind.__name__}"


def _holds(value: Any, bound: object) -> tuple[bool, str]:
    match bound:
        case Ge(ge=limit):
            return operator.ge(value, limit), f"at least {limit}"
        case Gt(gt=limit):
            return operator.gt(value, limit), f"above {limit}"
        case Le(le=limit):
            return operator.le(value, limit), f"at most {limit}"
        case MinLen(min_length=limit):
            return len(value) >= limit, f"{limit} numbers or more"
        case _:
            raise TypeError(f"no rule for the bound {bound}")
