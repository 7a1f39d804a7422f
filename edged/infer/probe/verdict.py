"""From what a probed model's process said, and how it ended, to a verdict. Pure: whatever it said, there is a verdict."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass

from edged.infer.probe.records import STEPS, Measures, Passed, Refusal, Remark, Request, Sealed, Verdict
from edged.infer.text import quoted

CHATTER_LINES = 8

_OUT_OF_MEMORY = ("bad_alloc", "cannot allocate memory", "out of memory", "memory exhausted")
"""What C++ and the C library print on their way to abort()."""


@dataclass(frozen=True, slots=True)
class End:
    """How the process ended: ``status`` is its exit status, or the negated number of the signal that ended it.

    ``timed_out`` says that it was killed at its deadline, ``babbled`` that it was for what it said. ``chatter`` is the end of what
    it printed, ``resident_bytes`` the most memory it held.
    """

    status: int
    timed_out: bool
    babbled: bool
    resident_bytes: int
    elapsed_s: float
    chatter: bytes


def judge(request: Request, remarks: Sequence[Remark], end: End) -> Verdict:
    """The verdict; only a process that ended by itself, in good order and with measures, passed."""
    passed = tuple(Passed(quoted(said.step), quoted(said.detail)) for said in remarks if isinstance(said, Passed))
    said_no = next((said for said in remarks if isinstance(said, Refusal)), None)
    measures = next((said for said in remarks if isinstance(said, Measures)), None)
    sealed = next((said for said in remarks if isinstance(said, Sealed)), Sealed((), end.resident_bytes))
    chatter = tuple(map(quoted, end.chatter.decode(errors="replace").splitlines()))[-CHATTER_LINES:]
    refusal = _death(request, passed, measures, end) if said_no is None or end.timed_out else _tidied(said_no)
    peak_bytes = max(0, end.resident_bytes - sealed.resident_bytes)
    if refusal is None:
        refusal = _greed(request, peak_bytes)
    return Verdict(
        passed=passed,
        refusal=refusal,
        measures=measures if refusal is None else None,
        protection=tuple(map(quoted, sealed.protection)),
        peak_bytes=peak_bytes,
        elapsed_s=end.elapsed_s,
        chatter=chatter,
    )


def _tidied(said: Refusal) -> Refusal:
    return Refusal(said.fault, quoted(said.message), quoted(said.hint))


def _greed(request: Request, peak_bytes: int) -> Refusal | None:
    """The refusal of a model that took more memory than was stated; ``None`` for one that did not."""
    limit_mb = request.stated.memory_mb
    if limit_mb is None or peak_bytes <= limit_mb << 20:
        return None
    took = f"took {peak_bytes / 2**20:,.1f} MB, {limit_mb:,} MB were stated"
    return Refusal("over memory", f"{quoted(request.path)}: {took}", "Use a smaller model, or state what it really takes here.")


def _death(request: Request, passed: Sequence[Passed], measures: Measures | None, end: End) -> Refusal | None:
    """Why a process that refused nothing gave no result; ``None`` if it gave one."""
    reached = {said.step for said in passed}
    doing = next((f"while it was {words}" for step, words in STEPS.items() if step not in reached), "at the very end")
    where = f"{quoted(request.path)}:"
    if end.timed_out or end.status == -signal.SIGXCPU:
        return Refusal(
            "hanging", f"{where} not done after {end.elapsed_s:.0f} s, stopped {doing}", "A slow machine may need longer."
        )
    if end.babbled:
        return Refusal("crashing", f"{where} its process said what makes no sense {doing}, and was stopped")
    if end.status == 0 and measures is not None:
        return None
    if end.status == -signal.SIGKILL or any(words in end.chatter.lower() for words in map(str.encode, _OUT_OF_MEMORY)):
        limit = f"{request.memory_bytes >> 20:,} MB were allowed"
        return Refusal("does not fit memory", f"{where} ran out of memory {doing}; {limit}", "Use a smaller model.")
    how = f"by {signal.Signals(-end.status).name}" if end.status < 0 else f"with exit status {end.status}"
    return Refusal(
        "crashing", f"{where} ended its process {how} {doing}", "The file is damaged or hostile, or the runtime at fault."
    )
