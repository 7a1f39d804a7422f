"""What was sent and is not answered: each answer finds who waits for it, and an end leaves nobody waiting."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edged.core.errors import BrokerUnreachable
from edged.mqtt.limits import HEADER_BYTES, NO_LIMIT_BYTES, WINDOW, Limits
from edged.mqtt.pending import Pending

STEPS = st.lists(st.tuples(st.sampled_from(["add", "settle", "cancel"]), st.integers(1, 5)), max_size=30)


@given(STEPS)
def test_every_answer_finds_its_own_and_an_end_the_rest(steps: list[tuple[str, int]]) -> None:
    async def play() -> None:
        pending: Pending[int] = Pending()
        waiting: dict[int, asyncio.Future[int]] = {}
        for number, (step, mid) in enumerate(steps):
            if step == "add" and mid not in waiting:
                waiting[mid] = pending.add(mid)
            elif step == "settle":
                answer = waiting.pop(mid, None)
                assert pending.settle(mid, number) == (answer is not None)
                assert answer is None or answer.cancelled() or answer.result() == number
            elif step == "cancel" and mid in waiting:
                waiting[mid].cancel()
            assert (pending.oldest_s is None) == (not waiting)
        assert pending.fail(BrokerUnreachable("gone")) == len(waiting)
        assert pending.oldest_s is None
        for answer in waiting.values():
            assert answer.cancelled() or isinstance(answer.exception(), BrokerUnreachable)

    asyncio.run(play())


async def test_the_oldest_is_what_was_sent_first() -> None:
    pending: Pending[int] = Pending()
    now = asyncio.get_running_loop().time()
    pending.add(7)
    first = pending.oldest_s
    assert first is not None
    assert first >= now
    pending.add(3)
    assert pending.oldest_s == first
    pending.settle(7, 0)
    assert pending.oldest_s is not None
    assert pending.oldest_s >= first


def test_what_a_broker_says_bounds_what_is_sent() -> None:
    said = Properties(PacketTypes.CONNACK)
    said.ReceiveMaximum, said.MaximumPacketSize, said.RetainAvailable = 3, 100, 0
    limits = Limits.of(said)
    assert limits == Limits(3, 100, retains=False)
    room = 100 - HEADER_BYTES - len("ä".encode())
    assert limits.fits("ä", bytes(room))
    assert not limits.fits("ä", bytes(room + 1))
    assert not limits.fits("ä", bytes(room), 1)


@pytest.mark.parametrize("said", [None, Properties(PacketTypes.CONNACK)])
def test_a_broker_that_says_nothing_is_believed_to_take_all(said: Properties | None) -> None:
    assert Limits.of(said) == Limits(WINDOW, NO_LIMIT_BYTES, retains=True)
