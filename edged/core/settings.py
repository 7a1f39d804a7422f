"""How a package states its settings.

A settings record is a frozen dataclass with a docstring below each field; bounds are ``annotated_types`` in ``Annotated``. Only
``edged.config`` turns TOML into these records, so that no other package has to import the validator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings(cls: type[T]) -> type[T]:
    """Make ``cls`` a settings record: frozen, slotted, keyword-only, unknown keys refused, field docstrings kept for the schema."""
    # Read by pydantic when edged.config builds the validator; a plain dict here keeps pydantic out of the other processes.
    cls.__pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # type: ignore[attr-defined]
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)
