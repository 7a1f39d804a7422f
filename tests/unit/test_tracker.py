from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.core.detections import Detections
from edged.core.track import Track
from edged.tracking.settings import TrackerSettings
from edged.tracking.tracker import NOTHING, Tracker, TrackUpdate

SECOND = 1_000_000_000


@dataclass
class Seen:
    """One box around a centre."""

    x: float
    y: float = 300
    score: float = 0.8
    class_id: int = 0
    size: tuple[float, float] = (60, 170)


def detections(*seen: Seen) -> Detections:
    if not seen:
        return Detections.empty()
    xyxy = [[s.x - s.size[0] / 2, s.y - s.size[1] / 2, s.x + s.size[0] / 2, s.y + s.size[1] / 2] for s in seen]
    return Detections(
        np.array(xyxy, np.float32), np.array([s.score for s in seen], np.float32), np.array([s.class_id for s in seen], np.int32)
    )


class Scene:
    """A tracker that is shown frame after frame."""

    def __init__(self, fps: float = 10, high_by_class: dict[int, float] | None = None, **options: float) -> None:
        self.tracker = Tracker(TrackerSettings(**options), high_by_class)
        self.fps = fps
        self.frame = 0

    def show(self, *seen: Seen) -> TrackUpdate:
        update = self.tracker.update(detections(*seen), round(self.frame * SECOND / self.fps))
        self.frame += 1
        return update

    def establish(self, *seen: Seen) -> tuple[Track, ...]:
        for _ in range(max(2, round(self.fps))):
            update = self.show(*seen)
        assert len(update.tracks) == len(seen)
        return update.tracks


@pytest.mark.parametrize("fps", [0.5, 2, 10, 60])
def test_an_object_appears_after_its_time_and_two_frames(fps: float) -> None:
    scene = Scene(fps, appear_after_s=0.2)
    shown = 0
    while not scene.show(Seen(100)).tracks:
        shown += 1
    assert shown == max(1, round(0.2 * fps))


@pytest.mark.parametrize("fps", [0.5, 10, 60])
def test_a_flicker_is_no_object(fps: float) -> None:
    scene = Scene(fps, appear_after_s=0)
    for _ in range(10):
        assert scene.show(Seen(100)) == NOTHING
        assert scene.show() == NOTHING


@pytest.mark.parametrize(("fps", "missed"), [(0.5, 2), (2, 3), (10, 15), (60, 90)])
def test_an_object_leaves_after_its_time_and_two_frames(fps: float, missed: int) -> None:
    scene = Scene(fps, leave_after_s=1.5)
    (track,) = scene.establish(Seen(100))
    for _ in range(missed - 1):
        update = scene.show()
        assert [(t.id, t.matched, t.last_matched_ns) for t in update.tracks] == [(track.id, False, track.last_matched_ns)]
        assert update.ended == ()
    update = scene.show()
    assert update.tracks == ()
    assert [t.id for t in update.ended] == [track.id]
    assert scene.show() == NOTHING


