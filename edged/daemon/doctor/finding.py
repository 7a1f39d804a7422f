"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail", "skip"]
"""``fail`` keeps edged from doing its work, ``warn`` does not; ``skip`` says that there was nothing to look at."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check: ``what`` is true, and ``fix``, if not empty, is what to do about it.

    ``code`` is that of the trouble in the table, which never changes its meaning, and "" for ``ok`` and ``skip``.
    """

    name: str
    status: Status
    what: str
    fix: str = ""
    code: str = ""
