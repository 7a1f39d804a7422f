"""What a device runs of each followed thing, what it ran before, and what it will not try again: records and their transitions.

Pure: no file, no clock. The rules that hold in every state and over every transition:

- there is always something to serve: the trial, else what was confirmed, else (``None``) the factory bundle of the configuration;
- what is bad under a sequence is not offered again under that sequence;
- a trial that nobody confirmed is over at the next start;
- the sequence floor never falls, as long as the channel numbers on (``numbering``).

``Install`` is written down before anything new serves, and whatever ends a trial after the old serves again: whenever power goes,
the record that is found leads back to what served before, or names what was confirmed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from edged.core.errors import EdgedError
from edged.ota.numbering import Numbering
from edged.ota.status import Code
from edged.ota.target import SignedTarget

MAX_BAD = 16
"""Bad blobs that are remembered of one thing, the newest. Only those of the newest sequence count."""

MAX_INTERRUPTED = 2
"""Trials of a blob under one sequence that may end with the process or the power. One may be chance; what ends the machine each
time (memory, a driver) leaves no other trace."""

Phase = Literal["settled", "trial"]


class TransitionImpossible(EdgedError):
    """An event that may not happen in this phase: a fault of edged."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A bundle below ``blobs``. ``identity`` is that of its bytes as the bench names it: what is found later must be the same."""

    sha256: str
    sequence: int
    version: str
    identity: str = ""


@dataclass(frozen=True, slots=True)
class Bad:
    """A blob that is not tried again under this sequence, and why."""

    sha256: str
    sequence: int
    code: Code


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A trial that came to no end. ``times`` counts those that ended with the process or the power and not in good order."""

    sha256: str
    sequence: int
    times: int


@dataclass(frozen=True, slots=True)
class Slot:
    """One followed thing. ``None`` for ``current`` and ``previous`` is the factory bundle, for ``trial`` that none runs."""

    current: Installed | None = None
    previous: Installed | None = None
    trial: Installed | None = None
    bad: tuple[Bad, ...] = ()
    interrupted: Interrupted | None = None
    sequence: int = 0
    """The floor: the highest sequence that was tried or found bad here."""
    numbering: Numbering | None = None
    """Where the sequences were counted that stand here; ``None`` before any channel was followed."""

    @property
    def phase(self) -> Phase:
        """Where it stands."""
        return "trial" if self.trial else "settled"

    @property
    def serves(self) -> Installed | None:
        """What is to serve; ``None`` is the factory bundle."""
        return self.trial or self.current

    @property
    def names(self) -> frozenset[str]:
        """The blobs that must be kept: those that may serve, and one whose trial was interrupted and may be had again."""
        kept = {it.sha256 for it in (self.current, self.previous, self.trial) if it}
        return frozenset(kept | {self.interrupted.sha256} if self.interrupted else kept)

    def why_bad(self, sha256: str, sequence: int) -> Code | None:
        """Why this blob is not to be tried under this sequence, ``None`` if nothing is known against it."""
        return next((it.code for it in self.bad if (it.sha256, it.sequence) == (sha256, sequence)), None)


FACTORY = Slot()
Slots = Mapping[str, Slot]
"""By ``<kind>/<id>``."""


@dataclass(frozen=True, slots=True)
class Install:
    """A verified and probed bundle begins its trial."""

    what: Installed


@dataclass(frozen=True, slots=True)
class Confirm:
    """The trial was as good as what it replaces."""


@dataclass(frozen=True, slots=True)
class Revert:
    """The trial is over and its blob bad."""

    code: Code


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The trial is over, and nothing is held against it: edged stops, or what follows the id changed."""


@dataclass(frozen=True, slots=True)
class Start:
    """The main process begins. A trial that it finds was interrupted."""


@dataclass(frozen=True, slots=True)
class MarkBad:
    """A blob was refused before any trial."""

    sha256: str
    sequence: int
    code: Code


@dataclass(frozen=True, slots=True)
class Revoke:
    """The publisher names blobs that nobody is to run any more."""

    sha256: frozenset[str]


@dataclass(frozen=True, slots=True)
class Renew:
    """The blob that is confirmed was signed again, under a higher sequence: nothing has to be tried."""

    sequence: int
    version: str


@dataclass(frozen=True, slots=True)
class GoBack:
    """What is confirmed is given up for what was there before, and its blob bad: an operator wants it so."""

    code: Code


@dataclass(frozen=True, slots=True)
class Follow:
    """The channel that is followed has this sequence now. If it does not number on what was counted before, that binds no more."""

    numbering: Numbering
    sequence: int


@dataclass(frozen=True, slots=True)
class Lose:
    """The bundle that is confirmed is damaged on the disk. Nothing is held against it: it may be had again."""


Event = Install | Confirm | Revert | Withdraw | Start | MarkBad | Revoke | Renew | GoBack | Follow | Lose

TRANSITIONS: dict[Phase, dict[type[Event], Phase]] = {
    "settled": {
        **dict.fromkeys((Start, MarkBad, Revoke, Renew, GoBack, Follow, Lose), "settled"),
        Install: "trial",
    },
    "trial": {Confirm: "settled", Revert: "settled", Withdraw: "settled", Start: "settled"},
}
"""What may happen when, and where it leads; a trial has to end before anything else happens to its slot."""


