"""From a publisher to the broker: blobs, then what is signed of them; and what to clear, answer and collect there.

Rules: the index of a blob goes first and is cleared last, so that whatever chunks of ours a broker holds are found by their index;
what is signed goes last of all, so that no device learns of a blob that is not there yet. What the broker has is not sent again.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

from edged.core.errors import BrokerUnreachable, UpdateFailed
from edged.core.tasks import run_together
from edged.ota.carrier import Carrier, Depot
from edged.ota.target import CHUNK_BYTES, DIGEST_BYTES, MAX_CHUNKS
from edged.ota.topics import UpdateTopics
from edged.ota.transfer import WINDOW

RECONNECTIONS = 10
"""So many times in a row one message may fall to a lost connection."""

MAX_INDEXES = 256
"""Blobs that ``prune`` looks at in one go."""

MAX_STATUSES = 20_000
MAX_STATUS_BYTES = 64 * 1024

Result = TypeVar("Result")
Progress = Callable[[int, int], None]
"""Chunks done and how many there are."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push came to, in chunks."""

    sent: int
    skipped: int


class Blob:
    """A bundle as it is sent: ``sha256`` names it, ``index`` holds the digests of its ``chunks``, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.chunks = tuple(data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES))
        self.index = b"".join(hashlib.sha256(chunk).digest() for chunk in self.chunks)


async def push(carrier: Carrier, topics: UpdateTopics, blob: Blob, progress: Progress) -> Pushed:
    """Have the broker hold a blob; what it holds already, found by reading it, is not sent again.

    Interrupted, another call goes on from there. Raises BrokerRefused, and BrokerUnreachable if connections are lost all the time.
    """
    sha256, chunks, index = blob.sha256, blob.chunks, blob.index
    known = await _fetch(carrier, topics.index(sha256), len(index)) == index
    if not known:
        await _publish(carrier, topics.index(sha256), index)
    missing = deque(range(len(chunks)))
    skipped = sent = 0
    if known:
        missing = deque(await _missing(carrier, topics, sha256, chunks, progress))
        skipped = len(chunks) - len(missing)

    async def send(number: int) -> None:
        nonlocal sent
        await _publish(carrier, topics.chunk(sha256, number), chunks[number])
        sent += 1
        progress(skipped + sent, len(chunks))

    await _windowed(send, missing)
    return Pushed(sent, skipped)


async def announce(carrier: Carrier, topics: UpdateTopics, channel: str, bundle: bytes) -> None:
    """Publish what is signed of a channel, after everything that it names was pushed."""
    await _publish(carrier, topics.metadata(channel), bundle)


async def prune(depot: Depot, topics: UpdateTopics, keep: Collection[str], progress: Callable[[str, int], None]) -> int:
    """Clear the blobs whose hashes are not in ``keep``; returns how many. ``progress`` hears of each, and its chunks.

    Devices that are half-way through such a blob wait for it in vain: keep what any channel names.
    """
    pruned: set[str] = set()
    while True:
        found: dict[str, int] = {}
        async for heard in depot.collect(topics.indexes, room=MAX_INDEXES):
            sha256 = topics.blob(heard.topic)
            if sha256 is not None and sha256 not in keep and sha256 not in pruned:
                found[sha256] = min(len(heard.payload) // DIGEST_BYTES or MAX_CHUNKS, MAX_CHUNKS)
        if not found:
            return len(pruned)
        for sha256, count in found.items():
            await _clear(depot, topics, sha256, count)
            pruned.add(sha256)
            progress(sha256, count)


async def statuses(depot: Depot, topics: UpdateTopics) -> dict[str, bytes]:
    """What each device says of its updates, by name. Anybody may have said it."""
    said = {}
    async for heard in depot.collect(topics.statuses, room=MAX_STATUSES):
        if len(heard.payload) <= MAX_STATUS_BYTES:
            said[topics.device(heard.topic)] = heard.payload
    return said


async def _missing(carrier: Carrier, topics: UpdateTopics, sha256: str, chunks: Sequence[bytes], progress: Progress) -> list[int]:
    """The chunks that the broker does not hold as they should be. A push goes from first to last: after a window of absent ones the
    rest is taken for absent, since each takes long to tell."""
    right: set[int] = set()
    absent = 0

    async def look(number: int) -> None:
        nonlocal absent
        if absent >= WINDOW:
            return
        found = await _fetch(carrier, topics.chunk(sha256, number), CHUNK_BYTES)
        absent = absent + 1 if found is None else 0
        if found == chunks[number]:
            right.add(number)
            progress(len(right), len(chunks))

    await _windowed(look, deque(range(len(chunks))))
    return [number for number in range(len(chunks)) if number not in right]


async def _clear(carrier: Carrier, topics: UpdateTopics, sha256: str, count: int) -> None:
    async def clear(number: int) -> None:
        await _publish(carrier, topics.chunk(sha256, number), b"")

    await _windowed(clear, deque(range(count)))
    await _publish(carrier, topics.index(sha256), b"")


async def _windowed(work: Callable[[int], Awaitable[None]], numbers: deque[int]) -> None:
    """All of them, a window at a time, in order of beginning."""

    async def some() -> None:
        while numbers:
            await work(numbers.popleft())

    await run_together(*(some() for _ in range(WINDOW)))


async def _fetch(carrier: Carrier, topic: str, limit_bytes: int) -> bytes | None:
    try:
        return await _again(lambda: carrier.fetch(topic, limit_bytes))
    except UpdateFailed:  # oversized: not ours
        return b""


async def _publish(carrier: Carrier, topic: str, payload: bytes) -> None:
    await _again(lambda: carrier.publish(topic, payload, retain=True))


async def _again(call: Callable[[], Awaitable[Result]]) -> Result:
    for _ in range(RECONNECTIONS):
        with contextlib.suppress(BrokerUnreachable):
            return await call()
    return await call()
