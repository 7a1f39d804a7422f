"""From one model to another: what is followed goes on as if nothing had happened, under the numbers of the new one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edged.core.detections import Detections
from edged.core.event import ObjectAppeared, ObjectLeft
from edged.core.model import DecoderSpec, InputSpec, ModelManifest
from edged.core.tensor import RawOutput, TensorSpec
from edged.tracking.settings import TrackerSettings
from edged.tracking.tracker import Tracker, TrackUpdate
from edged.vision.labels import counterpart
from edged.zones.presence import FrameTime, Presence

SECOND = 1_000_000_000


def at(frame: int) -> int:
    return frame * SECOND // 10


def seen(frame: int, *classes: int) -> Detections:
    """One object of each class, side by side, walking to the right."""
    xyxy = [[300 * n + 4 * frame, 100, 300 * n + 60 + 4 * frame, 270] for n in range(len(classes))]
    boxes, scores = np.array(xyxy, np.float32).reshape(-1, 4), np.full(len(classes), 0.8, np.float32)
    return Detections(boxes, scores, np.array(classes, np.int32))


def manifest(*labels: str) -> ModelManifest:
    return ModelManifest("m", "1", "", {}, {}, InputSpec(), DecoderSpec("d"), labels)


@pytest.mark.parametrize("swap_at", range(1, 30, 3))
def test_tracker_that_takes_over_does_what_the_one_before_would_have_done(swap_at: int) -> None:
    whole, part = Tracker(TrackerSettings()), Tracker(TrackerSettings())
    shown = [(0, 1)] * 8 + [(0,)] * 20 + [(0, 1, 2)] * 8 + [()] * 20  # the second leaves 1.5 s after the cut
    for frame, classes in enumerate(shown):
        shift = 5 * (frame >= swap_at)
        if frame == swap_at:
            before, part = part, Tracker(TrackerSettings())
            assert part.take_over(before, lambda class_id: class_id + 5) == ()
        if frame == 9:
            whole.cut(at(frame)), part.cut(at(frame))
        expected = whole.update(seen(frame, *classes), at(frame))
        found = part.update(seen(frame, *(class_id + shift for class_id in classes)), at(frame))
        moved = [tuple(replace(t, class_id=t.class_id + shift) for t in tracks) for tracks in (expected.tracks, expected.ended)]
        assert found == TrackUpdate(*moved)


def test_tracks_of_classes_that_are_gone_end_with_the_class_they_had() -> None:
    before = Tracker(TrackerSettings())
    for frame in range(8):
        update = before.update(seen(frame, 0, 1), at(frame))
    before.update(seen(8, 0, 1, 1), at(8))  # the third has not appeared
    after = Tracker(TrackerSettings())
    ended = after.take_over(before, {0: 3}.get)
    assert [(t.id, t.class_id) for t in update.tracks] == [(1, 0), (2, 1)]
    assert [(t.id, t.class_id) for t in ended] == [(2, 1)]
    assert [(t.id, t.class_id) for t in after.tracks] == [(1, 3)]
    for frame in range(9, 14):
        found = after.update(seen(frame, 3, 3), at(frame))
    assert [t.id for t in found.tracks] == [1, 4]  # an id is given once


def test_objects_go_on_with_label_and_id_and_the_rest_is_closed_in_the_name_of_the_old_model() -> None:
    tracker, before = Tracker(TrackerSettings()), Presence("door", ["person", "dog"].__getitem__, "old", "r1")
    said: list[ObjectAppeared | ObjectLeft] = []
    for frame in range(8):
        said += before.update(tracker.update(seen(frame, 0, 1), at(frame)), FrameTime(at(frame), None))
    after, new = Presence("door", ["tree", "person"].__getitem__, "new", "r2"), Tracker(TrackerSettings())
    unknown = new.take_over(tracker, {0: 1}.get)
    (closed,) = after.take_over(before, unknown, FrameTime(at(7), None))
    assert (closed.object_id, closed.label, closed.reason, closed.model) == ("door-r1-2", "dog", "stopped", "old")
    assert before.finish("stopped", FrameTime(at(7), None)) == []
    for frame in range(8, 16):
        said += after.update(new.update(seen(frame, 1, 0), at(frame)), FrameTime(at(frame), None))
    assert [(it.object_id, it.label, it.model) for it in said if isinstance(it, ObjectAppeared)] == [
        ("door-r1-1", "person", "old"),
        ("door-r1-2", "dog", "old"),
        ("door-r1-3", "tree", "new"),
    ]
    left = [it for it in after.finish("left", FrameTime(at(16), None)) if isinstance(it, ObjectLeft)]
    assert [(it.object_id, it.label, it.model, len(it.path)) for it in left] == [
        ("door-r1-1", "person", "new", 14),
        ("door-r1-3", "tree", "new", 6),
    ]


@pytest.mark.parametrize(
    ("before", "after", "numbers"),
    [
        (("cat", "dog"), ("dog", "cat"), (1, 0)),
        (("cat", "dog"), ("cat",), (0, None)),
        (("cat", "dog"), (), (None, None)),
        ((), (), (0, 1)),
        ((), ("cat", ""), (None, 1)),  # the second is called 1 in both
        (("cat", "cat"), ("dog", "cat", "cat"), (1, 1)),
        (("a", "a"), ("a", "a"), (0, 1)),
    ],
)
def test_classes_go_by_their_names(before: tuple[str, ...], after: tuple[str, ...], numbers: tuple[int | None, ...]) -> None:
    assert tuple(counterpart(n, manifest(*before), manifest(*after)) for n in (0, 1)) == numbers


@given(hnp.arrays(st.sampled_from([np.float32, np.float16]), st.integers(0, 40), elements={"allow_subnormal": False}))
def test_finite_is_what_each_value_is(values: np.ndarray) -> None:
    output = RawOutput(TensorSpec("x", values.shape, values.dtype.name), values)
    assert output.finite == bool(np.isfinite(values).all())


def test_integers_and_sums_that_overflow_are_finite() -> None:
    huge = np.full(8, 3e38, np.float32)
    assert RawOutput(TensorSpec("x", (8,), "float32"), huge).finite
    assert RawOutput(TensorSpec("x", (8,), "uint8", 0.1, 0), np.full(8, 255, np.uint8)).finite
