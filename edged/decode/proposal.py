"""What a decoder thinks of a model that names none."""

from __future__ import annotations

from dataclasses import dataclass, field

from edged.core.model import Parameter


@dataclass(frozen=True, slots=True)
class Proposal:
    """A decoder for a person to judge: its ``name`` (``None``: nothing fits), ``why``, and ``parameters`` for the manifest."""

    name: str | None
    why: str
    parameters: dict[str, Parameter] = field(default_factory=dict)
