"""How much the event store keeps."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Gt, Le

from edged.core.settings import settings


@settings
class StoreSettings:
    """The bounds of the event store. Whichever is reached first drops the oldest events, delivered or not."""

    max_events: Annotated[int, Ge(100)] = 500_000
    """Events kept at most."""

    max_mb: Annotated[int, Ge(2), Le(1_000_000)] = 256
    """Size of the database file in MiB at most. A journal of a few MiB and a reserve of 4 MiB for a full disk lie beside it."""

    max_age_days: Annotated[float, Gt(0), Le(36_500)] = 30.0
    """Days an event is kept at most. The age of what was stored while the clock was not synchronised cannot be told: it goes when
    something later goes."""
