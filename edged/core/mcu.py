"""A microcontroller as the rest of edged knows it: how it is, what it runs, what was lost on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

McuCondition = Literal["starting", "online", "loader", "lost"]
"""``loader``: it answers, and no application runs on it."""

TrialState = Literal["none", "trial", "confirmed"]
SelfTestState = Literal["none", "passed", "failed", "not run"]
"""``none``: there is nothing to compare with."""

POWER_ON = 0
"""Of the reasons of a start, the one that is a plug or a switch."""


@dataclass(frozen=True, slots=True)
class McuCounters:
    """Since edged started: what came from a microcontroller, and what was lost on the way.

    ``results`` are whole inferences, ``failed`` those that its engine gave up, ``repeated`` those that came twice, ``unread`` those
    whose outputs edged does not understand. ``missed`` reports were numbered and never came; ``damaged`` packets and reports came
    with a wrong checksum, ``device_bad`` ones came so at the other end; ``device_dropped`` ones the board had no room for,
    ``dropped`` ones came faster than they were taken here.
    """

    reports: int = 0
    results: int = 0
    failed: int = 0
    repeated: int = 0
    unread: int = 0
    missed: int = 0
    damaged: int = 0
    device_bad: int = 0
    device_dropped: int = 0
    dropped: int = 0
    restarts: int = 0
    losses: int = 0
    commands: int = 0
    commands_refused: int = 0


@dataclass(frozen=True, slots=True)
class McuState:
    """How it is, since when (CLOCK_MONOTONIC), and what it tells of itself. Hashes are the first 16 hexadecimal digits."""

    mcu: str
    state: McuCondition
    since_ns: int
    reason: str = ""
    board: str = ""
    engine: str = ""
    firmware_version: str = ""
    firmware: str = ""
    firmware_state: TrialState = "none"
    model_name: str = ""
    model_version: str = ""
    model: str = ""
    model_state: TrialState = "none"
    self_test: SelfTestState = "not run"
    diagnosis: str = ""
    reset_reason: int = 0
    sample_ms: int | None = None
    boots: int = 0
    arena_used_bytes: int = 0
    arena_size_bytes: int = 0
    stack_free_bytes: int = 0
    invoke_us_mean: int = 0
    invoke_us_max: int = 0
    uptime_ms: int = 0
    counters: McuCounters = McuCounters()
