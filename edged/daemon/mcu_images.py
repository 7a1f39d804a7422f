"""Images of microcontrollers as updates name them: who follows them, how they are read, what is wrong with them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edged.core.errors import (
    BoardRefused,
    BoardSilent,
    EdgedError,
    ImageRefused,
    ModelRejected,
    PortLost,
    UpdateCode,
    UpdateFailed,
    UpdateRefused,
)
from edged.mcu.settings import McuSettings

if TYPE_CHECKING:
    from edged.mcu.bundle import Package

FIRMWARE, MODEL = "mcu-firmware", "mcu-model"
KINDS = (FIRMWARE, MODEL)

CODES: dict[str, UpdateCode] = {
    "wrong board": "not_for_device",
    "wrong key": "bad_signature",
    "downgrade": "rolled_back",
    "too large": "oversized",
    "unreadable": "malformed",
    "malformed": "malformed",
    "wrong kind": "malformed",
}
"""Of an image that must not go to a board; anything else is ``model_refused``."""


def paths_of(mcu: McuSettings) -> Iterator[str]:
    """What a microcontroller follows, each as ``<kind>/<id>``."""
    if mcu.follow_firmware:
        yield f"{FIRMWARE}/{mcu.follow_firmware}"
    if mcu.follow_model:
        yield f"{MODEL}/{mcu.follow_model}"


def followed_by(mcus: Mapping[str, McuSettings]) -> dict[str, tuple[str, ...]]:
    """By what is followed: the names of the microcontrollers that do."""
    found: dict[str, tuple[str, ...]] = {}
    for name, mcu in mcus.items():
        for path in paths_of(mcu):
            found[path] = (*found.get(path, ()), name)
    return found


async def read(bundle: Path, path: str) -> Package:
    """Raises UpdateRefused for what is no image of the kind."""
    kind = path.partition("/")[0]
    try:
        return await asyncio.to_thread(_read, bundle, "firmware" if kind == FIRMWARE else "model")
    except ImageRefused as error:
        raise UpdateRefused(CODES.get(error.fault, "malformed"), error.message, hint=error.hint) from error
    except OSError as error:
        raise UpdateFailed("interrupted", f"{error.filename}: {error.strerror}") from error


def _read(bundle: Path, kind: Literal["firmware", "model"]) -> Package:
    from edged.infer.graph import Graph
    from edged.mcu.bundle import read_package  # only where there is a board
    from edged.mcu.package import read as read_model

    package = read_package(bundle, kind)
    if kind == "firmware":
        return package
    try:
        return replace(package, operators=Graph.read(read_model(package.image.payload).model, "the model").steps())
    except (ImageRefused, ModelRejected):
        return package  # the board says on trial what is wrong with it


def translated(error: EdgedError) -> UpdateRefused | UpdateFailed:
    """What it means for an update."""
    match error:
        case UpdateRefused() | UpdateFailed():
            return error
        case PortLost() | BoardSilent():
            return UpdateFailed("mcu_away", error.message, hint=error.hint)
        case ImageRefused(fault="damaged"):
            return UpdateFailed("interrupted", error.message, hint=error.hint)
        case ImageRefused():
            return UpdateRefused(CODES.get(error.fault, "model_refused"), error.message, hint=error.hint)
        case BoardRefused():
            from edged.mcu.refusal import fault_of  # loads the protocol: only where there is a board

            if fault := fault_of(error):
                return UpdateRefused(CODES[fault], error.message, hint=error.hint)
    return UpdateFailed("interrupted", error.message, hint=error.hint)
