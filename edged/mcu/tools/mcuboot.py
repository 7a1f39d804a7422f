"""Boards with MCUboot and somebody else's firmware, as Zephyr's: the standard commands of its management protocol, and no more.

Such a board does not say what it is, so nothing can be checked here but that the file is an image; the board's own check of the
signature is what stands between a wrong one and a start.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from smpclient.mcuboot import IMAGE_TLV, ImageInfo, MCUBootImageError

from edged.core.errors import BoardRefused, BoardSilent, ImageRefused
from edged.mcu.board import Board
from edged.mcu.info import FIRMWARE
from edged.mcu.link import Link
from edged.mcu.restarting import not_told, restart_until
from edged.mcu.tools.flasher import Report
from edged.mcu.transport import Patience

BACK_S = 120.0
"""MCUboot may have to swap both slots of a slow flash first."""

_ASKED_OFTEN = Patience(answer_s=0.5, attempts=1)


class McuBoot:
    """Uploads, has it tried, and confirms it when it answers."""

    def __init__(self, port: Path, baud: int = 115_200, back_s: float = BACK_S) -> None:
        self._port = port
        self._baud = baud
        self._back_s = back_s

    def check(self, image: Path) -> None:
        """Raises ImageRefused."""
        _hash_of(image)

    async def flash(self, image: Path, report: Report) -> str:
        """Upload, try, keep; raises PortLost, BoardSilent, BoardRefused."""
        image_hash, data = await asyncio.to_thread(_hash_of, image), await asyncio.to_thread(image.read_bytes)
        async with Link(self._port, self._baud) as link:
            board = Board(link)
            await board.upload(FIRMWARE, data, image_hash, lambda it: report(it.sent_bytes / it.total_bytes))
            await board.test(image_hash)
            await self._come_back(board, image_hash)
            await board.confirm()
        return f"{len(data):,} bytes sent, tried and kept"

    async def _come_back(self, board: Board, image_hash: bytes) -> None:
        async def ask() -> bool | None:
            slots = await board.images(_ASKED_OFTEN)
            if any(slot.active and slot.hash == image_hash for slot in slots):
                return True
            if not any(slot.pending for slot in slots):
                raise BoardRefused("the board did not start the new firmware, and runs what it ran before")
            return None

        if await restart_until(board, ask, self._back_s, not_told):
            return
        raise BoardSilent(f"the board did not come back within {self._back_s:g} s", hint="Cut its power, and look what it prints.")


def _hash_of(image: Path) -> bytes:
    try:
        return bytes(ImageInfo.load_file(str(image)).get_tlv(IMAGE_TLV.SHA256).value)
    except OSError as error:
        raise ImageRefused(f"{image}: {error.strerror}", fault="unreadable") from error
    except (MCUBootImageError, ValueError) as error:
        raise ImageRefused(f"{image} is no image for MCUboot: {error}", fault="malformed") from error