@pytest.mark.parametrize("sizes_per_s", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("fps", [2, 5, 10, 30])
@pytest.mark.parametrize("seed", range(3))
def test_a_walker_keeps_his_id_through_a_second_behind_a_pillar(fps: float, sizes_per_s: float, seed: int) -> None:
    rng, scene, ids = np.random.default_rng(seed), Scene(fps), []
    for k in range(int(7 * fps)):
        hidden = 3 <= k / fps < 4
        x, y = 100 + sizes_per_s * 100 * k / fps + rng.normal(0, 3), 300 + rng.normal(0, 3)
        update = scene.show() if hidden else scene.show(Seen(x, y))
        ids += [track.id for track in update.tracks]
        assert update.ended == ()
        assert all(track.matched != hidden for track in update.tracks)
    assert set(ids) == {1}


@pytest.mark.parametrize("fps", [1, 10, 30])
def test_two_who_meet_and_pass_keep_their_ids(fps: float) -> None:
    scene = Scene(fps)
    for k in range(int(8 * fps)):
        update = scene.show(Seen(100 + 60 * k / fps, 300), Seen(580 - 60 * k / fps, 400))
    assert [(t.id, t.box[0] > 300) for t in update.tracks] == [(1, True), (2, False)]


def test_weak_detections_continue_a_track_but_start_none() -> None:
    scene = Scene(score_high=0.5, score_low=0.2)
    for _ in range(20):
        assert scene.show(Seen(100, score=0.4)) == NOTHING
    scene.establish(Seen(100))
    for _ in range(30):
        (track,) = scene.show(Seen(100, score=0.3)).tracks
        assert (track.matched, track.score) == (True, pytest.approx(0.3))
    (track,) = scene.show(Seen(100, score=0.19)).tracks
    assert not track.matched


def test_weak_detections_confirm_nothing() -> None:
    scene = Scene()
    assert scene.show(Seen(100)) == NOTHING
    for _ in range(20):
        assert scene.show(Seen(100, score=0.4)) == NOTHING


def test_a_hidden_object_keeps_its_size() -> None:
    scene = Scene()
    for k in range(10):
        (*_, last) = scene.show(Seen(300, size=(60 + 6 * k, 100 + 10 * k))).tracks or [None]
    for _ in range(10):
        (track,) = scene.show().tracks
    assert last is not None
    assert track.box[2] - track.box[0] == pytest.approx(last.box[2] - last.box[0], rel=0.15)


def test_a_strong_detection_is_matched_before_a_weak_one_that_is_nearer() -> None:
    scene = Scene()
    scene.establish(Seen(100))
    (track,) = scene.show(Seen(100, score=0.3), Seen(120, score=0.9)).tracks
    assert track.score == pytest.approx(0.9)


def test_a_track_that_has_not_appeared_takes_nothing_from_one_that_has() -> None:
    scene = Scene()
    scene.establish(Seen(100))
    scene.show(Seen(100), Seen(150))
    for _ in range(20):
        update = scene.show(Seen(148))
    assert [(t.id, t.matched) for t in update.tracks] == [(1, True)]


def test_a_second_box_on_one_object_is_no_second_object() -> None:
    scene = Scene()
    scene.establish(Seen(100))
    for _ in range(20):
        update = scene.show(Seen(100), Seen(105, 310, score=0.6, size=(90, 190)))
    assert len(update.tracks) == 1
    both_new = Scene()
    for _ in range(20):
        update = both_new.show(Seen(105, 310, score=0.6, size=(90, 190)), Seen(100))
    assert [t.score for t in update.tracks] == [pytest.approx(0.8)]


def test_a_weak_second_box_does_not_keep_one_who_left() -> None:
    scene = Scene()
    scene.establish(Seen(100), Seen(400))
    for k in range(25):  # the one at 100 walks to the place of the other, who is gone by then
        update = scene.show(Seen(min(100 + 15 * k, 400)), Seen(min(100 + 15 * k, 400) + 5, score=0.3))
    assert [t.id for t in update.tracks] == [1]


def test_classes_are_never_mixed() -> None:
    scene = Scene()
    scene.establish(Seen(100, class_id=1))
    ended = []
    for _ in range(20):
        update = scene.show(Seen(100, class_id=2))
        ended += update.ended
    assert [(t.id, t.class_id) for t in ended] == [(1, 1)]
    assert [(t.id, t.class_id) for t in update.tracks] == [(2, 2)]


def test_two_classes_in_one_place_are_two_objects() -> None:
    assert len(Scene().establish(Seen(100, class_id=1), Seen(100, class_id=2))) == 2


def test_a_clock_that_goes_back_ends_everything_and_ids_go_on() -> None:
    scene = Scene()
    (before,) = scene.establish(Seen(100))
    scene.frame = 0
    update = scene.show(Seen(100))
    assert [t.id for t in update.ended] == [before.id]
    assert update.tracks == ()
    (after,) = scene.establish(Seen(100))
    assert after.id > before.id
    assert after.first_ns == 0


def test_finish_ends_all_and_what_follows_is_new() -> None:
    scene = Scene()
    scene.establish(Seen(100), Seen(400))
    scene.show(Seen(100), Seen(400), Seen(700))  # the third has not appeared
    assert [t.id for t in scene.tracker.finish()] == [1, 2]
    assert scene.tracker.finish() == ()
    assert [t.id for t in scene.establish(Seen(100))] == [4]


def test_times_run_from_the_first_detection_to_the_last() -> None:
    scene = Scene(10)
    scene.establish(Seen(100))
    (track,) = scene.show().tracks
    assert (track.first_ns, track.last_matched_ns) == (0, 9 * SECOND // 10)


def test_the_weakest_are_dropped_and_counted_but_none_that_appeared() -> None:
    scene = Scene(max_tracks=3)
    scene.establish(Seen(100, score=0.5), Seen(300, score=0.5))
    newcomers = [Seen(500 + 200 * k, score=0.6 + 0.1 * k) for k in range(4)]
    for _ in range(5):
        update = scene.show(Seen(100, score=0.5), Seen(300, score=0.5), *newcomers)
    assert sorted(round(t.score, 1) for t in update.tracks) == [0.5, 0.5, 0.9]
    assert scene.tracker.dropped == 5 * 3


def test_an_empty_box_at_the_edge_harms_nothing() -> None:
    scene = Scene()
    for _ in range(5):
        update = scene.show(Seen(0, 0, size=(0, 0)), Seen(100))
    assert np.isfinite([t.box for t in update.tracks]).all()


steps = st.lists(
    st.tuples(
        st.sampled_from([-1, 0, 0.02, 0.1, 0.5, 2, 90]), st.lists(st.integers(0, 12), max_size=5, unique=True), st.booleans()
    ),
    max_size=40,
)


@settings(max_examples=80)
@given(steps)
def test_any_scene_keeps_the_rules(scene: list[tuple[float, list[int], bool]]) -> None:
    tracker, now, alive, gone = Tracker(TrackerSettings(max_tracks=4)), 10 * SECOND, {}, set()
    for dt, places, weak in scene:
        now += int(dt * SECOND)
        seen = [Seen(40 * k, score=0.3 if weak and k % 2 else 0.8, class_id=k % 3) for k in places]
        update = tracker.update(detections(*seen), now)
        ids, ended = [t.id for t in update.tracks], [t.id for t in update.ended]
        assert len(set(ids + ended)) == len(ids) + len(ended)
        assert not gone & set(ids + ended), "ids are never used again"
        assert set(ended) <= set(alive), "only what appeared can leave"
        assert set(alive) <= set(ids) | set(ended), "nothing goes without a word"
        assert len(ids) <= 4
        for track in update.tracks:
            assert alive.setdefault(track.id, track.class_id) == track.class_id
            assert np.isfinite(track.box).all()
            assert track.first_ns <= track.last_matched_ns <= now
            assert track.matched == (track.last_matched_ns == now) or dt == 0
        gone |= set(ended)
        alive = {key: value for key, value in alive.items() if key not in gone}
    assert {t.id for t in tracker.finish()} == set(alive)


@pytest.mark.parametrize(
    ("class_id", "score", "appears", "goes_on"),
    [
        (0, 0.55, True, True),  # as the settings say
        (0, 0.45, False, True),
        (1, 0.65, False, True),  # this class needs 0.7 to appear
        (1, 0.75, True, True),
        (2, 0.15, True, True),  # and this one less than the weakest detection of the others
        (0, 0.15, False, False),
        (3, 0.45, False, True),
    ],
)
def test_a_class_may_count_from_a_score_of_its_own(class_id: int, score: float, appears: bool, goes_on: bool) -> None:
    weak = Scene(high_by_class={1: 0.7, 2: 0.1}, score_high=0.5, score_low=0.2)
    for _ in range(10):
        update = weak.show(Seen(300, score=score, class_id=class_id))
    assert bool(update.tracks) == appears
    begun = Scene(high_by_class={1: 0.7, 2: 0.1}, score_high=0.5, score_low=0.2)
    begun.establish(Seen(300, score=0.9, class_id=class_id))
    (track,) = begun.show(Seen(300, score=score, class_id=class_id)).tracks
    assert track.matched == goes_on
