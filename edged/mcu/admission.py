"""Whether an image may go to a board, judged by what both say of themselves; no I/O.

The board judges again, and by the signature; this is so that nobody waits minutes for that, and knows what was wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

from edged.core.errors import ImageRefused
from edged.core.operators import Operator
from edged.mcu.image import Image
from edged.mcu.info import FIRMWARE, KINDS, MODEL, BoardInfo, ImageNumber

KEY_BYTES = 8
"""So much of a key's hash a board tells."""

ANYWHERE = frozenset({"host"})
"""Boards that take no code from an image. Firmware for any other says where it is linked to run; that address no board tells."""


def admit(image: Image, size_bytes: int, info: BoardInfo) -> ImageNumber:
    """The number of its kind; raises ImageRefused with every reason to send nothing."""
    number = FIRMWARE if image.kind == "firmware" else MODEL
    kind = KINDS[number]
    if image.board != info.board:
        raise ImageRefused(
            f"this {kind} is for a board {image.board!r}, and the one here is {info.board!r}",
            hint="Is it the right port? Else build or sign it for this board.",
            fault="wrong board",
        )
    if number == FIRMWARE and (image.placement == "anywhere") != (image.board in ANYWHERE):
        runs = "says no address" if image.placement == "anywhere" else f"is linked for {image.address:#x}"
        raise ImageRefused(
            f"this firmware {runs}, and a board {image.board!r} runs none such",
            hint="Sign what was built for this board, with its name.",
            fault="wrong board",
        )
    if info.key and image.key_hash[: len(info.key)] != info.key:
        raise ImageRefused(
            f"this {kind} is signed by key {image.key_hash[:KEY_BYTES].hex()}, and the board trusts {info.key.hex()}",
            hint="Sign it with the key whose public half is in the board's loader.",
            fault="wrong key",
        )
    if image.counter < info.counters.of(number):
        raise ImageRefused(
            f"this {kind} has security counter {image.counter}, and the board takes none below {info.counters.of(number)}",
            hint="An older one may have holes that are known: sign a newer one with a counter at least as high.",
            fault="downgrade",
        )
    room = info.slot_bytes.of(number)
    if size_bytes > room:
        raise ImageRefused(
            f"this {kind} has {size_bytes:,} bytes, and the board's slot for one {room:,}",
            hint="Take a smaller one." if number == MODEL else "Build it with less.",
            fault="too large",
        )
    return number


def admit_operators(operators: Sequence[Operator], info: BoardInfo) -> None:
    """Those of a model, in the order of execution; raises ImageRefused for the first that the board's engine does not have.

    What its firmware cannot do with an operator that it has (a type of tensor, an option), the board says on trial.
    """
    missing = next((it for it in operators if info.operators and it.code not in info.operators), None)
    if missing is not None:
        raise ImageRefused(
            f"{missing}: the board's firmware {info.version} (engine {info.engine}) has no such operator",
            hint="Convert the model without it, or give the board a firmware that has it.",
            fault="unsupported op",
        )
