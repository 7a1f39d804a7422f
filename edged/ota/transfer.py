"""What to ask for next, and what to make of what comes. Pure.

Rules: a chunk counts as there when its digest is the signed one and it is on the disk; at most ``WINDOW`` are between being asked
for and being there, which is what a kill or a power cut costs. A chunk that is missing or wrong is asked for again in another
round, and rounds that bring nothing end the transfer, as do too many wrong chunks: nobody can keep a device busy for ever.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable

from edged.core.errors import UpdateCode, UpdateFailed, UpdateRefused
from edged.ota.target import CHUNK_BYTES, DIGEST_BYTES, SignedTarget

WINDOW = 8
"""Eight round trips at a time: 2 Mbit/s for each 1 s of it, and no more than half of the queue that brokers keep for a client."""

FRUITLESS_ROUNDS = 4
"""So many rounds may bring nothing."""

STRIKES = 2
"""Connections that may be lost while a chunk is asked for alone; there are brokers and packets (``edged.mqtt.client``) for which a
connection ends, and such a chunk is not to take the others with it."""

MAX_DAMAGED = 8 * WINDOW
"""Wrong chunks that are read in one transfer: 2 MB of what somebody else published."""


def check_cut(signed: SignedTarget) -> None:
    """Whether length and count of chunks belong together; raises UpdateRefused ("malformed")."""
    count = -(-signed.length // CHUNK_BYTES)
    if signed.target.chunks.count != count:
        what = f"{signed.length:,} bytes make {count} chunks, and {signed.target.chunks.count} are signed"
        raise UpdateRefused("malformed", f"{signed.path}: {what}")


def read_index(signed: SignedTarget, payload: bytes) -> tuple[bytes, ...]:
    """The digests of the chunks; raises UpdateFailed ("chunk_damaged") for what is not the signed index."""
    chunks = signed.target.chunks
    if len(payload) != chunks.count * DIGEST_BYTES or hashlib.sha256(payload).hexdigest() != chunks.index_sha256:
        raise UpdateFailed("chunk_damaged", f"{signed.path}: what the broker has is not the index that was signed")
    return tuple(payload[at : at + DIGEST_BYTES] for at in range(0, len(payload), DIGEST_BYTES))


class Transfer:
    """Of one blob. ``held`` are the chunks that are there already."""

    def __init__(self, signed: SignedTarget, digests: tuple[bytes, ...], held: Iterable[int] = ()) -> None:
        self.count = len(digests)
        self._path = signed.path
        self._length = signed.length
        self._digests = digests
        self._held = set(held)
        self._asked: set[int] = set()
        self._arrived: set[int] = set()
        self._wanted = deque(number for number in range(self.count) if number not in self._held)
        self._put_off: list[int] = []
        self._strikes: dict[int, int] = {}  # of those that were asked for when a connection was lost
        self._alone: int | None = None
        self._wrong: set[int] = set()
        self._absent_in_a_row = 0
        self._damaged = 0
        self._fruitless = 0
        self._held_before = len(self._held)

    @property
    def held(self) -> int:
        """How many chunks are there."""
        return len(self._held)

    @property
    def complete(self) -> bool:
        """Whether all are."""
        return len(self._held) == self.count

    @property
    def underway(self) -> int:
        """How many chunks were asked for and are not there yet."""
        return len(self._asked) + len(self._arrived)

    def size(self, number: int) -> int:
        """Of a chunk in bytes; the last one is what is left."""
        return min(CHUNK_BYTES, self._length - number * CHUNK_BYTES)

    def ask(self) -> int | None:
        """The chunk to ask for now; ``None`` if the window is full or the round has no more."""
        if not self._wanted or self.underway >= WINDOW or self._absent_in_a_row >= WINDOW:
            return None
        suspect = self._wanted[0] in self._strikes
        if self._asked and (suspect or self._asked & self._strikes.keys()):
            return None
        number = self._wanted.popleft()
        self._asked.add(number)
        self._alone = number if suspect else None
        return number

    def on_chunk(self, number: int, payload: bytes) -> bool:
        """Something came for a chunk; ``True`` if it is to be stored. Raises UpdateFailed ("chunk_damaged") if it is one too
        many."""
        if number not in self._asked:
            return False
        self._asked.remove(number)
        self._strikes.pop(number, None)
        self._absent_in_a_row = 0
        if len(payload) == self.size(number) and hashlib.sha256(payload).digest() == self._digests[number]:
            self._arrived.add(number)
            self._wrong.discard(number)
            return True
        self.on_damaged(number)
        return False

    def on_damaged(self, number: int) -> None:
        """It is not the signed one, or larger than any; raises as ``on_chunk`` does."""
        self._asked.discard(number)
        self._put_off.append(number)
        self._wrong.add(number)
        self._damaged += 1
        if self._damaged >= MAX_DAMAGED:
            raise self._failure("chunk_damaged", f"{self._damaged} chunks that were not the signed ones")

    def on_absent(self, number: int) -> None:
        """The broker seems to have none."""
        if number in self._asked:
            self._asked.remove(number)
            self._strikes.pop(number, None)
            self._put_off.append(number)
            self._absent_in_a_row += 1

    def on_lost(self, number: int) -> None:
        """The connection was lost before an answer, and this chunk may be why. Raises as ``on_chunk`` does."""
        if number not in self._asked:
            return
        self._strikes[number] = self._strikes.get(number, 0) + (number == self._alone)
        if self._strikes[number] >= STRIKES:
            self.on_damaged(number)
        else:
            self._asked.remove(number)
            self._wanted.append(number)

    def on_stored(self, numbers: Iterable[int]) -> None:
        """Chunks are on the disk."""
        for number in numbers:
            self._arrived.remove(number)
            self._held.add(number)

    def on_damaged_disk(self, held: Iterable[int]) -> None:
        """Between rounds: only these are there after all."""
        self._held = set(held)
        self._wanted = deque(number for number in range(self.count) if number not in self._held)
        self._put_off.clear()

    def next_round(self) -> None:
        """Everything that is missing may be asked for again, what was not asked for in the last round first.

        Raises UpdateFailed ("chunk_missing", "chunk_damaged") if the rounds bring nothing any more.
        """
        self._fruitless = self._fruitless + 1 if len(self._held) <= self._held_before else 0
        self._held_before = len(self._held)
        if self._fruitless >= FRUITLESS_ROUNDS:
            what = f"{self.count - len(self._held)} of {self.count} chunks are not to be had"
            raise self._failure("chunk_damaged" if self._wrong else "chunk_missing", what)
        self.ask_again()

    def ask_again(self) -> None:
        """Within a round, of somebody else. What ended the connection has one more chance, alone."""
        self._strikes = {number: min(strikes, STRIKES - 1) for number, strikes in self._strikes.items()}
        self._wanted.extend(self._put_off)
        self._put_off.clear()
        self._absent_in_a_row = 0

    def _failure(self, code: UpdateCode, what: str) -> UpdateFailed:
        hint = "`edged ota push` publishes again what is missing or was overwritten"
        return UpdateFailed(code, f"{self._path}: {what}", hint=hint)
