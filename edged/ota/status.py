"""Where an update stands, in the words that reach an operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edged.core.errors import UpdateCode
from edged.core.event import UpdateState
from edged.ota.target import Kind

State = UpdateState

Code = Literal["ok", UpdateCode]
"""Why it stands there; ``ok`` where nothing is wrong."""


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """One followed id on one device. ``detail`` is one line for people; ``chunks`` of ``chunks_total`` are there."""

    kind: Kind
    id: str
    sequence: int
    version: str
    sha256: str
    state: State
    code: Code
    detail: str
    chunks: int
    chunks_total: int
    at_ns: int
