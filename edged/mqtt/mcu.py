"""How a microcontroller is, as it is said over MQTT. Field names are the names on the wire, as in ``payload.py``."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from edged.core.clock import ClockReading
from edged.core.mcu import McuCondition, McuCounters, McuState, SelfTestState, TrialState
from edged.mqtt.wire import Bytes, Microseconds, Milliseconds, Time, encode, rfc3339


class McuPayload(Struct, kw_only=True):
    """The state of a microcontroller and since when, what it runs, and what is lost on the way to it."""

    mcu: str
    state: McuCondition
    since: Time
    reason: str
    board: str
    engine: str
    firmware_version: str
    firmware: str
    firmware_state: TrialState
    model_name: str
    model_version: str
    model: str
    model_state: TrialState
    self_test: SelfTestState
    diagnosis: str
    reset_reason: int
    sample_ms: Annotated[int | None, Meta(extra_json_schema={"x-unit": "ms"})]
    boots: int
    arena_used_bytes: Bytes
    arena_size_bytes: Bytes
    stack_free_bytes: Bytes
    invoke_us_mean: Microseconds
    invoke_us_max: Microseconds
    uptime_ms: Milliseconds
    counters: McuCounters
    v: Literal[1] = 1


def encode_mcu(mcu: McuState, now: ClockReading) -> bytes:
    """The state of a microcontroller as one line of JSON."""
    same = {name: getattr(mcu, name) for name in McuPayload.__struct_fields__ if name not in {"since", "v"}}
    return encode(McuPayload(since=rfc3339(now.unix_ms_at(mcu.since_ns)), **same))
