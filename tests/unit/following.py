"""A device that follows a channel, as far as trust goes."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edged.core.errors import UpdateRefused
from edged.ota.trust.records import Floor, Verified, Verify
from edged.ota.trust.verification import verify


@dataclass
class Device:
    """One that follows ``repository``: keeps its floor as the daemon does."""

    directory: Path
    root: bytes
    fleet: str = "test"
    channel: str = "stable"
    floor: Floor = field(default_factory=Floor)

    def takes(self, bundle: bytes, *, clock_unix_s: int | None = None, synchronised: bool = True) -> Verified:
        verified = verify(self.request(bundle, clock_unix_s=clock_unix_s, synchronised=synchronised))
        self.floor = verified.floor
        return verified

    def request(self, bundle: bytes, *, clock_unix_s: int | None = None, synchronised: bool = True) -> Verify:
        return Verify(
            fleet=self.fleet,
            channel=self.channel,
            root=self.root,
            bundle=bundle,
            floor=self.floor,
            directory=str(self.directory),
            clock_unix_s=int(time.time()) if clock_unix_s is None else clock_unix_s,
            synchronised=synchronised,
        )

    def refuses(self, bundle: bytes, **clock: Any) -> str:
        with pytest.raises(UpdateRefused) as caught:
            self.takes(bundle, **clock)
        return caught.value.code
