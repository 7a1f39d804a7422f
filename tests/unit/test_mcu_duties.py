"""What each board is to run and who has it in hand, over any sequence of events."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edged.mcu.duties import MAX_AWAY, MAX_GIVEN_UP, Claim, Duties

BOARDS, PATHS, BUNDLES = ("porch", "yard", "roof"), ("mcu-model/a", "mcu-firmware/b"), (None, Path("1"), Path("2"))

boards, paths, bundles = st.sampled_from(BOARDS), st.sampled_from(PATHS), st.sampled_from(BUNDLES)


class Life(RuleBasedStateMachine):
    """Updates take boards in hand and let go of them; what is due is done, or fails."""

    def __init__(self) -> None:
        super().__init__()
        self.duties = Duties()
        self.claims: dict[int, tuple[Claim, tuple[str, ...]]] = {}
        self.failed: dict[tuple[str, str], Path | None] = {}
        self.open: set[str] = set()

    @rule(board=boards, path=paths)
    def looks(self, board: str, path: str) -> None:
        self.duties.look(board, path)

    @rule(path=paths, bundle=bundles)
    def wants(self, path: str, bundle: Path | None) -> None:
        if self.duties.wanted.get(path) != bundle:
            self.failed = {task: it for task, it in self.failed.items() if task[1] != path}
        self.duties.want(path, bundle)

    @rule(wanted=st.lists(boards, unique=True))
    def takes(self, wanted: list[str]) -> None:
        taken = {board for _, held in self.claims.values() for board in held}
        claim = self.duties.claim(wanted)
        assert set(claim.refused) == taken & set(wanted), "exactly what is in another hand is refused"
        held = () if claim.refused else tuple(wanted)
        self.claims[len(self.claims)] = claim, held

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def lets_go(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.claims)))
        claim, _ = self.claims[number]
        claim.release()
        self.claims[number] = claim, ()

    @rule(board=boards, path=paths)
    def fails(self, board: str, path: str) -> None:
        wanted = self.duties.wanted.get(path)
        self.duties.failed(board, path, wanted)
        self.failed[board, path] = wanted

    @rule(board=boards, goes=st.booleans())
    def is_plugged_in_or_goes(self, board: str, goes: bool) -> None:
        if goes:
            self.duties.forget(board)
        else:
            self.duties.plugged_in(board)
        self.failed = {task: it for task, it in self.failed.items() if task[0] != board}

    @rule(path=paths)
    def is_left_open(self, path: str) -> None:
        self.duties.leave_open(path, b"image")
        self.open.add(path)

    @rule(path=paths, well=st.booleans())
    def ends(self, path: str, well: bool) -> None:
        if well:
            self.duties.close(path)
        else:
            was_open = path in self.open
            assert self.duties.close_badly(path) == was_open
            if was_open:
                assert b"image" in self.duties.given_up[path]
                self.failed = {task: it for task, it in self.failed.items() if task[1] != path}
        self.open.discard(path)

    @rule()
    def does(self) -> None:
        seen = set()
        while task := self.duties.next():
            assert task not in seen, "it is due once"
            seen.add(task)
            board, path = task
            assert not self.duties.in_hand(board)
            assert path not in self.open
            assert task not in self.failed

    @invariant()
    def is_held_by_who_took_it(self) -> None:
        held = [board for _, boards in self.claims.values() for board in boards]
        assert len(held) == len(set(held)), "one hand at a time"
        assert {board for board in BOARDS if self.duties.in_hand(board)} == set(held)


TestLife = Life.TestCase


def test_what_waits_is_done_in_its_order_once_the_board_is_free() -> None:
    duties = Duties()
    claim = duties.claim(["porch"])
    for board in ("porch", "yard", "porch"):
        duties.look(board, PATHS[0])
    assert duties.next() == ("yard", PATHS[0])
    assert duties.next() is None
    claim.release()
    assert duties.next() == ("porch", PATHS[0])
    assert duties.next() is None


def test_going_away_counts_until_it_stayed() -> None:
    duties = Duties()
    once = [duties.went_away("porch", Path("1")) for _ in range(MAX_AWAY - 1)]
    duties.stayed("porch", Path("1"))
    again = [duties.went_away("porch", Path("1")) for _ in range(MAX_AWAY)]
    assert [*once, *again] == [False] * (2 * MAX_AWAY - 2) + [True]


def test_what_it_follows_no_more_is_forgotten() -> None:
    duties = Duties()
    for path in PATHS:
        duties.look("porch", path)
        duties.failed("yard", path, None)
    duties.want(PATHS[0], None)
    for board in ("porch", "yard"):
        duties.follows(board, PATHS[1:])
    assert duties.next() == ("porch", PATHS[1])
    assert duties.next() is None
    assert [duties.has_failed("yard", path) for path in PATHS] == [False, True]


def test_what_ended_each_time_with_the_board_gone_is_not_tried_again_when_it_is_plugged_in() -> None:
    duties, bundle = Duties(), Path("1")
    duties.want(PATHS[0], bundle)
    for times in range(1, MAX_AWAY + 1):
        duties.went_away("porch", bundle)
        duties.failed("porch", PATHS[0], bundle)
        duties.plugged_in("porch")
        assert duties.has_failed("porch", PATHS[0]) == (times == MAX_AWAY)
    duties.forget("porch")
    assert not duties.has_failed("porch", PATHS[0])


def test_the_newest_that_were_given_up_are_remembered() -> None:
    duties = Duties()
    for number in range(MAX_GIVEN_UP + 2):
        duties.give_up(PATHS[0], bytes([number]))
    duties.take_up(PATHS[0], bytes([2]))
    assert duties.given_up == {PATHS[0]: tuple(bytes([number]) for number in range(3, MAX_GIVEN_UP + 2))}
