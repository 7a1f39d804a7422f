"""What was installed: which bundle each slot says is to serve, as far as it is whole. Everything blocks."""

from __future__ import annotations

import logging
from pathlib import Path

from edged.core.errors import EdgedError
from edged.daemon import layers
from edged.infer.bundle import identify
from edged.ota.inventory import Inventory
from edged.ota.slots import Installed, Lose

log = logging.getLogger(__name__)


def open_inventory(directory: Path) -> Inventory | None:
    """The inventory as the main process begins with it; ``None`` where the disk does not let us have one, which is said."""
    try:
        inventory = Inventory(directory)
        inventory.start()
    except OSError as error:
        log.error("%s: no updates, and none that was installed serves: %s", directory, error.strerror)
        return None
    return inventory


def chosen_bundles(inventory: Inventory | None) -> dict[str, Path | None]:
    """By ``<kind>/<id>``, ``None`` for that of the configuration; one that is damaged is given up for the one before."""
    chosen: dict[str, Path | None] = {}
    for path, slot in inventory.slots.items() if inventory else ():
        assert inventory
        serves = slot.serves
        while serves is not None and not _intact(path, serves, inventory.where(serves.sha256)):
            log.error("%s: the update %s is damaged on the disk: going back", path, serves.version)
            try:
                serves = inventory.note(path, Lose()).serves
                inventory.tidy()  # so that it is fetched again, and not found
            except OSError as error:
                log.error("%s: that cannot be written down: %s", path, error.strerror)
                serves = None
        chosen[path] = inventory.where(serves.sha256) if serves else None
    return chosen


def _intact(path: str, installed: Installed, bundle: Path) -> bool:
    """Whether a bundle is what passed its probe. Hashes all of it, as each start of the vision process does."""
    try:
        return (layers.identify if path.startswith(f"{layers.KIND}/") else identify)(bundle) == installed.identity
    except (EdgedError, OSError) as error:
        log.debug("%s: %s", bundle, error)
        return False
