from __future__ import annotations

from edged.mqtt.suspicion import STRIKES, Suspicion


def convict(suspicion: Suspicion, seq: int) -> None:
    for _ in range(STRIKES):
        suspicion.on_lost([seq])


def test_what_was_on_its_way_together_is_suspect_and_no_more() -> None:
    suspicion = Suspicion()
    for _ in range(10):
        suspicion.on_lost([4, 5, 6])
    assert [seq for seq in range(10) if suspicion.is_suspect(seq)] == [4, 5, 6]
    assert not any(suspicion.is_convicted(seq) for seq in range(10))


def test_an_event_with_which_alone_connections_end_is_convicted() -> None:
    suspicion = Suspicion()
    suspicion.on_lost([4, 5, 6])
    suspicion.on_answered(4)
    suspicion.on_lost([5])
    assert not suspicion.is_convicted(5)
    suspicion.on_lost([5])
    assert suspicion.is_convicted(5)
    suspicion.on_lost([7, 8])
    assert suspicion.is_convicted(5)


def test_an_answer_acquits() -> None:
    suspicion = Suspicion()
    suspicion.on_lost([5])
    suspicion.on_answered(5)
    suspicion.on_lost([5])
    assert not suspicion.is_convicted(5)


def test_each_round_is_one_more_chance() -> None:
    suspicion = Suspicion()
    convict(suspicion, 5)
    suspicion.on_round()
    assert suspicion.is_suspect(5)
    assert not suspicion.is_convicted(5)
    suspicion.on_lost([5])
    assert suspicion.is_convicted(5)


def test_innocent_suspects_are_forgotten() -> None:
    suspicion = Suspicion()
    for first in range(0, 1000, 20):
        suspicion.on_lost(range(first, first + 20))
    assert sum(suspicion.is_suspect(seq) for seq in range(1000)) == 20
