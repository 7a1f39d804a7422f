"""Trials of accelerators, each in a process that may crash or hang without harm."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

import msgspec

from edged.core.signals import signal_name
from edged.infer.settings import ModelSettings

DEADLINE_S = 90.0
"""Imports and a large model from a slow SD card, and the device's firmware."""

KILL_DEADLINE_S = 5.0
OUTPUT_BYTES = 4096


async def try_accelerator(settings: ModelSettings, identity: str, root: Path) -> str:
    """Run the model of ``settings``, a bundle of ``identity``, on its accelerator aside; what went wrong, "" if nothing did."""
    command = [sys.executable, "-P", "-m", "edged.infer.trial", str(root)]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            process_group=0,
        )
    except OSError as error:
        return f"no process for the trial: {error.strerror}"
    try:
        async with asyncio.timeout(DEADLINE_S):
            said, _ = await process.communicate(msgspec.msgpack.encode((settings, identity)))
    except TimeoutError:
        return f"the trial did not end within {DEADLINE_S:.0f} s"
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            with contextlib.suppress(TimeoutError):  # one that waits in a driver is left behind
                async with asyncio.timeout(KILL_DEADLINE_S):
                    await process.wait()
    assert process.returncode is not None  # communicate() came to its end
    if process.returncode < 0:
        return f"the trial was ended by {signal_name(-process.returncode)}"
    if process.returncode == 0:
        return ""
    return said[-OUTPUT_BYTES:].decode(errors="replace").strip() or f"the trial ended with exit status {process.returncode}"
