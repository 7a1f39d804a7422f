"""A pushed configuration as updates see it: tried against the device's own file, taken on as a reload is, watched for a window.

Rules: it is refused whole or serves whole; a trial is good if every camera that delivered before, and every new one, delivers, and
the vision process lives. What a camera sees is no evidence: thresholds are pushed so that it changes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from edged.config.pushed import DOCUMENT
from edged.config.schema import Settings
from edged.core.errors import ConfigInvalid, EdgedError, UpdateFailed, UpdateRefused
from edged.daemon.bench import End, translated
from edged.daemon.layers import Layers, identify
from edged.daemon.performance import Performance
from edged.ota.judgement import Seen
from edged.ota.target import SignedTarget
from edged.vision import ipc


class ConfigBench:
    """``settings`` are those that serve, ``delivering`` the cameras that deliver now; ``turned`` is set when one goes back."""

    def __init__(
        self,
        layers: Layers,
        settings: Callable[[], Settings],
        delivering: Callable[[], frozenset[str]],
        span_s: float,
        turned: asyncio.Event,
    ) -> None:
        self._layers = layers
        self._settings = settings
        self._delivering = delivering
        self._performance = Performance(span_s)
        self._expected: frozenset[str] = frozenset()
        self._since_s = 0.0
        self._turned = turned

    async def probe(self, signed: SignedTarget, bundle: Path) -> str:
        """By the loader of the configuration, with the device's file below it."""
        if [file.name for file in await asyncio.to_thread(lambda: list(bundle.iterdir()))] != [DOCUMENT]:
            raise UpdateRefused("malformed", f"{signed.path}: expected one file, {DOCUMENT}")
        try:
            await self._layers.check(signed.path, bundle)
        except ConfigInvalid as error:
            raise _refused(error) from error
        return await asyncio.to_thread(identify, bundle)

    async def shadow(self, signed: SignedTarget, bundle: Path, say: Callable[[str], None]) -> None:
        """Never wanted."""

    def wants_shadow(self, path: str) -> bool:
        """No: a camera is not opened twice."""
        return False

    async def swap(self, path: str, bundle: Path) -> None:
        """As a reload: make before break."""
        before, delivered = set(self._settings().cameras), self._delivering()
        self._performance.exchanged()
        self._since_s, self._expected = time.monotonic(), frozenset()
        try:
            settings = await self._layers.lay(path, bundle)
        except ConfigInvalid as error:
            self._turned.set()
            raise _refused(error) from error
        except EdgedError as error:
            self._turned.set()
            raise translated(error, "config_refused") from error
        self._since_s = time.monotonic()
        self._expected = frozenset(name for name in settings.cameras if name in delivered or name not in before)

    async def go_back(self, path: str, bundle: Path | None) -> str:
        """As a reload, or by a new process if this one is not able to."""
        try:
            await self._layers.take_off(path, bundle)
        except EdgedError as error:
            raise UpdateFailed("interrupted", error.message, hint=error.hint) from error
        finally:
            self._turned.set()
        return ""

    async def confirm(self, path: str) -> None:
        """Its slot is all there is."""

    async def abandon(self, path: str) -> None:
        """What failed left nothing."""

    def usual(self, path: str) -> tuple[Seen, ...]:
        """Nothing to compare with."""
        return ()

    def trial(self, path: str) -> Seen:
        """Since ``swap``: deaths, frames, and who is silent."""
        seen, delivering = self._performance.trial, self._delivering()
        silent = tuple(sorted(self._expected.intersection(self._settings().cameras) - delivering))
        span_s = time.monotonic() - self._since_s
        return Seen(span_s, seen.frames, seen.detections, crashes=seen.crashes, hangs=seen.hangs, silent=silent)

    def note(self, stats: ipc.Stats) -> None:
        """Take in a heartbeat."""
        self._performance.note(stats.cameras, 0, time.monotonic())

    def vision_ended(self, how: End) -> None:
        """A life of the vision process ended."""
        if how != "in order":
            self._performance.died(hung=how == "hung")


def _refused(error: ConfigInvalid) -> UpdateRefused:
    return UpdateRefused("config_refused", "; ".join(error.problems) or error.message, hint=error.hint)
