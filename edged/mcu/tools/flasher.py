"""What flashes a chip that runs no firmware of ours yet."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Protocol

from edged.core.errors import ToolFailed

Report = Callable[[float], None]
"""Called with the share that is done, 0..1."""

LAST_LINES = 6
"""So much of what a program said is repeated when it fails."""


class Flasher(Protocol):
    """One way to bring a file to a chip."""

    def check(self, image: Path) -> None:
        """Raise ImageRefused or ToolFailed if it cannot go well, before anything is written."""

    async def flash(self, image: Path, report: Report) -> str:
        """Write it; what was done, in words. Raises ToolFailed, PortLost."""


def find_program(name: str, hint: str) -> str:
    """Where it is; raises ToolFailed."""
    beside = str(Path(sys.executable).parent)  # what pip installed with us, in a PATH or not
    found = shutil.which(name, path=os.pathsep.join((beside, os.environ.get("PATH", os.defpath))))
    if found is None:
        raise ToolFailed(f"{name} is not installed", hint=hint)
    return found


def size_of(image: Path) -> int:
    """Bytes of a file that is known to be there."""
    return image.stat().st_size


async def run_program(command: Sequence[str], on_text: Callable[[str], None]) -> str:
    """Run it to its end, telling each line as it comes, also those that overwrite one another; all that it said. Raises ToolFailed.

    If this is cancelled, it is ended too.
    """
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    said: list[str] = []
    try:
        async for line in _lines(process.stdout):
            said.append(line)
            on_text(line)
        status = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if status:
        name = Path(command[0]).name
        raise ToolFailed(f"{name} failed: {' | '.join(said[-LAST_LINES:]) or f'exit status {status}'}")
    return "\n".join(said)


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    rest = b""
    while chunk := await stream.read(4096):
        *lines, rest = (rest + chunk).replace(b"\r", b"\n").replace(b"\x08", b"\n").split(b"\n")
        for line in lines:
            if line.strip():
                yield line.decode(errors="replace").strip()
        if rest.endswith((b")", b"%")):  # progress that no newline ends until it is overwritten
            yield rest.decode(errors="replace").strip()
    if rest.strip():
        yield rest.decode(errors="replace").strip()
