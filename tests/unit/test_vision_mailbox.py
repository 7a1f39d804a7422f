"""The mailbox keeps the latest frame of a camera and every frame of a recording."""

from __future__ import annotations

import threading

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edged.core.frame import Frame
from edged.vision.mailbox import Bell, Mailbox


def frame(seq: int) -> Frame:
    return Frame("door", seq, seq, np.zeros((1, 1, 3), np.uint8))


@given(st.lists(st.sampled_from(["put", "take"]), max_size=60))
def test_latest_wins_and_every_frame_is_accounted_for(actions: list[str]) -> None:
    mailbox = Mailbox(Bell(), every=False)
    taken: list[int] = []
    put = 0
    for action in actions:
        if action == "put":
            mailbox.put(frame(put))
            put += 1
        elif (got := mailbox.take()) is not None:
            assert got.seq == put - 1  # never an old one
            taken.append(got.seq)
    assert mailbox.put_count == put == len(taken) + mailbox.dropped + mailbox.waiting
    assert taken == sorted(set(taken))


def test_recording_waits_and_loses_nothing() -> None:
    bell = Bell()
    mailbox = Mailbox(bell, every=True)
    giver = threading.Thread(target=lambda: [mailbox.put(frame(seq)) for seq in range(200)])
    giver.start()
    taken: list[int] = []
    while len(taken) < 200:
        bell.wait(60)
        if (got := mailbox.take()) is not None:
            taken.append(got.seq)
    giver.join()
    assert taken == list(range(200))
    assert mailbox.dropped == 0


def test_closing_lets_a_waiting_giver_go() -> None:
    mailbox = Mailbox(Bell(), every=True)
    mailbox.put(frame(0))
    giver = threading.Thread(target=mailbox.put, args=(frame(1),))
    giver.start()
    mailbox.close()
    giver.join(60)
    assert not giver.is_alive()
    assert mailbox.take() is None


def test_bell_rung_before_the_wait_is_heard() -> None:
    bell = Bell()
    bell.ring()
    bell.wait(None)  # would hang for ever if the ring were lost
