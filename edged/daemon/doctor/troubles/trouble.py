"""A state that ``edged doctor`` recognises, with what a person has to know about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["warn", "fail", "warn or fail"]
"""As ``Status`` of a finding; it may depend on the configuration, and then a check says which."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One row of the table. ``code`` never changes its meaning; ``check`` is the finding's name, with NAME for a configured one.

    ``seen`` is what a person sees of it (a line of the log, a symptom), ``meaning`` what it is, ``fix`` what to do. The fix of a
    finding may say the same more exactly, with the paths and names of the case.
    """

    code: str
    check: str
    severity: Severity
    seen: str
    meaning: str
    fix: str
