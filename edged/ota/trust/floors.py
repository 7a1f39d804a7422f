"""The floors of a device, one for each fleet and channel that it ever followed, in one durable file.

Kept apart by channel, so that a device that is moved from one to another neither refuses what is older there nor forgets what it
saw here; the time floor is common to all.
"""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from edged.core.durable import replace_file
from edged.core.errors import UpdateFailed
from edged.ota.trust.records import Floor

log = logging.getLogger(__name__)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Floor]).decode


class FloorFile:
    """``path`` is read each time; nothing else may write it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, fleet: str, channel: str) -> Floor:
        """The floor, zeros at first; raises UpdateFailed if the file cannot be read.

        A damaged file, which no power cut leaves, is said and begun again: python-tuf's directory still remembers, and a device
        that takes no more updates is worse.
        """
        floors = self._floors()
        time_unix_s = max((floor.time_unix_s for floor in floors.values()), default=0)
        return msgspec.structs.replace(floors.get(_key(fleet, channel), Floor()), time_unix_s=time_unix_s)

    def keep(self, fleet: str, channel: str, floor: Floor) -> None:
        """Make it durable; raises UpdateFailed."""
        floors = self._floors()
        if floors.get(_key(fleet, channel)) == floor:
            return
        try:
            replace_file(self._path, _encode({**floors, _key(fleet, channel): floor}), mode=0o600)
        except OSError as error:
            raise UpdateFailed("interrupted", f"{self._path}: {error.strerror}") from error

    def _floors(self) -> dict[str, Floor]:
        try:
            return _decode(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (msgspec.MsgspecError, UnicodeDecodeError):
            log.error("%s is damaged: what was seen of updates before is forgotten", self._path)
            return {}
        except OSError as error:
            raise UpdateFailed("interrupted", f"{self._path}: {error.strerror}") from error


def _key(fleet: str, channel: str) -> str:
    return f"{fleet}/{channel}"
