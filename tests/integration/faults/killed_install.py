"""The inventory of updates as what a killed installer leaves (see ``calls.py``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edged.ota.inventory import Inventory
from edged.ota.slots import FACTORY, Slot, started
from edged.ota.slots_file import SlotsFile
from faults.installer import FILES, PATH, STEPS, content


class KilledInstall:
    """The directory of updates. Opening is not among the calls: a file that was made and is empty is met at its first write."""

    worker = Path(__file__).with_name("installer.py")
    steps = len(STEPS)
    starts = {"new": 0, "crashed": 4}  # noqa: RUF012 - never changed; a step that begins without a trial
    calls = (
        *("write", "ftruncate", "fsync", "fdatasync", "fchmod"),
        *("mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir"),
    )

    def place(self, directory: Path) -> Path:
        """The directory."""
        return directory / "ota"

    def only(self, place: Path) -> list[str]:
        """All that the worker does: names of temporary files are not known before, and nothing else is written by it."""
        return []

    def states(self, scratch: Path) -> list[object]:
        """After each step, as a device finds them that begins then."""
        inventory = Inventory(scratch / "reference")
        states: list[object] = [self.snapshot(scratch / "reference")]
        for step in STEPS:
            step(inventory)
            states.append(self.snapshot(scratch / "reference"))
        return states

    def snapshot(self, place: Path) -> Slot:
        """The slot, and what a start makes of it: a trial under way and none are two states, as before and after ``Install``."""
        return SlotsFile(place / "slots").slots.get(PATH, FACTORY)

    def damage(self, place: Path) -> Iterator[str]:
        """What a slot names has to be there, and what has the name of a bundle has to be one."""
        file = SlotsFile(place / "slots")
        if not file.readable:
            yield "the slots cannot be read"
        blobs = place / "blobs"
        there = {path.name for path in blobs.glob("[0-9a-f]*")}
        for slot in (*file.slots.values(), *started(file.slots).values()):
            if missing := slot.names - there:
                yield f"{sorted(missing)} are named and not there"
        for sha256 in sorted(there):
            files = {path.name: path.read_bytes() for path in (blobs / sha256).iterdir()}
            if files != {name: content(sha256, name) for name in FILES}:
                yield f"{sha256[:4]} is not whole"

    def go_on(self, place: Path) -> Iterator[str]:
        """Begin as the daemon does, and take an update."""
        inventory = Inventory(place)
        inventory.start()
        slot = inventory.slot(PATH)
        if slot.phase != "settled":
            yield "a trial outlives a start"
        left = {path.name for path in (place / "blobs").iterdir()}
        if left != slot.names:
            yield f"{sorted(left)} are kept, not {sorted(slot.names)}"
        STEPS[-3](inventory)
        STEPS[-2](inventory)
        serves = inventory.slot(PATH).serves
        if serves is None or serves.sha256[0] != "e":
            yield "it takes no update any more"


SUBJECT = KilledInstall()
