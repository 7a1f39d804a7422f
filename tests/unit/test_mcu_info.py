"""What is said of a slot, for each state that a board can tell of it."""

from __future__ import annotations

import itertools

import pytest

from edged.cli.mcu_info import state
from edged.mcu.info import FIRMWARE, SlotImage


def slot(*, bootable: bool = True, pending: bool = False, confirmed: bool = False, active: bool = False) -> SlotImage:
    return SlotImage(FIRMWARE, 0, "1.0.0", bytes(32), bootable, pending, confirmed, active)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (slot(active=True, confirmed=True), "active, confirmed"),
        (slot(active=True), "active, on trial"),
        (slot(pending=True), "pending: on trial after the next reset"),
        (slot(pending=True, confirmed=True), "pending: on trial after the next reset"),
        (slot(confirmed=True), "confirmed: `edged mcu revert` goes back to it"),
        (slot(), "not confirmed: failed its trial, or was not tried yet"),
        (slot(confirmed=True, bootable=False), "confirmed, too old to run again"),
    ],
)
def test_a_state_in_words(held: SlotImage, said: str) -> None:
    assert state(held) == said


def test_what_was_not_confirmed_is_never_called_kept() -> None:
    for bootable, pending, active in itertools.product((True, False), repeat=3):
        words = state(slot(bootable=bootable, pending=pending, active=active))
        assert "kept" not in words
        assert "not confirmed" in words or "trial" in words
