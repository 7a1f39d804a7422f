"""Brings an image into a slot: goes on where it was interrupted, and through loss, damage and repetition on the line.

The board answers each piece with the offset that it has reached, and takes nothing that does not follow on. So that offset alone
says what to send next: after a loss, after a cut, and after the board has started again and forgotten. What arrived is judged by
its hash, not here.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smpclient.requests.image_management import ImageUploadWrite

from edged.core.errors import BoardRefused
from edged.mcu.info import ImageNumber, Parameters
from edged.mcu.refusal import fault_of
from edged.mcu.transport import FRAMING_BYTES, Patience

if TYPE_CHECKING:
    from edged.mcu.board import Board

FIRST = Patience(answer_s=10.0, attempts=4)
"""Before the first answer a board may erase the whole slot; asked again meanwhile, it answers with the offset."""

PIECE = Patience(answer_s=1.5, attempts=8)
"""A piece may need a sector to be erased: 0.7 s is what NOR flash takes for 64 KB at room temperature, 3 s when it is worn."""

WINDOW = 2
"""So many pieces are on their way if the board can hold them: while it writes one, the line carries the next."""

OVERHEAD_BYTES = 26
FIRST_OVERHEAD_BYTES = 96
"""Header, keys and numbers beside the bytes of a piece; the first says length, hash and kind as well."""

ALIGNMENT = 32
"""Pieces are a multiple of this: the widest unit that flash of microcontrollers is programmed in."""

STALLS = 24
"""So many answers in a row without progress, and the board is believed not to take any more."""

RESTARTS = 3
"""So often it is begun anew within one upload: a board that starts again oftener has another problem."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is; ``resumed_bytes`` were there from an earlier attempt."""

    sent_bytes: int
    total_bytes: int
    resumed_bytes: int
    elapsed_s: float

    @property
    def rate_bps(self) -> float:
        """Bytes per second, of those that were sent now."""
        return (self.sent_bytes - self.resumed_bytes) / self.elapsed_s if self.elapsed_s > 0 else 0.0


Report = Callable[[Progress], None]


async def upload(
    board: Board, image: ImageNumber, data: bytes, image_hash: bytes, report: Report = lambda progress: None
) -> Progress:
    """Have the board hold ``data``, an image with this hash, in the free slot of its kind; how it went.

    Raises BoardRefused; BoardSilent or PortLost, after which the same call goes on where it was, unless the board has started again
    since: how far it was is in its RAM.
    """
    load = _Load(image, data, image_hash)
    return await _Upload(board, load, report, await board.parameters()).run()


@dataclass(frozen=True, slots=True)
class _Load:
    image: ImageNumber
    data: bytes
    hash: bytes


class _Upload:
    def __init__(self, board: Board, load: _Load, report: Report, server: Parameters) -> None:
        self._board = board
        self._load = load
        self._data = load.data
        self._report = report
        self._message_bytes = server.buffer_bytes - FRAMING_BYTES
        self._window = max(1, min(WINDOW, server.buffers))
        self._begun_s = time.monotonic()
        self._resumed = 0
        self._restarts = -1
        self._stalls = 0

    async def run(self) -> Progress:
        reached = await self._begin()
        while reached < len(self._data):
            try:
                reached = await self._continue(reached)
            except BoardRefused as error:
                if fault_of(error):
                    raise
                if await self._is_held():  # the answer to the last piece was lost, and the board done with it
                    return self._said(len(self._data))
                if self._restarts >= RESTARTS:
                    raise
                reached = 0
            if reached == 0:  # it has started again, and knows of nothing
                reached = await self._begin()
        return self._said(reached)

    async def _begin(self) -> int:
        """Announce the image; where the board wants it to go on."""
        self._restarts += 1
        if self._restarts > RESTARTS:
            raise BoardRefused("the board forgets again and again what was sent to it", hint="Does it start again by itself?")
        request = ImageUploadWrite(
            off=0,
            data=self._data[: self._step(FIRST_OVERHEAD_BYTES)],
            image=self._load.image,
            len=len(self._data),
            sha=hashlib.sha256(self._data).digest(),
        )
        reached = await self._ask(request, FIRST)
        self._resumed = reached if reached > len(request.data) else 0
        return reached

    async def _continue(self, reached: int) -> int:
        """Send pieces from here on until one is not taken as it was meant; the offset then, or the end."""
        step = self._step(OVERHEAD_BYTES)
        following = reached
        flights: deque[tuple[int, asyncio.Task[int]]] = deque()
        try:
            while reached < len(self._data):
                while len(flights) < self._window and following < len(self._data):
                    end = min(following + step, len(self._data))
                    request = ImageUploadWrite(off=following, data=self._data[following:end])
                    flights.append((end, asyncio.ensure_future(self._ask(request, PIECE))))
                    following = end
                end, flight = flights.popleft()
                answer = await flight
                self._count(answer > reached)
                reached = answer
                self._said(reached)
                if answer != end:
                    for _, late in flights:
                        reached = await late
                    return reached
            return reached
        finally:
            for _, flight in flights:
                flight.cancel()
            await asyncio.gather(*(flight for _, flight in flights), return_exceptions=True)

    async def _is_held(self) -> bool:
        return any(slot.image == self._load.image and slot.hash == self._load.hash for slot in await self._board.images())

    async def _ask(self, request: ImageUploadWrite, patience: Patience) -> int:
        answer = await self._board.ask(request, patience)
        if answer.off is None or not 0 <= answer.off <= len(self._data):
            raise BoardRefused(f"the board refuses the image: code {answer.rc}", code=answer.rc or 0)
        return answer.off

    def _step(self, overhead_bytes: int) -> int:
        return max(1, (self._message_bytes - overhead_bytes) // ALIGNMENT * ALIGNMENT)

    def _count(self, advanced: bool) -> None:
        self._stalls = 0 if advanced else self._stalls + 1
        if self._stalls > STALLS:
            raise BoardRefused("the board takes nothing any more of what is sent to it", hint="Reset it, and try again.")

    def _said(self, reached: int) -> Progress:
        progress = Progress(reached, len(self._data), self._resumed, time.monotonic() - self._begun_s)
        self._report(progress)
        return progress
