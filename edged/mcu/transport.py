"""What `smpclient` needs of a link: a message out, its answer in, asked again where that does no harm."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from smpclient.transport import SMPTransport

from edged.core.errors import BoardSilent
from edged.mcu.link import Link

FRAMING_BYTES = 4
"""Length and checksum share the server's buffer with the message."""

DEFAULT_BUFFER_BYTES = 128
"""What every server takes, before it said how much it does."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a board may think about an answer, and how often it is asked."""

    answer_s: float
    attempts: int


REPEATED = Patience(answer_s=1.0, attempts=5)
"""For what may be done twice: an answer of a board that runs comes within milliseconds; with one packet in five
lost it still fails only one time in a thousand."""


class LinkTransport(SMPTransport):
    """Lets an ``SMPClient`` talk on a link that is open and stays open, while reports flow on it.

    Requests may run at once. Their answers are told apart by their header, so a late or repeated one does no harm. Raises
    BoardSilent and PortLost, where smpclient knows timeouts.
    """

    def __init__(self, link: Link, patience: Patience = REPEATED) -> None:
        self._link = link
        self._patience = patience
        self._asked: asyncio.Future[bytes]

    async def connect(self, address: str, timeout_s: float) -> None:
        """Nothing to do: the link is open."""

    async def disconnect(self) -> None:
        """Nothing to do: who opened the link closes it."""

    async def send(self, data: bytes) -> None:
        """Begin to ask."""
        self._asked = asyncio.ensure_future(self.send_and_receive(data))

    async def receive(self) -> bytes:
        """The answer to what was sent last."""
        return await self._asked

    async def send_and_receive(self, data: bytes) -> bytes:
        """The answer to a message; raises BoardSilent, PortLost."""
        for _ in range(self._patience.attempts):
            try:
                return await self._link.ask(data, self._answer_s(len(data)))
            except TimeoutError:
                continue
        raise BoardSilent(
            f"the board on {self._link.path} does not answer at {self._link.baud} baud",
            hint="Is it the right port, and the right rate (--baud)? Does a firmware of edged, or its loader, run on it?",
        )

    @property
    def mtu(self) -> int:
        """Bytes of a packet on the server's side."""
        return self._smp_server_transport_buffer_size or DEFAULT_BUFFER_BYTES

    @property
    def max_unencoded_size(self) -> int:
        """Bytes of the longest message."""
        return self.mtu - FRAMING_BYTES

    def _answer_s(self, message_bytes: int) -> float:
        """What the kernel has taken may still be on its way; then the board thinks, then its answer comes."""
        return self._patience.answer_s + self._link.wire_s(message_bytes) + self._link.wire_s(max(message_bytes, 1024))
