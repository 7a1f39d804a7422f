"""From the broker to the disk: one blob, resumed exactly where it was.

Rules: nothing is asked for before there is room for it; while inference is late nothing new is asked for; what is returned has the
signed length and sha256, and is on the disk. The retained chunks are asked for first; what is not to be had there is asked of the
publisher, if the broker knows requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path
from typing import Protocol

from edged.core.backoff import Backoff
from edged.core.errors import BrokerRefused, UpdateFailed, UpdateRefused
from edged.ota.carrier import Carrier
from edged.ota.part import Part
from edged.ota.shelf import Progress, Shelf
from edged.ota.target import DIGEST_BYTES, SignedTarget
from edged.ota.topics import UpdateTopics
from edged.ota.transfer import FRUITLESS_ROUNDS, Transfer, check_cut, read_index
from edged.ota.ways import Asking, Retained, Way

PATIENCE_S = 600.0
"""Without anything new for so long it ends; whoever wants it begins again later, with what is there."""

PAUSE_MIN_S = 1.0
PAUSE_MAX_S = 30.0
"""Between rounds: the publisher may be pushing just now."""


class Gate(Protocol):
    """Whether the device has time for it."""

    async def wait(self) -> None:
        """Return when inference is not late."""


async def download(
    carrier: Carrier,
    topics: UpdateTopics,
    signed: SignedTarget,
    parts: Path,
    *,
    progress: Progress,
    gate: Gate,
    pauses: Backoff | None = None,
    patience_s: float = PATIENCE_S,
) -> Path:
    """Have a blob in the directory ``parts``; returns its file. Whoever unpacked it removes it (``Part.remove``). ``pauses`` are
    those between rounds, ``patience_s`` the longest time without anything new.

    Raises UpdateFailed ("no_space", "chunk_missing", "chunk_damaged", "offline", "interrupted"), upon which another call goes on
    from there, and UpdateRefused ("malformed") if what was signed does not fit together.
    """
    check_cut(signed)
    pauses = pauses or Backoff(PAUSE_MIN_S, PAUSE_MAX_S, random.random)
    part = Part(parts, signed.sha256, signed.length)
    await asyncio.to_thread(part.prepare)
    try:
        async with asyncio.timeout(patience_s) as patience:
            ways = (Retained(carrier, topics, signed.sha256), Asking(carrier, topics, signed.sha256))
            work = _Download(signed, part, ways, progress=progress, gate=gate, pauses=pauses)
            await work.run(patience, patience_s)
    except TimeoutError as error:
        raise UpdateFailed("offline", f"{signed.path}: nothing new came for {patience_s:g} s") from error
    except BrokerRefused as error:
        raise UpdateFailed("chunk_missing", f"{signed.path}: {error.message}", hint=error.hint) from error
    return part.path


class _Download:
    def __init__(
        self,
        signed: SignedTarget,
        part: Part,
        ways: tuple[Way, ...],
        *,
        progress: Progress,
        gate: Gate,
        pauses: Backoff,
    ) -> None:
        self._ways = ways
        self._signed = signed
        self._part = part
        self._progress = progress
        self._gate = gate
        self._pauses = pauses

    async def run(self, patience: asyncio.Timeout, patience_s: float) -> None:
        """Until the whole blob is there; raises as ``download`` does, and BrokerRefused. Whatever is new puts ``patience`` off."""
        self._patience, self._patience_s = patience, patience_s
        digests = await self._index()
        transfer = Transfer(self._signed, digests, await asyncio.to_thread(self._part.scan, digests))
        self._on_progress(transfer.held, transfer.count)
        await self._fill(transfer)
        while await asyncio.to_thread(self._part.sha256) != self._signed.sha256:
            transfer.on_damaged_disk(await asyncio.to_thread(self._part.scan, digests))
            if transfer.complete:
                await asyncio.to_thread(self._part.remove)
                what = "its chunks are those of the signed index, and not those of the signed blob"
                raise UpdateRefused("malformed", f"{self._signed.path}: {what}")
            transfer.next_round()
            await self._fill(transfer)

    async def _index(self) -> tuple[bytes, ...]:
        kept = await asyncio.to_thread(self._part.read_index)
        with contextlib.suppress(UpdateFailed):  # damaged on the disk
            if kept is not None:
                return read_index(self._signed, kept)
        failure = UpdateFailed("chunk_missing", f"{self._signed.path}: the broker has no index of its chunks")
        for _ in range(FRUITLESS_ROUNDS):
            for way in self._ways:
                try:
                    payload = await way.index(self._signed.target.chunks.count * DIGEST_BYTES)
                    if payload is not None:
                        digests = read_index(self._signed, payload)
                        await asyncio.to_thread(self._part.keep_index, payload)
                        return digests
                except UpdateFailed as error:
                    if error.code not in {"chunk_damaged", "oversized"}:
                        raise
                    failure = UpdateFailed("chunk_damaged", error.message, hint=error.hint)
            await self._pause()
        raise failure

    async def _fill(self, transfer: Transfer) -> None:
        shelf = Shelf(self._part, transfer, self._on_progress)
        while not transfer.complete:
            for way in self._ways:
                transfer.ask_again()
                await way.take(transfer, shelf, self._ready)
            if not transfer.complete:
                transfer.next_round()
                await self._pause()

    async def _ready(self) -> None:
        """Waiting for our own inference is nobody's fault, and does not count."""
        now, deadline_s = asyncio.get_running_loop().time, self._patience.when() or 0.0
        since_s = now()
        self._patience.reschedule(None)
        await self._gate.wait()
        self._patience.reschedule(deadline_s + now() - since_s)

    async def _pause(self) -> None:
        await asyncio.sleep(self._pauses.next_delay_s())

    def _on_progress(self, held: int, count: int) -> None:
        self._patience.reschedule(asyncio.get_running_loop().time() + self._patience_s)
        self._progress(held, count)
