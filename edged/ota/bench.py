"""What updates need of the device that they are installed on. ``edged.daemon`` fits it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from edged.ota.judgement import Seen, Verdict
from edged.ota.status import UpdateStatus
from edged.ota.target import SignedTarget


class Bench(Protocol):
    """Where bundles are tried and put to use. A thing is named by its path, ``<kind>/<id>``; ``None`` is its factory bundle."""

    async def probe(self, signed: SignedTarget, bundle: Path) -> str:
        """Try the bundle aside, as what ``signed`` says of it; returns its identity. Raises UpdateRefused, UpdateFailed."""

    async def shadow(self, signed: SignedTarget, bundle: Path, say: Callable[[str], None]) -> None:
        """Let it look at what the one that serves sees, if that is wanted; ``say`` is told how far they agree.

        Raises UpdateRefused where they disagree too much, UpdateFailed where it could not be done.
        """

    async def swap(self, path: str, bundle: Path) -> None:
        """Let it serve; raises UpdateRefused or UpdateFailed, upon which what served before does."""

    async def go_back(self, path: str, bundle: Path | None) -> str:
        """Let it serve, whatever that takes: a trial is over, or what served is revoked.

        Returns where what served is left for good and did not go, in words; empty if it went everywhere, or will.
        """

    def usual(self, path: str) -> tuple[Seen, ...]:
        """What that which serves now did in spans of about a trial's length, the newest last."""

    def trial(self, path: str) -> Seen | Verdict | None:
        """What that which serves did since the last ``swap``, to be judged; or the verdict, ``None`` for not yet.

        Raises UpdateFailed where it is not to be said any more, and nothing follows from that.
        """

    async def confirm(self, path: str) -> None:
        """Keep what is on trial, where something besides a slot has to; raises UpdateFailed, upon which what served before does."""

    async def abandon(self, path: str) -> None:
        """What failed last does not come again: nothing newer than what serves is wanted any more."""

    def wants_shadow(self, path: str) -> bool:
        """Whether ``shadow`` is wanted."""


class Reporter(Protocol):
    """Who tells the operator."""

    def report(self, status: UpdateStatus) -> None:
        """This is how a thing stands now; never waits. Of a download this comes with every few chunks."""
