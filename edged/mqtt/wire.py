"""How values are written on the wire, and in what units: what the schema says of a field besides its type."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from edged.core.event import Point
from edged.core.track import Box

encode = msgspec.json.Encoder().encode
"""A payload as one line of JSON."""

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Seconds = Annotated[float, Meta(extra_json_schema={"x-unit": "s"})]
WholeSeconds = Annotated[int, Meta(extra_json_schema={"x-unit": "s"})]
Milliseconds = Annotated[float, Meta(extra_json_schema={"x-unit": "ms"})]
Microseconds = Annotated[int, Meta(extra_json_schema={"x-unit": "us"})]
Bytes = Annotated[int, Meta(extra_json_schema={"x-unit": "By"})]
Hertz = Annotated[float, Meta(extra_json_schema={"x-unit": "Hz"})]
Percent = Annotated[float, Meta(extra_json_schema={"x-unit": "%"})]
Megabytes = Annotated[float, Meta(extra_json_schema={"x-unit": "MB"})]
WholeMegabytes = Annotated[int, Meta(extra_json_schema={"x-unit": "MB"})]
Celsius = Annotated[float, Meta(extra_json_schema={"x-unit": "Cel"})]
Score = Annotated[float, Meta(extra_json_schema={"x-unit": "1"})]
Pixels = Annotated[int, Meta(extra_json_schema={"x-unit": "px"})]
PixelBox = Annotated[Box, Meta(extra_json_schema={"x-unit": "px"})]
PixelPoint = Annotated[Point, Meta(extra_json_schema={"x-unit": "px"})]
"""Units by UCUM (https://ucum.org), and px."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999
"""The last millisecond of the year 9999, beyond which RFC 3339 has no way to write a time."""


def rfc3339(unix_ms: int) -> str:
    """In UTC, with milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=min(max(unix_ms, 0), _LAST_MS))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
