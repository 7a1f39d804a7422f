"""The slots on the disk: one small file, replaced as a whole.

Rules: what ``write`` returned from is on the medium; a file that cannot be read costs the updates that it named and nothing else.
"""

from __future__ import annotations

import logging
import zlib
from pathlib import Path

import msgspec

from edged.core.durable import replace_file
from edged.ota.slots import Slot, Slots

log = logging.getLogger(__name__)

VERSION = 1
MAX_BYTES = 1 << 20
CHECK_BYTES = 4
"""CRC-32 (that of zlib) of what follows, big endian: a card that flips a bit of a sequence is found out."""


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: int
    slots: dict[str, Slot]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


class SlotsUnreadable(ValueError):
    """What is there is not what was written, or of another version; never leaves this file's callers."""


def encode(slots: Slots) -> bytes:
    """The file's content."""
    body = _encode(_Kept(VERSION, dict(slots)))
    return zlib.crc32(body).to_bytes(CHECK_BYTES, "big") + body


def decode(data: bytes) -> dict[str, Slot]:
    """The slots of a file's content; raises SlotsUnreadable and nothing else."""
    check, body = data[:CHECK_BYTES], data[CHECK_BYTES:]
    if zlib.crc32(body).to_bytes(CHECK_BYTES, "big") != check:
        raise SlotsUnreadable("it is damaged")
    try:
        kept = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SlotsUnreadable(f"it was written by another version of edged: {error}") from error
    if kept.v != VERSION:
        raise SlotsUnreadable(f"it is of version {kept.v}")
    return kept.slots


class SlotsFile:
    """``readable`` says whether the file that was found at the start could be used; one that is not there can."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.readable = True
        self.slots = self._read()

    def write(self, slots: Slots) -> None:
        """Make these the slots; raises OSError, upon which the file holds the old ones."""
        replace_file(self._path, encode(slots))
        self.slots = dict(slots)

    def _read(self) -> dict[str, Slot]:
        try:
            with self._path.open("rb") as file:
                return decode(file.read(MAX_BYTES))
        except FileNotFoundError:
            return {}
        except (OSError, SlotsUnreadable) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            log.error("%s: cannot be used: %s; the bundles of the configuration serve", self._path, reason)
            self.readable = False
            return {}
