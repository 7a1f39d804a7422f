"""What failed waits longer each time, and is hurried only where what it waited for came."""

from __future__ import annotations

import pytest

from edged.ota.pauses import RETRY_MAX_S, Pauses
from edged.ota.target import Chunks, SignedTarget, Target


def signed(sequence: int) -> SignedTarget:
    chunks = Chunks(count=1, index_sha256="0" * 64)
    target = Target(kind="mcu-model", id="person", sequence=sequence, version="2", chunks=chunks)
    return SignedTarget(target=target, length=1, sha256="0" * 64)


def test_it_waits_longer_each_time_and_anew_for_another_target() -> None:
    pauses = Pauses(lambda: 1.0)
    waits_s = [pauses.begin(signed(1), 0, may_hurry=False) for _ in range(12)]
    assert waits_s == sorted(waits_s)
    assert waits_s[-1] == RETRY_MAX_S
    assert pauses.left_s(signed(1), 0) == RETRY_MAX_S
    assert pauses.left_s(signed(1), round(RETRY_MAX_S * 1e9)) is None
    assert pauses.left_s(signed(2), 0) is None
    assert pauses.begin(signed(2), 0, may_hurry=False) == waits_s[0]


@pytest.mark.parametrize("may_hurry", [True, False])
def test_only_what_waits_for_a_board_is_hurried(may_hurry: bool) -> None:
    pauses = Pauses(lambda: 0.5)
    assert not pauses.hurry(signed(1).path)
    pauses.begin(signed(1), 0, may_hurry=may_hurry)
    assert pauses.hurry(signed(1).path) == may_hurry
    assert (pauses.left_s(signed(1), 0) is None) == may_hurry
