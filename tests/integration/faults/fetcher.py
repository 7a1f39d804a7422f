"""Downloads one blob and writes how many chunks are there to stdout, each time that more are; a process of its own that is killed:
``fetcher.py PORT PARTS SIGNED``, where SIGNED is the JSON of the signed target.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec
from updates import carrier_on, fetch_blob

from edged.ota.target import SignedTarget


async def work(port: int, parts: Path, signed: SignedTarget) -> None:
    async with carrier_on(port) as carrier:
        await fetch_blob(carrier, signed, parts, lambda held, _: confirm(held))


def confirm(held: int) -> None:
    os.write(1, b"%d\n" % held)


if __name__ == "__main__":
    asyncio.run(work(int(sys.argv[1]), Path(sys.argv[2]), msgspec.json.decode(sys.argv[3], type=SignedTarget)))
