"""What was installed: which bundle each slot says is to serve, as far as it is whole. Everything blocks."""

from __future__ import annotations

import logging
from pathlib import Path

from edged.config.schema import Settings
from edged.core.errors import ConfigInvalid, EdgedError
from edged.daemon import layers
from edged.infer.bundle import identify
from edged.ota.inventory import Inventory
from edged.ota.slots import GoBack, Installed, Lose

log = logging.getLogger(__name__)

MCU = ("mcu-firmware/", "mcu-model/")

Chosen = dict[str, Path | None]
"""By ``<kind>/<id>``: where what serves lies, ``None`` for what the configuration began with."""


def open_inventory(directory: Path) -> Inventory | None:
    """The inventory as the main process begins with it; ``None`` where the disk does not let us have one, which is said."""
    try:
        inventory = Inventory(directory)
        inventory.start()
    except OSError as error:
        log.error("%s: no updates, and none that was installed serves: %s", directory, error.strerror)
        return None
    return inventory


def chosen_bundles(inventory: Inventory | None) -> Chosen:
    """By ``<kind>/<id>``, ``None`` for that of the configuration; one that is damaged is given up for the one before."""
    chosen: Chosen = {}
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


def by_kind(chosen: Chosen) -> tuple[Chosen, Chosen, Chosen]:
    """Models, what was pushed of the configuration, and what is for microcontrollers."""
    pushed = {path: package for path, package in chosen.items() if path.startswith(f"{layers.KIND}/")}
    images = {path: package for path, package in chosen.items() if path.startswith(MCU)}
    return {path: bundle for path, bundle in chosen.items() if path not in {**pushed, **images}}, pushed, images


def begin(onto: layers.Layers, inventory: Inventory, path: str, pushed: Chosen) -> Settings:
    """What the daemon begins with, down to the file alone: what was pushed and does not fit it any more is given up.

    Raises ConfigInvalid for a file that is wrong by itself.
    """
    while pushed.get(path):
        try:
            settings = onto.start(pushed)
        except ConfigInvalid as error:
            log.error("%s: refused now, and given up: %s", path, "; ".join(error.problems) or error.message)
            pushed = without(inventory, path, pushed)
            continue
        if serves := inventory.slot(path).serves:
            log.info("%s %s is laid over the configuration", path, serves.version)
        return settings
    return onto.start(pushed)


def without(inventory: Inventory, path: str, pushed: Chosen) -> Chosen:
    """What is left of what was pushed once it is given up: what was there before, if the slots can say so."""
    try:
        inventory.note(path, GoBack("config_refused"))
    except OSError as error:
        log.error("%s: that cannot be written down: %s", path, error.strerror)
        return {**pushed, path: None}
    return by_kind(chosen_bundles(inventory))[1]


def _intact(path: str, installed: Installed, bundle: Path) -> bool:
    """Whether a bundle is what passed its probe. Hashes all of it, as each start of the vision process does."""
    try:
        return _identify(path, bundle) == installed.identity
    except (EdgedError, OSError) as error:
        log.debug("%s: %s", bundle, error)
        return False


def _identify(path: str, bundle: Path) -> str:
    if path.startswith(f"{layers.KIND}/"):
        return layers.identify(bundle)
    if path.startswith(MCU):
        from edged.mcu.bundle import identify as identify_image  # only where there is a board

        return identify_image(bundle)
    return identify(bundle)
