from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.core.track import Box
from edged.sources.open import open_source
from edged.sources.settings import SourceSettings, SyntheticSettings
from edged.sources.synthetic import CLASSES, SyntheticScene


def test_same_seed_same_pixels_and_another_seed_others() -> None:
    first, again, other = (SyntheticScene(SyntheticSettings(seed=seed)) for seed in (1, 1, 2))
    for index in (0, 17, 400):
        assert np.array_equal(first.render(index), again.render(index))
        assert first.truth(index) == again.truth(index)
    assert not np.array_equal(first.render(0), other.render(0))


def test_truth_is_where_the_pixels_differ_from_the_empty_scene() -> None:
    size = {"width": 320, "height": 240, "seed": 5}
    empty = SyntheticScene(SyntheticSettings(objects=0, **size)).render(0)
    scene = SyntheticScene(SyntheticSettings(objects=6, **size))
    whole = set()
    for index in range(0, 300, 7):
        changed = (scene.render(index) != empty).any(axis=2)
        truths = scene.truth(index)
        for truth in truths:
            x0, y0, x1, y1 = map(int, truth.box)
            inside = x0 > 0 and y0 > 0 and x1 < 320 and y1 < 240
            if inside and not any(overlap(truth.box, other.box) for other in truths if other is not truth):
                rows, columns = np.nonzero(changed[y0:y1, x0:x1])
                assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == pytest.approx(
                    (0, 0, x1 - x0, y1 - y0), abs=1
                )
                whole.add(truth.class_id)
            changed[y0:y1, x0:x1] = False
        assert not changed.any(), "pixels moved that belong to no object"
    assert whole == set(range(len(CLASSES)))


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(64, 400),
    height=st.integers(64, 300),
    fps=st.floats(1, 120),
    objects=st.integers(0, 6),
    seed=st.integers(0, 2**32),
    index=st.integers(0, 10**6),
)
def test_every_frame_of_every_scene_can_be_rendered(
    width: int, height: int, fps: float, objects: int, seed: int, index: int
) -> None:
    scene = SyntheticScene(SyntheticSettings(width=width, height=height, fps=fps, objects=objects, seed=seed))
    assert scene.render(index).shape == (height, width, 3)
    assert scene.render(index).dtype == np.uint8
    for truth in scene.truth(index):
        x0, y0, x1, y1 = truth.box
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        assert 0 <= truth.class_id < len(CLASSES)


def test_objects_move_steadily_leave_and_come_back() -> None:
    scene = SyntheticScene(SyntheticSettings(objects=8, fps=10))
    seen = [{truth.number for truth in scene.truth(index)} for index in range(1000)]
    for number in range(8):
        presence = [number in frame for frame in seen]
        changes = sum(before != after for before, after in pairwise(presence))
        assert changes >= 2, f"object {number} never left and came back"


def test_fast_is_a_recording_that_ends() -> None:
    synthetic = SyntheticSettings(width=64, height=64, fps=20, frames=4, pace="fast")
    with open_source("scene", SourceSettings(synthetic=synthetic), 3) as source:
        assert source.info.live is False
        assert [(frame.seq, frame.media_ns) for frame in source] == [(3, 0), (4, 50_000_000), (5, 100_000_000), (6, 150_000_000)]


def test_realtime_poses_as_a_camera() -> None:
    synthetic = SyntheticSettings(width=64, height=64, fps=100, frames=3)
    with open_source("scene", SourceSettings(synthetic=synthetic)) as source:
        assert source.info.live is True
        frames = list(source)
    assert [frame.media_ns for frame in frames] == [None, None, None]
    assert frames[2].captured_ns - frames[0].captured_ns >= 19_000_000


def test_open_needs_exactly_one_source() -> None:
    with pytest.raises(ValueError, match="exactly one source"):
        open_source("scene", SourceSettings())