def advance(slot: Slot, event: Event) -> Slot:
    """The slot after ``event``; raises TransitionImpossible."""
    expected = TRANSITIONS[slot.phase].get(type(event))
    if expected is None:
        raise TransitionImpossible(f"{type(event).__name__} in the phase {slot.phase}")
    after = _after(slot, event)
    assert after.phase == expected
    return after


def _after(slot: Slot, event: Event) -> Slot:  # noqa: PLR0911 - one for each event
    match event:
        case Install(what):
            bad = tuple(it for it in slot.bad if it.sha256 != what.sha256)  # only a person tries again what is bad
            return replace(slot, trial=what, bad=bad, sequence=max(slot.sequence, what.sequence))
        case Confirm():
            return replace(slot, current=slot.trial, previous=slot.current, trial=None, interrupted=None)
        case Revert(code):
            assert slot.trial
            return _with_bad(replace(slot, trial=None, interrupted=None), slot.trial.sha256, slot.trial.sequence, code)
        case Withdraw():
            return _interrupted(slot, 0)
        case Start():
            return _interrupted(slot, 1)
        case MarkBad(sha256, sequence, code):
            return _with_bad(slot, sha256, sequence, code)
        case Revoke(revoked):
            return _revoked(slot, revoked)
        case Renew(sequence, version):
            assert slot.current
            renewed = replace(slot.current, sequence=sequence, version=version)
            return replace(slot, current=renewed, sequence=max(slot.sequence, sequence))
        case Follow(numbering, sequence):
            counts_on = slot.numbering is None or numbering.continues(slot.numbering)
            return replace(slot if counts_on else _lowered(slot, sequence), numbering=numbering)
        case Lose():
            return replace(slot, current=slot.previous, previous=None)
        case GoBack(code):
            return slot if slot.current is None else _gone_back(slot, code)


def _with_bad(slot: Slot, sha256: str, sequence: int, code: Code) -> Slot:
    floor = max(slot.sequence, sequence)
    bad = tuple(it for it in slot.bad if it.sequence >= floor and it.sha256 != sha256)
    if sequence == floor:  # anything below is not offered again anyway
        bad = (*bad, Bad(sha256, sequence, code))[-MAX_BAD:]
    interrupted = None if slot.interrupted and slot.interrupted.sha256 == sha256 else slot.interrupted
    previous = None if slot.previous and slot.previous.sha256 == sha256 else slot.previous
    return replace(slot, bad=bad, sequence=floor, interrupted=interrupted, previous=previous)


def _interrupted(slot: Slot, count: int) -> Slot:
    if slot.trial is None:
        return slot
    sha256, sequence, before = slot.trial.sha256, slot.trial.sequence, slot.interrupted
    times = count + (before.times if before and (before.sha256, before.sequence) == (sha256, sequence) else 0)
    after = replace(slot, trial=None, interrupted=Interrupted(sha256, sequence, times))
    return after if times < MAX_INTERRUPTED else _with_bad(after, sha256, sequence, "interrupted")


def _gone_back(slot: Slot, code: Code) -> Slot:
    assert slot.current
    gone = slot.current
    return _with_bad(replace(slot, current=slot.previous, previous=None), gone.sha256, slot.sequence, code)


def _lowered(slot: Slot, sequence: int) -> Slot:
    """So that what has this sequence is the newest, unless what serves has it too: as a person's own bundle may."""

    def older(it: Installed | None) -> Installed | None:
        return replace(it, sequence=sequence - 1) if it and it.sequence > sequence else it

    return replace(slot, sequence=min(slot.sequence, sequence), current=older(slot.current), previous=older(slot.previous))


def _revoked(slot: Slot, revoked: Collection[str]) -> Slot:
    previous = None if slot.previous and slot.previous.sha256 in revoked else slot.previous
    slot = replace(slot, previous=previous)
    if slot.interrupted and slot.interrupted.sha256 in revoked:
        slot = replace(slot, interrupted=None)
    return _gone_back(slot, "revoked") if slot.current and slot.current.sha256 in revoked else slot


def offer(slot: Slot, signed: SignedTarget) -> Code | None:
    """Whether the thing is to be had: ``ok`` says yes, another code why not, ``None`` that what is confirmed is as new.

    A person's own bundle, installed on the device, has the sequence that it replaced: it stays until something newer is signed.
    """
    target = signed.target
    if signed.sha256 in target.revoked:
        return "revoked"
    if target.sequence < slot.sequence:
        return "rolled_back"
    if slot.why_bad(signed.sha256, target.sequence):
        return "known_bad"
    if slot.current and slot.current.sequence >= target.sequence:
        return None
    return "ok"


def started(slots: Slots) -> dict[str, Slot]:
    """All of them as the main process begins with them."""
    return {path: advance(slot, Start()) for path, slot in slots.items()}


def named(slots: Slots) -> frozenset[str]:
    """The blobs that must be kept."""
    return frozenset(_each_name(slots))


def _each_name(slots: Slots) -> Iterator[str]:
    for slot in slots.values():
        yield from slot.names
