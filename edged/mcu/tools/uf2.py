"""RP2040 and its kin: a UF2 file copied to the drive that their loader shows.

Format: microsoft/uf2: blocks of 512 bytes, each with its number, their count, an address, and the family of the chip it is for.
"""

from __future__ import annotations

import asyncio
import os
import struct
from collections import Counter
from pathlib import Path

from edged.core.errors import ImageRefused, ToolFailed
from edged.mcu.tools.flasher import Report, size_of

BLOCK_BYTES = 512
_ABSOLUTE = 0xE48BFF57
"""For any chip: tools for the RP2350 put one such block before a program, for the sake of its loader (erratum RP2350-E10)."""

FAMILIES = {
    0xE48BFF56: "RP2040",
    _ABSOLUTE: "RP2XXX absolute",
    0xE48BFF58: "RP2XXX data",
    0xE48BFF59: "RP2350",
    0xE48BFF5A: "RP2350",
    0xE48BFF5B: "RP2350",
}
BOARDS = {"RPI-RP2": "RP2040", "RP2350": "RP2350"}
"""What a drive's INFO_UF2.TXT says as Board-ID, and the chip that has it."""

_HEADER = struct.Struct("<8I")
_MAGIC = (0x0A324655, 0x9E5D5157)
_LAST_MAGIC = 0x0AB16F30
_HAS_FAMILY = 0x2000
_NOT_MAIN_FLASH = 0x0001
_COPY_BYTES = 16 * 1024

MOUNTS = Path("/proc/self/mounts")
HINT = "Hold BOOTSEL while you plug the board in, and mount the drive that appears (RPI-RP2)."


class Uf2Drive:
    """Copies to the drive that is mounted; ``drive`` names it where there is more than one."""

    def __init__(self, drive: Path | None = None, mounts: Path = MOUNTS) -> None:
        self._drive = drive
        self._mounts = mounts

    def check(self, image: Path) -> None:
        """Raises ImageRefused if it is no whole UF2 file, or for another chip; ToolFailed if there is no drive."""
        family = read_family(image)
        drive = self._find()
        chip = chip_of(drive)
        if chip is None:
            raise ToolFailed(f"{drive} is the drive of a chip that edged does not know", hint=f"Known: {', '.join(BOARDS)}.")
        if FAMILIES.get(family) != chip:
            made_for = FAMILIES.get(family, f"family {family:#010x}")
            raise ImageRefused(f"{image} is made for {made_for}, and the drive is that of an {chip}", fault="wrong board")

    async def flash(self, image: Path, report: Report) -> str:
        """Copy; the board resets by itself when it has the last block. Raises ToolFailed."""
        drive = self._find()
        await asyncio.to_thread(_copy, image, drive / image.name, report)
        return f"{size_of(image):,} bytes copied to {drive}; the board starts by itself"

    def _find(self) -> Path:
        if self._drive is not None:
            if not (self._drive / "INFO_UF2.TXT").is_file():
                raise ToolFailed(f"{self._drive} is no drive of a UF2 loader: it has no INFO_UF2.TXT", hint=HINT)
            return self._drive
        found = find_drives(self._mounts)
        if len(found) != 1:
            which = ", ".join(map(str, found))
            raise ToolFailed(f"which drive? There are: {which}" if found else "there is no drive of a UF2 loader", hint=HINT)
        return found[0]


def read_family(image: Path) -> int:
    """The family that all blocks of a UF2 file name; raises ImageRefused if it is not whole.

    Whole: each of its blocks is there once, in any order, and all say the same count. The chip's loader starts the program when it
    has so many; of a file that lacks one it would wait for ever, with part of it written. A first block of ``_ABSOLUTE`` has
    numbers of its own, and is not looked at.
    """
    try:
        data = image.read_bytes()
    except OSError as error:
        raise ImageRefused(f"{image}: {error.strerror}", fault="unreadable") from error
    if not data or len(data) % BLOCK_BYTES:
        raise ImageRefused(f"{image} is no whole UF2 file", fault="malformed")
    families, counts, indices = set(), set(), []
    for number in range(_before_program(data), len(data) // BLOCK_BYTES):
        block = data[number * BLOCK_BYTES :][:BLOCK_BYTES]
        *magic, flags, _, payload, index, count, family = _HEADER.unpack_from(block)
        whole = (*magic,) == _MAGIC and struct.unpack("<I", block[-4:])[0] == _LAST_MAGIC and payload <= 476
        if not whole or index >= count:
            raise ImageRefused(f"{image} is no UF2 file: block {number} is damaged", fault="malformed")
        counts.add(count)
        indices.append(index)
        if flags & _NOT_MAIN_FLASH:  # a comment; it is numbered as the others are
            continue
        if not flags & _HAS_FAMILY:
            raise ImageRefused(f"{image} does not say which chip it is for", fault="wrong board")
        families.add(family)
    if len(families) != 1:
        raise ImageRefused(f"{image} is made for {len(families)} kinds of chips at once", fault="wrong board")
    _check_whole(image, counts, indices)
    return int(families.pop())


def _before_program(data: bytes) -> int:
    """How many blocks of ``_ABSOLUTE`` there are before a program: one, or none."""
    if len(data) < 2 * BLOCK_BYTES:
        return 0
    first, second = (_HEADER.unpack_from(data, at)[-1] for at in (0, BLOCK_BYTES))
    return int(first == _ABSOLUTE != second)


def _check_whole(image: Path, counts: set[int], indices: list[int]) -> None:
    """Raises ImageRefused unless all blocks say the same count, and each is there once."""
    most = max(counts)
    if len(counts) > 1:
        why = f"its blocks say that there are {' or '.join(f'{count:,}' for count in sorted(counts)[:2])} of them"
    elif len(set(indices)) < most:
        why = f"{most - len(set(indices)):,} of its {most:,} blocks are not there"
    elif len(indices) > most:
        why = f"its block {Counter(indices).most_common(1)[0][0]} comes twice"
    else:
        return
    raise ImageRefused(f"{image} is no whole UF2 file: {why}", fault="malformed")


def find_drives(mounts: Path = MOUNTS) -> list[Path]:
    """The drives of UF2 loaders that are mounted."""
    return [place for place in _mounted(mounts) if (place / "INFO_UF2.TXT").is_file()]


def chip_of(drive: Path) -> str | None:
    """The chip that a drive says it is of; None for one that is not known here."""
    for line in (drive / "INFO_UF2.TXT").read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "Board-ID":
            return BOARDS.get(value.strip())
    return None


def _mounted(mounts: Path) -> list[Path]:
    places = []
    for line in mounts.read_text().splitlines():
        words = line.split(" ")
        if len(words) > 2 and words[2] in {"vfat", "msdos"}:
            places.append(Path(words[1].replace(r"\040", " ").replace(r"\011", "\t").replace(r"\134", "\\")))
    return places


def _copy(image: Path, target: Path, report: Report) -> None:
    size = image.stat().st_size
    try:
        with image.open("rb") as source, target.open("wb") as copy:
            while chunk := source.read(_COPY_BYTES):
                copy.write(chunk)
                copy.flush()
                os.fsync(copy.fileno())
                report(copy.tell() / size)
    except OSError as error:
        # The board resets when it has the last block, and its drive with it: what comes after that is no failure.
        if not _taken_away(target):
            raise ToolFailed(f"{target}: {error.strerror}", hint=HINT) from error
    report(1.0)


def _taken_away(target: Path) -> bool:
    return not (target.parent / "INFO_UF2.TXT").exists()
