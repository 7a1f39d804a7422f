"""What a device runs and ran: a state machine under hypothesis, and the single cases that it could miss."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from edged.ota.numbering import Numbering
from edged.ota.slots import (
    FACTORY,
    MAX_BAD,
    Bad,
    Confirm,
    Follow,
    GoBack,
    Install,
    Installed,
    Lose,
    MarkBad,
    Renew,
    Revert,
    Revoke,
    Slot,
    Start,
    TransitionImpossible,
    Withdraw,
    advance,
    named,
    offer,
    started,
)
from edged.ota.target import Chunks, SignedTarget, Target

ALPHABET = "abcdef"


def sha(letter: str) -> str:
    return letter * 64


def signed(letter: str, sequence: int, revoked: tuple[str, ...] = ()) -> SignedTarget:
    chunks = Chunks(count=1, index_sha256=sha("0"))
    target = Target(kind="model", id="m", sequence=sequence, version=f"v{sequence}", chunks=chunks, revoked=revoked)
    return SignedTarget(target=target, length=1, sha256=sha(letter))


def installed(letter: str, sequence: int) -> Installed:
    return Installed(sha(letter), sequence, f"v{sequence}")


def after(*events: object, slot: Slot = FACTORY) -> Slot:
    for event in events:
        slot = advance(slot, event)
    return slot


A1, B2 = installed("a", 1), installed("b", 2)
STABLE, BETA = Numbering("home/stable", ("one",)), Numbering("home/beta", ("one",))


class Device(RuleBasedStateMachine):
    """A device that is offered things, tries them, loses power, and is told to go back."""

    sequences = Bundle("sequences")

    def __init__(self) -> None:
        super().__init__()
        self.slot = FACTORY
        self.floor = 0
        self.refused: set[tuple[str, int]] = set()

    @initialize(target=sequences)
    def first(self) -> int:
        return 1

    @rule(target=sequences, sequence=st.integers(1, 6))
    def another(self, sequence: int) -> int:
        return sequence

    def take(self, slot: Slot) -> None:
        self.slot = slot

    @precondition(lambda self: self.slot.phase == "settled")
    @rule(letter=st.sampled_from(ALPHABET), sequence=sequences, good=st.booleans())
    def offered(self, letter: str, sequence: int, good: bool) -> None:
        thing = signed(letter, sequence)
        verdict = offer(self.slot, thing)
        if (thing.sha256, sequence) in self.refused:
            assert verdict != "ok"
        if sequence < self.floor:
            assert verdict == "rolled_back"
        if verdict != "ok":
            return
        if not good:
            self.take(advance(self.slot, MarkBad(thing.sha256, sequence, "model_refused")))
            self.refused.add((thing.sha256, sequence))
        elif self.slot.current and self.slot.current.sha256 == thing.sha256:
            self.take(advance(self.slot, Renew(sequence, "again")))
            assert self.slot.current and self.slot.current.sequence == sequence
        else:
            self.take(advance(self.slot, Install(installed(letter, sequence))))
            assert self.slot.serves == installed(letter, sequence)

    @precondition(lambda self: self.slot.phase == "trial")
    @rule(confirmed=st.booleans())
    def judged(self, confirmed: bool) -> None:
        before = self.slot
        assert before.trial
        self.take(advance(before, Confirm() if confirmed else Revert("slow")))
        if confirmed:
            assert (self.slot.current, self.slot.previous) == (before.trial, before.current)
        else:
            self.refused.add((before.trial.sha256, before.trial.sequence))
            assert self.slot.serves == before.current

    @precondition(lambda self: self.slot.phase == "trial")
    @rule()
    def stopped(self) -> None:
        before = self.slot
        self.take(advance(before, Withdraw()))
        assert self.slot.serves == before.current

    @rule()
    def lost_power(self) -> None:
        before = self.slot
        self.take(started({"model/m": before})["model/m"])
        assert self.slot.serves == before.current
        assert self.slot.phase == "settled"

    @precondition(lambda self: self.slot.phase == "settled")
    @rule(letter=st.sampled_from(ALPHABET))
    def revoked(self, letter: str) -> None:
        self.take(advance(self.slot, Revoke(frozenset({sha(letter)}))))
        assert sha(letter) not in self.slot.names

    @precondition(lambda self: self.slot.phase == "settled")
    @rule()
    def told_to_go_back(self) -> None:
        before = self.slot
        self.take(advance(before, GoBack("by_operator")))
        assert self.slot.serves == before.previous if before.current else self.slot == before
        if before.current:
            assert self.slot.why_bad(before.current.sha256, before.sequence) == "by_operator"

    @precondition(lambda self: self.slot.phase == "settled")
    @rule()
    def damaged(self) -> None:
        before = self.slot
        self.take(advance(before, Lose()))
        assert self.slot.serves == before.previous

    @precondition(lambda self: self.slot.phase == "settled")
    @rule(letter=st.sampled_from(ALPHABET), sequence=sequences, numbering=st.sampled_from((STABLE, BETA)))
    def followed(self, letter: str, sequence: int, numbering: Numbering) -> None:
        before = self.slot
        self.take(advance(before, Follow(numbering, sequence)))
        assert self.slot.numbering == numbering
        assert [it and it.sha256 for it in (self.slot.serves, self.slot.previous)] == [
            it and it.sha256 for it in (before.serves, before.previous)
        ]
        if before.numbering not in {None, numbering}:
            self.floor = self.slot.sequence
            assert offer(self.slot, signed(letter, sequence)) != "rolled_back"

    @invariant()
    def the_floor_never_falls(self) -> None:
        assert self.slot.sequence >= self.floor
        self.floor = self.slot.sequence

    @invariant()
    def what_serves_is_kept_and_not_bad(self) -> None:
        for it in (self.slot.serves, self.slot.current, self.slot.previous):
            if it is not None:
                assert it.sha256 in named({"model/m": self.slot})
                assert self.slot.why_bad(it.sha256, it.sequence) is None
                assert it.sequence <= self.slot.sequence

    @invariant()
    def it_is_bounded(self) -> None:
        assert len(self.slot.bad) <= MAX_BAD


TestDevice = Device.TestCase


def test_a_trial_that_nobody_confirmed_is_over_at_the_next_start() -> None:
    slot = after(Install(A1), Confirm(), Install(B2), Start())
    assert (slot.current, slot.trial) == (A1, None)
    assert sha("b") in slot.names, "it may be had again without being fetched again"


def test_one_interrupted_trial_may_be_chance_and_a_second_is_not() -> None:
    once = after(Install(A1), Start())
    assert offer(once, signed("a", 1)) == "ok"
    twice = after(Install(A1), Start(), slot=once)
    assert offer(twice, signed("a", 1)) == "known_bad"
    assert twice.why_bad(sha("a"), 1) == "interrupted"
    assert twice.names == frozenset()
    assert offer(twice, signed("a", 2)) == "ok", "signed again"


def test_a_trial_that_was_given_up_in_good_order_counts_for_nothing() -> None:
    slot = after(*[Install(A1), Withdraw()] * 5)
    assert offer(slot, signed("a", 1)) == "ok"


def test_the_old_blob_under_a_higher_sequence_is_the_way_back_of_a_publisher() -> None:
    slot = after(Install(A1), Confirm(), Install(B2), Confirm())
    assert offer(slot, signed("a", 1)) == "rolled_back"
    assert offer(slot, signed("a", 3)) == "ok"


def test_a_device_that_never_left_the_old_blob_only_takes_its_new_number() -> None:
    slot = after(Install(A1), Confirm(), MarkBad(sha("b"), 2, "golden_differs"), Renew(3, "v3"))
    assert slot.current == Installed(sha("a"), 3, "v3")
    assert offer(slot, signed("a", 3)) is None
    assert offer(slot, signed("b", 2)) == "rolled_back"


def test_what_a_person_installed_stays_until_something_newer_is_signed() -> None:
    own = installed("c", 2)  # of the sequence that it replaces
    slot = after(Install(B2), Confirm(), Install(own), Confirm())
    assert offer(slot, signed("b", 2)) is None
    assert offer(slot, signed("d", 3)) == "ok"


def test_what_is_damaged_on_the_disk_may_be_had_again() -> None:
    slot = after(Install(A1), Confirm(), Install(B2), Confirm(), Lose())
    assert slot.serves == A1
    assert offer(slot, signed("b", 2)) == "ok"


def test_a_person_may_try_again_what_is_bad() -> None:
    slot = after(Install(A1), Revert("slow"), Install(A1), Confirm())
    assert slot.bad == ()
    assert slot.serves == A1


def test_revoked_is_what_serves_what_served_and_what_comes() -> None:
    slot = after(Install(A1), Confirm(), Install(B2), Confirm())
    assert after(Revoke(frozenset({sha("b")})), slot=slot).serves == A1
    assert after(Revoke(frozenset({sha("a"), sha("b")})), slot=slot).serves is None
    assert after(Revoke(frozenset({sha("a")})), GoBack("by_operator"), slot=slot).serves is None
    assert offer(FACTORY, signed("a", 1, revoked=(sha("a"),))) == "revoked"


def test_an_old_blob_that_fails_under_a_new_sequence_is_no_way_back() -> None:
    slot = after(Install(A1), Confirm(), Install(B2), Confirm(), Install(installed("a", 3)), Revert("crashed"))
    assert (slot.serves, slot.previous) == (B2, None)


@pytest.mark.parametrize(
    "numbering", [pytest.param(BETA, id="another channel"), pytest.param(Numbering("home/stable", ("two",)), id="other keys")]
)
def test_the_floor_binds_as_long_as_the_channel_numbers_on(numbering: Numbering) -> None:
    slot = after(Follow(STABLE, 7), Install(installed("a", 7)), Confirm(), Install(installed("b", 9)), Confirm())
    added = after(Follow(Numbering("home/stable", ("one", "two")), 5), slot=slot)
    assert offer(added, signed("c", 5)) == "rolled_back", "a key more is the same numbering"
    moved = after(Follow(numbering, 5), slot=slot)
    assert offer(moved, signed("c", 5)) == "ok"
    assert offer(moved, signed("c", 4)) == "rolled_back", "from there on it binds again"
    renewed = after(Renew(5, "again"), slot=moved)
    assert renewed.current == Installed(sha("b"), 5, "again"), "what serves only takes its new number"
    assert offer(renewed, signed("b", 5)) is None


def test_what_was_bad_or_a_person_installed_outlasts_other_keys() -> None:
    other = Numbering("home/stable", ("two",))
    slot = after(Follow(STABLE, 5), MarkBad(sha("c"), 5, "crashed"), Install(installed("d", 5)), Confirm())
    moved = after(Follow(other, 5), slot=slot)
    assert offer(moved, signed("c", 5)) == "known_bad"
    assert offer(moved, signed("e", 5)) is None, "what a person brought has the number of what it replaced"
    assert offer(moved, signed("e", 6)) == "ok"


def test_what_is_bad_is_forgotten_once_its_sequence_is_past() -> None:
    slot = after(MarkBad(sha("a"), 1, "crashed"), MarkBad(sha("b"), 2, "slow"))
    assert slot.bad == (Bad(sha("b"), 2, "slow"),)
    assert offer(slot, signed("a", 1)) == "rolled_back"


@pytest.mark.parametrize(
    ("slot", "event"),
    [
        (FACTORY, Confirm()),
        (FACTORY, Revert("slow")),
        (FACTORY, Withdraw()),
        (after(Install(A1)), Install(B2)),
        (after(Install(A1)), GoBack("by_operator")),
        (after(Install(A1)), Revoke(frozenset())),
        (after(Install(A1)), MarkBad(sha("a"), 1, "slow")),
    ],
)
def test_what_the_table_does_not_name_is_impossible(slot: Slot, event: object) -> None:
    with pytest.raises(TransitionImpossible):
        advance(slot, event)
