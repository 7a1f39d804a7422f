"""Whether a target is meant for this device, and already now.

Pure: what the device is and what its clock says is handed in. A device that is not meant now may be later: the publisher raises the
share, a person adds a group, the time comes. So nothing here is remembered, and each metadata bundle is judged anew.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from edged.core.clock import ClockReading
from edged.ota.status import Code
from edged.ota.target import Constraints, Rollout, Target

DRAWS = 100


@dataclass(frozen=True, slots=True)
class Device:
    """What constraints and rollouts speak of. ``runtimes`` and ``accelerators`` are those of the models that follow the id."""

    name: str
    machine: str
    edged: str
    groups: frozenset[str]
    runtimes: frozenset[str] = frozenset()
    accelerators: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Answer:
    """``ok``, or why not. ``again_s`` says in how many seconds the answer may be another without new metadata."""

    code: Code
    detail: str = ""
    again_s: float | None = None


CLOCK_AGAIN_S = 60.0
"""How often it is looked whether the clock is set by now."""


def judge(target: Target, device: Device, now: ClockReading) -> Answer:
    """Whether ``device`` is to have ``target``: ``ok``, ``not_for_device``, ``not_in_rollout`` or ``not_yet``, in this order."""
    if misfit := _misfit(target.constraints, device):
        return Answer("not_for_device", misfit)
    if not takes_part(target.rollout, device):
        share = f"{target.rollout.percent} % of the devices"
        return Answer("not_in_rollout", f"its draw is {draw(target.rollout.seed, device.name)}, and {share} are to have it")
    return _due(target.rollout.not_before, now)


def draw(seed: str, device: str) -> int:
    """0..99, the same each time for a device and a seed, and another for another seed: SHA-256 of both, a NUL between."""
    digest = hashlib.sha256(f"{seed}\0{device}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % DRAWS


def takes_part(rollout: Rollout, device: Device) -> bool:
    """Whether one of its groups is named, or its draw is below the share."""
    return bool(device.groups & set(rollout.groups)) or draw(rollout.seed, device.name) < rollout.percent


def _misfit(wanted: Constraints, device: Device) -> str:
    """The first constraint that the device does not meet, in words; empty if there is none."""
    for what, allowed, found in (
        ("device", wanted.devices, {device.name}),
        ("machine", wanted.machines, {device.machine}),
        ("runtime", wanted.runtimes, device.runtimes),
        ("accelerator", wanted.accelerators, device.accelerators),
    ):
        if allowed and not set(allowed) & set(found):
            return f"it is for the {what} {' or '.join(allowed)}; this is {', '.join(sorted(found)) or 'none'}"
    if _version(device.edged) < _version(wanted.edged):
        return f"it needs edged {wanted.edged}; this is {device.edged}"
    return ""


def _version(text: str) -> tuple[int, int, int]:
    numbers = [int(number) for number in re.findall(r"\d+", text)[:3]]
    return (*numbers, 0, 0, 0)[:3]  # type: ignore[return-value]


def _due(not_before_s: int, now: ClockReading) -> Answer:
    if not not_before_s:
        return Answer("ok")
    if now.quality != "synchronised":
        return Answer("not_yet", "it has a date, and the clock of this device is not set", CLOCK_AGAIN_S)
    wait_s = not_before_s - now.unix_ns / 1e9
    return Answer("not_yet", f"it is to be installed in {wait_s:.0f} s", wait_s) if wait_s > 0 else Answer("ok")
