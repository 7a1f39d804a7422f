"""The parameters of a decoder, checked against the record that it declares."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from annotated_types import Ge, Le

from edged.core.errors import ModelRejected
from edged.core.model import Parameter

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def parse(record: type[T], parameters: Mapping[str, Parameter], decoder: str) -> T:
    """``record`` (made by ``@settings``) filled with ``parameters``; raises ModelRejected for an unknown key or a bad value."""
    hints = get_type_hints(record, include_extras=True)
    known = [field.name for field in fields(record)]
    for key, value in parameters.items():
        if key not in known:
            raise ModelRejected(f"decoder {decoder} has no parameter {key!r}", hint=suggestion(key, known))
        _check(f"parameter {key} of decoder {decoder}", value, hints[key])
    return record(**parameters)


def suggestion(word: str, known: Iterable[str]) -> str:
    """The known words, and the one that was probably meant."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    return (f"did you mean {close[0]!r}? " if close else "") + f"known: {', '.join(known)}"


def _check(what: str, value: Parameter, hint: Any) -> None:
    kind: type = getattr(hint, "__origin__", hint)
    accepted = (int, float) if kind is float else (kind,)
    if type(value) not in accepted:
        raise ModelRejected(f"{what} is {value!r}", hint=f"it has to be of type {kind.__name__}")
    for bound in getattr(hint, "__metadata__", ()):
        match bound:
            case Ge(ge=limit):
                holds, words = operator.ge(value, limit), f"at least {limit}"
            case Le(le=limit):
                holds, words = operator.le(value, limit), f"at most {limit}"
            case _:
                raise TypeError(f"{what}: no rule for the bound {bound}")
        if not holds:
            raise ModelRejected(f"{what} is {value!r}", hint=f"it has to be {words}")
