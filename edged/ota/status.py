"""Where an update stands, in the words that reach an operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edged.core.errors import UpdateCode
from edged.ota.target import Kind

State = Literal["queued", "downloading", "verified", "testing", "shadow", "trial", "confirmed", "rejected", "failed", "reverted"]
"""``rejected``: not installed, and not tried again under this sequence; ``failed``: not installed for a reason that may pass, tried
again; ``reverted``: was in use and is no more. The others follow one another."""

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
