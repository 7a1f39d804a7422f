"""The floors of a device, one for each fleet and channel that it ever followed, in one durable file.

Kept apart by channel, so that a device that is moved from one to another neither refuses what is older there nor forgets what it
saw here; the time floor is common to all.
"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import msgspec

from edged.core.durable import replace_file
from edged.core.errors import UpdateFailed
from edged.ota.trust.records import Floor

log = logging.getLogger(__name__)

STEP_S = 3600
"""The time floor rises in steps of this, which spares the card."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Floor]).decode


class FloorFile:
    """``path`` is read each time; nothing else may write it. Safe for threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def read(self, fleet: str, channel: str) -> Floor:
        """The floor, zeros at first; raises UpdateFailed if the file cannot be read.

        A damaged file, which no power cut leaves, is said and begun again: python-tuf's directory still remembers, and a device
        that takes no more updates is worse.
        """
        floors = self._floors()
        time_unix_s = max((floor.time_unix_s for floor in floors.values()), default=0)
        return _at(floors.get(_key(fleet, channel), Floor()), time_unix_s)

    def keep(self, fleet: str, channel: str, floor: Floor) -> None:
        """Make it durable, but for a time that is later by now; raises UpdateFailed."""
        with self._lock:
            floors = self._floors()
            before = floors.get(_key(fleet, channel), Floor())
            self._write(floors, fleet, channel, _at(floor, max(floor.time_unix_s, before.time_unix_s)))

    def raise_time(self, fleet: str, channel: str, unix_s: int) -> None:
        """It is as late as this for certain; raises UpdateFailed.

        The time floor rises no further than to when what is believed expires. That is enough to hold it for expired from then on,
        and whoever makes a device take 2099 for certain, as NTP on a hostile network can, does not keep it from updates for ever.
        """
        with self._lock:
            floors = self._floors()
            floor = floors.get(_key(fleet, channel), Floor())
            later = min(unix_s, floor.expires_unix_s)
            if later - floor.time_unix_s >= STEP_S or floor.time_unix_s < later == floor.expires_unix_s:
                self._write(floors, fleet, channel, _at(floor, later))

    def _write(self, floors: dict[str, Floor], fleet: str, channel: str, floor: Floor) -> None:
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


def _at(floor: Floor, time_unix_s: int) -> Floor:
    return msgspec.structs.replace(floor, time_unix_s=time_unix_s)


def _key(fleet: str, channel: str) -> str:
    return f"{fleet}/{channel}"
