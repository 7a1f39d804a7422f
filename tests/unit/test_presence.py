from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from edged.core.event import ObjectAppeared, ObjectLeft, Occurrence
from edged.core.track import Track
from edged.zones.path import MAX_POINTS, Path
from edged.zones.presence import FrameTime, Presence

SECOND = 1_000_000_000
TRACK = Track(id=7, class_id=0, score=0.6, box=(10, 20, 30, 80), matched=True, first_ns=SECOND, last_matched_ns=2 * SECOND)


@dataclass(frozen=True)
class Changes:
    tracks: Sequence[Track] = ()
    ended: Sequence[Track] = ()


def presence() -> Presence:
    return Presence("door", lambda class_id: ["person", "dog"][class_id], "sha256:abc", "run1")


def test_an_object_appears_once_with_all_that_is_known() -> None:
    there = presence()
    assert there.update(Changes([TRACK]), FrameTime(5 * SECOND, None)) == [
        ObjectAppeared(
            camera="door",
            object_id="door-run1-7",
            label="person",
            score=0.6,
            box=(10, 20, 30, 80),
            at_ns=5 * SECOND,
            media_s=None,
            model="sha256:abc",
        )
    ]
    assert there.update(Changes([TRACK]), FrameTime(6 * SECOND, None)) == []


def test_leaving_tells_the_whole_stay() -> None:
    there = presence()
    best = replace(TRACK, score=0.9, box=(20, 20, 40, 80), last_matched_ns=3 * SECOND)
    last = replace(TRACK, score=0.5, box=(30, 20, 50, 90), last_matched_ns=4 * SECOND)
    coasting = replace(last, box=(90, 20, 110, 90), matched=False)
    for track in (TRACK, best, last, coasting):
        there.update(Changes([track]), FrameTime(0, 3 * SECOND))
    assert there.update(Changes(ended=[coasting]), FrameTime(9 * SECOND, 6 * SECOND)) == [
        ObjectLeft(
            camera="door",
            object_id="door-run1-7",
            label="person",
            reason="left",
            dwell_s=3.0,
            best_score=0.9,
            best_box=(20, 20, 40, 80),
            box=(30, 20, 50, 90),
            path=((20, 80), (30, 80), (40, 90)),
            at_ns=9 * SECOND,
            media_s=6.0,
            model="sha256:abc",
        )
    ]
    assert there.finish("stopped", FrameTime(9 * SECOND, None)) == []


def test_finish_closes_all_with_the_reason_once() -> None:
    there = presence()
    there.update(Changes([TRACK, replace(TRACK, id=8, class_id=1)]), FrameTime(0, None))
    closed = there.finish("source_lost", FrameTime(3 * SECOND, None))
    assert [(o.object_id, o.label, o.reason, o.at_ns) for o in closed if isinstance(o, ObjectLeft)] == [
        ("door-run1-7", "person", "source_lost", 3 * SECOND),
        ("door-run1-8", "dog", "source_lost", 3 * SECOND),
    ]
    assert there.finish("stopped", FrameTime(4 * SECOND, None)) == []


def test_the_clock_of_the_scene_is_the_recordings_if_there_is_one() -> None:
    assert FrameTime(5, None).scene_ns == 5
    assert FrameTime(5, 0).scene_ns == 0
    assert (FrameTime(5, SECOND // 2).media_s, FrameTime(5, None).media_s) == (0.5, None)


@given(st.integers(0, 2000))
def test_a_path_keeps_its_ends_its_order_and_an_even_spread(n: int) -> None:
    path = Path()
    for k in range(n):
        path.add((float(k), 0.0))
    xs = [x for x, _ in path.points()]
    assert len(xs) <= MAX_POINTS
    assert xs == sorted(set(xs))
    if n:
        assert (xs[0], xs[-1]) == (0, n - 1)
        assert len(xs) >= min(n, MAX_POINTS // 2)
        gaps = {b - a for a, b in pairwise(xs[:-1])}
        assert len(gaps) <= 1


class Life(RuleBasedStateMachine):
    """Any tracker that keeps its own promises, and a camera that may be lost at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.there = presence()
        self.tracks: dict[int, Track] = {}
        self.next_id = 1
        self.now = 0
        self.open: set[str] = set()
        self.closed: set[str] = set()

    def hear(self, occurrences: list[Occurrence]) -> None:
        for occurrence in occurrences:
            if isinstance(occurrence, ObjectAppeared):
                assert occurrence.object_id not in self.open | self.closed
                self.open.add(occurrence.object_id)
            else:
                assert isinstance(occurrence, ObjectLeft)
                self.open.remove(occurrence.object_id)
                self.closed.add(occurrence.object_id)
                assert occurrence.dwell_s >= 0
                assert 1 <= len(occurrence.path) <= MAX_POINTS

    @rule(come=st.integers(0, 3), go=st.integers(0, 3), hide=st.integers(0, 3), score=st.floats(0.1, 1))
    def frame(self, come: int, go: int, hide: int, score: float) -> None:
        self.now += SECOND // 10
        ended = [self.tracks.pop(track_id) for track_id in list(self.tracks)[:go]]
        for k, (track_id, track) in enumerate(self.tracks.items()):
            matched = k >= hide
            last_ns = self.now if matched else track.last_matched_ns
            self.tracks[track_id] = replace(track, matched=matched, score=score, last_matched_ns=last_ns)
        for _ in range(come):
            self.tracks[self.next_id] = replace(TRACK, id=self.next_id, first_ns=self.now, last_matched_ns=self.now)
            self.next_id += 1
        self.hear(self.there.update(Changes(list(self.tracks.values()), ended), FrameTime(self.now, None)))

    @rule()
    def lose_the_camera(self) -> None:
        self.tracks.clear()
        self.hear(self.there.finish("source_lost", FrameTime(self.now, None)))

    @invariant()
    def what_is_open_is_what_is_tracked(self) -> None:
        assert self.open == {f"door-run1-{track_id}" for track_id in self.tracks}

    def teardown(self) -> None:
        self.hear(self.there.finish("stopped", FrameTime(self.now, None)))
        assert not self.open
        assert len(self.closed) == self.next_id - 1


TestLife = Life.TestCase
TestLife.settings = hypothesis_settings(max_examples=40, stateful_step_count=40)


@pytest.mark.parametrize("reason", ["left", "source_lost"])
def test_one_that_never_appeared_cannot_leave(reason: str) -> None:
    there = presence()
    changes = Changes(ended=[TRACK]) if reason == "left" else Changes()
    assert there.update(changes, FrameTime(0, None)) == []
    assert there.finish("source_lost", FrameTime(0, None)) == []
