"""A picture that changes as a whole is told from things that move in it, and nobody leaves because of it."""

from __future__ import annotations

import numpy as np
import pytest

from edged.core.detections import Detections
from edged.tracking.cut import CutDetector
from edged.tracking.settings import TrackerSettings
from edged.tracking.tracker import CUT_GRACE_NS, Tracker

SECOND = 1_000_000_000
SCENE = np.random.default_rng(0).integers(40, 160, (120, 160, 3), dtype=np.uint8)


def seen(*values: float) -> list[bool]:
    """What is noticed of a picture whose brightness is multiplied by each of ``values``, ten a second, with a night's noise."""
    cuts, noise = CutDetector(), np.random.default_rng(1)
    found = []
    for number, value in enumerate(values):
        exposed = np.clip(SCENE * value + noise.normal(0, 8, SCENE.shape), 0, 255)
        found.append(cuts.happened(exposed.astype(np.uint8), number * SECOND // 10))
    return found


def test_noise_is_no_cut() -> None:
    assert not any(seen(*[1.0] * 40))


def test_a_jump_of_the_exposure_is_one_cut() -> None:
    assert seen(1, 1, 1, 2.5, 2.5, 2.5) == [False, False, False, True, False, False]


@pytest.mark.parametrize("last", [0.1, 2.4])
def test_an_exposure_that_is_regulated_over_a_second_is_noticed(last: float) -> None:
    assert any(seen(*np.linspace(1, last, 11)))


def test_daylight_that_fades_over_a_minute_is_not() -> None:
    assert not any(seen(*np.linspace(1, 0.1, 600)))


def test_colour_that_turns_grey_with_the_same_brightness_is_no_cut() -> None:
    cuts = CutDetector()
    grey = np.repeat(SCENE[:, :, 1:2], 3, axis=2)
    assert [cuts.happened(image, at * SECOND) for at, image in enumerate((SCENE, grey))] == [False, False]


def test_somebody_who_crosses_a_third_of_the_picture_is_no_cut() -> None:
    cuts = CutDetector()
    for number in range(40):
        image = SCENE.copy()
        image[:, 3 * number : 3 * number + 53] = 250
        assert not cuts.happened(image, number * SECOND // 10)


@pytest.mark.parametrize("size", [(120, 120), (48, 64), (5, 7), (1, 1)])
def test_another_size_of_picture_is_a_cut_and_any_size_is_compared(size: tuple[int, int]) -> None:
    cuts = CutDetector()
    assert not cuts.happened(SCENE, 0)
    smaller = SCENE[: size[0], : size[1]]
    assert cuts.happened(smaller, 1) or min(size) >= 48
    assert not cuts.happened(smaller, 2)


def person(*, there: bool) -> Detections:
    if not there:
        return Detections.empty()
    return Detections(np.array([[100, 100, 160, 270]], np.float32), np.array([0.8], np.float32), np.zeros(1, np.int32))


def missed_until_left(cut_at_s: tuple[float, ...]) -> float:
    """Seconds from the last detection to the leaving, at 10 frames a second."""
    tracker = Tracker(TrackerSettings(leave_after_s=1.5))
    for number in range(10):
        tracker.update(person(there=True), (number - 9) * SECOND // 10)
    for number in range(1, 1000):
        if any(abs(number / 10 - at_s) < 0.01 for at_s in cut_at_s):
            tracker.cut(number * SECOND // 10)
        if tracker.update(person(there=False), number * SECOND // 10).ended:
            return number / 10
    raise AssertionError("never left")


def test_waiting_begins_anew_at_a_cut_for_a_bounded_time() -> None:
    assert missed_until_left(()) == pytest.approx(1.5)
    assert missed_until_left((0.1,)) == pytest.approx(1.6)
    assert missed_until_left((0.1, 1.0, 2.0)) == pytest.approx(3.5)
    flashing = tuple(number / 10 for number in range(900))
    assert missed_until_left(flashing) == pytest.approx(1.5 + CUT_GRACE_NS / SECOND)
    assert missed_until_left((1.6,)) == pytest.approx(1.5)  # too late


def test_somebody_who_is_seen_again_after_the_cut_is_the_same() -> None:
    tracker = Tracker(TrackerSettings(leave_after_s=1.5))
    ids = set()
    for number in range(80):
        at_ns = number * SECOND // 10
        if number in {20, 34, 45}:
            tracker.cut(at_ns)
        update = tracker.update(person(there=not 20 <= number < 50), at_ns)
        assert not update.ended
        ids |= {track.id for track in update.tracks}
    assert ids == {1}


@pytest.mark.parametrize("pause_s", [1, 3, 10])
def test_a_camera_that_pauses_keeps_its_objects(pause_s: float) -> None:
    tracker = Tracker(TrackerSettings(leave_after_s=1.5))
    for number in range(20):
        tracker.update(person(there=True), number * SECOND // 10)
    update = tracker.update(person(there=True), round((2 + pause_s) * SECOND))
    assert ([track.id for track in update.tracks], update.ended) == ([1], ())
