"""How far updates are, as it is said over MQTT. Field names are the names on the wire, as in ``payload.py``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from edged.core.clock import ClockReading
from edged.core.event import UpdateState
from edged.mqtt.facts import UpdateFacts
from edged.mqtt.wire import Time, encode, rfc3339


class FollowedPayload(Struct, kw_only=True):
    """One thing that is followed; ``chunks`` of ``chunks_total`` are there. Codes are added as edged learns to tell more apart."""

    target_kind: str
    target_id: str
    sequence: int
    version: str
    sha256: str
    state: UpdateState
    code: str
    detail: str
    chunks: int
    chunks_total: int
    since: Time


class UpdatesPayload(Struct, kw_only=True):
    """Everything that the device follows, by kind and id."""

    updates: tuple[FollowedPayload, ...]
    v: Literal[1] = 1


def encode_updates(statuses: Iterable[UpdateFacts], now: ClockReading) -> bytes:
    """All of them as one line of JSON."""
    return encode(
        UpdatesPayload(
            updates=tuple(
                FollowedPayload(
                    target_kind=it.kind,
                    target_id=it.id,
                    sequence=it.sequence,
                    version=it.version,
                    sha256=it.sha256,
                    state=it.state,
                    code=it.code,
                    detail=it.detail,
                    chunks=it.chunks,
                    chunks_total=it.chunks_total,
                    since=rfc3339(now.unix_ms_at(it.at_ns)),
                )
                for it in sorted(statuses, key=lambda it: (it.kind, it.id))
            )
        )
    )
