"""What a device has of updates on its disk: the slots, the bundles that they name, and the parts that are being fetched.

Rules: the one place that changes these files, so that the order holds in which a power cut may come at any call: a bundle is there
before a slot names it, and a slot names it no more before it goes. Everything blocks, and raises OSError.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection
from pathlib import Path

from edged.core.durable import replace_file, sync_directory
from edged.core.errors import UpdateRefused
from edged.ota.blobs import Blobs, collect_parts
from edged.ota.slots import FACTORY, Event, Installed, Slot, advance, named, started
from edged.ota.slots_file import SlotsFile

SLOTS, BLOBS, PARTS, BROUGHT = "slots", "blobs", "parts", "brought"

READ_BYTES = 1 << 18

log = logging.getLogger(__name__)


class Inventory:
    """Below ``directory``, which is made if it is missing."""

    def __init__(self, directory: Path) -> None:
        self._blobs = Blobs(directory / BLOBS)
        self.parts = directory / PARTS
        self.brought = directory / BROUGHT
        """Packed bundles that a person brought, each called as its sha256, until they are installed or refused."""
        for made in (self.parts, self.brought):
            made.mkdir(mode=0o700, exist_ok=True)
        sync_directory(directory)
        self._file = SlotsFile(directory / SLOTS)
        self.interrupted: dict[str, Installed] = {}
        """The trials that ``start`` found, by ``<kind>/<id>``."""

    @property
    def slots(self) -> dict[str, Slot]:
        """By ``<kind>/<id>``."""
        return self._file.slots

    def slot(self, path: str) -> Slot:
        """That of one thing; one that was never updated is at its factory bundle."""
        return self._file.slots.get(path, FACTORY)

    def start(self) -> None:
        """The main process begins: trials that were not confirmed are over.

        Where the slots could not be read their bundles stay, so that they need not be fetched again.
        """
        before = self.slots
        after = started(before)
        if after != before:
            try:
                self._file.write(after)
            except OSError as error:  # a full disk must not make a trial serve on
                log.error("the slots of updates cannot be written: %s", error.strerror)
                self._file.slots = after
        try:
            for left in self.brought.iterdir():
                left.unlink()
            if self._file.readable:
                self.tidy()
        except OSError as error:
            log.warning("old bundles cannot be removed: %s", error.strerror)
        self.interrupted = {path: slot.trial for path, slot in before.items() if slot.trial}

    def note(self, path: str, event: Event) -> Slot:
        """What happened to a thing, written down; returns its slot. Raises TransitionImpossible."""
        before = self.slot(path)
        after = advance(before, event)
        if after != before:
            self._file.write({**self.slots, path: after})
        return after

    def add(self, sha256: str, blob: Path) -> Path:
        """Have the bundle of a verified blob, for a slot to name it; where it is. Raises UpdateRefused, UpdateFailed."""
        return self._blobs.add(sha256, blob)

    def has(self, sha256: str) -> bool:
        """Whether the bundle of a blob is there."""
        return self._blobs.has(sha256)

    def bring(self, blob: bytes) -> str:
        """Keep a packed bundle that a person brought; returns its sha256."""
        sha256 = hashlib.sha256(blob).hexdigest()
        replace_file(self.brought / sha256, blob)
        return sha256

    def take(self, sha256: str) -> Path:
        """The file that was brought under this name; raises UpdateRefused if it is something else."""
        path = self.brought / sha256
        found = hashlib.sha256()
        with path.open("rb") as file:
            while part := file.read(READ_BYTES):
                found.update(part)
        if found.hexdigest() != sha256:
            raise UpdateRefused("malformed", f"{path}: it is not what it is called")
        return path

    def where(self, sha256: str) -> Path:
        """Where the bundle of a blob is, or would be."""
        return self._blobs.path(sha256)

    def tidy(self, coming: Collection[str] = ()) -> None:
        """Remove the bundles that no slot names, but for those that are on their way to one."""
        self._blobs.collect(named(self.slots) | set(coming))

    def drop_parts(self, wanted: Collection[str]) -> None:
        """Remove what was fetched of all blobs but these."""
        collect_parts(self.parts, wanted)
