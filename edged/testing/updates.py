"""Stand-ins for what brings updates to a device, tries them and tells of them; all of it in memory, but for the blobs."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edged.core.errors import UpdateFailed, UpdateRefused
from edged.ota.attempt import Progress
from edged.ota.channel import Trusted
from edged.ota.judgement import Seen
from edged.ota.numbering import Numbering
from edged.ota.package import pack
from edged.ota.status import UpdateStatus
from edged.ota.target import Chunks, SignedTarget, Target

FAR_FUTURE_S = 4_000_000_000
GOOD = Seen(span_s=60.0, frames=600, detections=600)
"""Of a trial that is over and went well."""

Trouble = UpdateRefused | UpdateFailed


def blob_of(content: str) -> bytes:
    """A packed bundle that nobody could run."""
    return pack({"model.toml": content.encode()})


def signed_target(content: str, sequence: int, *, kind: str = "model", id: str = "m", **more: Any) -> SignedTarget:
    """What a channel says of ``blob_of(content)``; ``more`` are fields of ``Target``."""
    blob = blob_of(content)
    chunks = Chunks(count=1, index_sha256="0" * 64)
    target = Target(kind=kind, id=id, sequence=sequence, version=f"{sequence}.0", chunks=chunks, **more)  # type: ignore[arg-type]
    return SignedTarget(target=target, length=len(blob), sha256=hashlib.sha256(blob).hexdigest())


class ScriptedWays:
    """A channel that says what the test says, and a broker that has every blob that was ever published.

    ``refusal`` is raised for bundles and ``trouble`` for downloads, while they are set; ``hold`` lets downloads wait.
    """

    def __init__(self, parts: Path) -> None:
        self.refusal: Trouble | None = None
        self.trouble: Exception | None = None
        self.hold = asyncio.Event()
        self.hold.set()
        self.downloads: list[str] = []
        self.verified = 0
        self.floor_unix_s = 0
        self.numbering = Numbering("home/stable", ("key",))
        self._parts = parts
        self._blobs: dict[str, bytes] = {}
        self._bundles: dict[bytes, Trusted] = {}
        self._payloads: asyncio.Queue[bytes] = asyncio.Queue()

    def publish(self, *contents_of: tuple[str, SignedTarget], expires_unix_s: int = FAR_FUTURE_S) -> None:
        """Everything that the channel has from now on, each as its content and what is signed of it."""
        for content, signed in contents_of:
            self._blobs[signed.sha256] = blob_of(content)
        payload = str(len(self._bundles)).encode()
        targets = tuple(signed for _, signed in contents_of)
        self._bundles[payload] = Trusted(targets, expires_unix_s, self.floor_unix_s, self.numbering)
        self._payloads.put_nowait(payload)

    def repeat(self) -> None:
        """The broker delivers the newest bundle again, as after a new connection."""
        self._payloads.put_nowait(list(self._bundles)[-1])

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """What the carrier does."""
        yield self._each()

    async def _each(self) -> AsyncIterator[bytes]:
        while True:
            yield await self._payloads.get()

    async def verify(self, payload: bytes) -> Trusted:
        """What the trust process does."""
        self.verified += 1
        if self.refusal:
            raise self.refusal
        return self._bundles[payload]

    async def download(self, signed: SignedTarget, progress: Progress) -> Path:
        """What the transfer does."""
        self.downloads.append(signed.sha256)
        progress(0, signed.target.chunks.count)
        await self.hold.wait()
        if self.trouble:
            raise self.trouble
        path = self._parts / f"{signed.sha256}.part"
        path.write_bytes(self._blobs[signed.sha256])
        return path


@dataclass
class ScriptedBench:
    """Bundles are known by what is in them. ``sees`` is what a trial did; ``refuses`` is raised by the steps that it names."""

    sees: Callable[[str], Seen] = lambda content: GOOD
    windows: tuple[Seen, ...] = ()
    refuses: dict[tuple[str, str], Trouble] = field(default_factory=dict)
    shadows: bool = False
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    """Probes wait until it is set; it is at first."""
    done: list[tuple[str, str | None]] = field(default_factory=list)
    """Every step with the content of its bundle, ``None`` for that of the factory."""
    serves: dict[str, str | None] = field(default_factory=dict)
    abandoned: list[str] = field(default_factory=list)
    stays: str = ""
    """Where nothing goes back to."""

    def __post_init__(self) -> None:
        self.hold.set()

    async def probe(self, signed: SignedTarget, bundle: Path) -> str:
        """Tries nothing."""
        await self.hold.wait()
        return f"identity of {self._step('probe', bundle)}"

    async def shadow(self, signed: SignedTarget, bundle: Path, say: Callable[[str], None]) -> None:
        """Compares nothing."""
        self._step("shadow", bundle)
        say("they agree")

    async def swap(self, path: str, bundle: Path) -> None:
        """Notes it."""
        self.serves[path] = self._step("swap", bundle)

    async def go_back(self, path: str, bundle: Path | None) -> str:
        """Notes it."""
        self.serves[path] = self._step("go_back", bundle)
        return self.stays

    def wants_shadow(self, path: str) -> bool:
        """As scripted."""
        return self.shadows

    async def confirm(self, path: str) -> None:
        """Its slot is all there is."""

    async def abandon(self, path: str) -> None:
        """Notes it."""
        self.abandoned.append(path)

    def usual(self, path: str) -> tuple[Seen, ...]:
        """As scripted."""
        return self.windows

    def trial(self, path: str) -> Seen:
        """As scripted."""
        return self.sees(self.serves.get(path) or "")

    def _step(self, step: str, bundle: Path | None) -> str | None:
        content = (bundle / "model.toml").read_text() if bundle else None
        self.done.append((step, content))
        if trouble := self.refuses.get((step, content or "")):
            raise trouble
        return content


@dataclass
class Told:
    """What an operator would see: each status that differs from the one before of the same thing."""

    statuses: list[UpdateStatus] = field(default_factory=list)

    def report(self, status: UpdateStatus) -> None:
        """Keep it, if it says anything new."""
        latest = self.latest(status.id)
        if latest is None or replace(latest, at_ns=status.at_ns) != status:
            self.statuses.append(status)

    def latest(self, id: str = "m") -> UpdateStatus | None:
        """How it stands."""
        return next((status for status in reversed(self.statuses) if status.id == id), None)

    def says(self, state: str, code: str = "ok", sequence: int | None = None) -> bool:
        """Whether it stands like this now."""
        it = self.latest()
        return it is not None and (it.state, it.code) == (state, code) and sequence in {None, it.sequence}

    @property
    def states(self) -> list[str]:
        """The way there, without what repeats."""
        names = [status.state for status in self.statuses]
        return [name for place, name in enumerate(names) if not place or names[place - 1] != name]
