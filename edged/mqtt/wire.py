"""How values are written on the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

encode = msgspec.json.Encoder().encode
"""A payload as one line of JSON."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999, beyond which RFC 3339 has no way to write a time."""


def rfc3339(unix_ms: int) -> str:
    """In UTC, with milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=min(max(unix_ms, 0), _LAST_MS))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
