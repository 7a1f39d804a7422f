"""Any source, shown as its camera wants it: what its frames say, which are left out, and how it ends."""

from __future__ import annotations

import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.core.cv import cv2
from edged.core.errors import CameraLost, EdgedError, SourceUnusable
from edged.sources.info import SourceInfo
from edged.sources.open import open_source
from edged.sources.picture_settings import PictureSettings
from edged.sources.pixels import as_bgr
from edged.sources.settings import FileSettings, SourceSettings, SyntheticSettings
from edged.sources.thinning import Thinning, thinned_fps
from edged.sources.viewed import ViewedSource
from edged.testing.source import Announce, Deliver, Lose, Script, Stall, Step

SECOND = 1_000_000_000
IMAGE = np.full((48, 64, 3), 9, np.uint8)


def viewed(steps: list[Step], picture: PictureSettings, info: SourceInfo | None = None) -> ViewedSource:
    return ViewedSource(Script(steps, info).open("door", SourceSettings()), picture, "door", 7)


# Which frames


@given(
    every=st.integers(1, 5),
    max_fps=st.one_of(st.none(), st.floats(0.5, 60)),
    gaps_ms=st.lists(st.integers(1, 3000), min_size=1, max_size=80),
)
def test_never_more_frames_than_asked_for_and_the_first_one_at_once(every: int, max_fps: float | None, gaps_ms: list[int]) -> None:
    thinning, at, taken = Thinning(every, max_fps), 0, []
    for number, gap_ms in enumerate(gaps_ms):
        if thinning.takes(at):
            taken.append((number, at))
        at += gap_ms * 1_000_000
    assert taken[0] == (0, 0)
    assert all(number % every == 0 for number, _ in taken)
    if max_fps is None:
        assert len(taken) == -(-len(gaps_ms) // every)
        return
    for first in range(len(taken)):
        for last in range(first + 1, len(taken)):
            within_s = (taken[last][1] - taken[first][1]) / SECOND
            assert last - first <= within_s * max_fps + 1 + 1e-6  # the interval is whole nanoseconds


@pytest.mark.parametrize(("fps", "max_fps"), [(30, 10), (30, 7), (15, 10), (25, 24), (60, 1), (10, 3)])
def test_frames_are_left_out_evenly(fps: float, max_fps: float) -> None:
    thinning, rng = Thinning(1, max_fps), np.random.default_rng(0)
    times = [round((number + rng.uniform(-0.02, 0.02)) * SECOND / fps) for number in range(round(20 * fps))]
    taken = [at for at in times if thinning.takes(at)]
    assert len(taken) == pytest.approx(20 * max_fps, rel=0.1, abs=1)
    assert max(later - earlier for earlier, later in pairwise(taken)) <= SECOND / max_fps + 1.05 * SECOND / fps


@pytest.mark.parametrize("jitter", [0.0, 0.1])
def test_a_camera_that_is_capped_at_its_own_rate_loses_nothing(jitter: float) -> None:
    thinning, rng = Thinning(1, 30), np.random.default_rng(0)
    times = [round((number + rng.uniform(0, jitter)) * SECOND / 30) for number in range(3000)]
    assert sum(thinning.takes(at) for at in times) >= 2990


def test_a_clock_that_goes_back_stops_nothing() -> None:
    thinning = Thinning(1, 1)
    assert [thinning.takes(at * SECOND) for at in (100, 101, 5, 6)] == [True] * 4


@pytest.mark.parametrize(
    ("fps", "every", "max_fps", "left"),
    [(30, 1, None, 30), (30, 3, None, 10), (30, 3, 5, 5), (30, 1, 60, 30), (0, 2, 5, 5), (0, 2, None, 0)],
)
def test_the_rate_that_is_left(fps: float, every: int, max_fps: float | None, left: float) -> None:
    assert thinned_fps(fps, every, max_fps) == left


# The source


def test_info_and_frames_are_of_the_picture_as_shown() -> None:
    picture = PictureSettings(rotate=90, crop=(0, 0, 1, 0.5), every=2, masks=(((0, 0), (0.5, 0), (0.5, 0.5), (0, 0.5)),))
    source = viewed([Deliver(IMAGE, media) for media in (0, 10, 20)], picture)
    assert (source.info.width, source.info.height, source.info.fps) == (48, 32, 15.0)
    assert source.info.description == "script, turned by 90°, cropped to 48x32, 1 masked, thinned to 15 fps"
    with source:
        frames = list(source)
    assert [(frame.seq, frame.media_ns, frame.width, frame.height) for frame in frames] == [(7, 0, 48, 32), (8, 20, 48, 32)]
    for frame in frames:
        assert not frame.image.flags.writeable
        assert not frame.image[:31, :23].any()
        assert (frame.image[:, 27:] == 9).all()


def test_a_camera_that_is_renegotiated_to_another_size_stays_masked() -> None:
    everything = PictureSettings(masks=(((0, 0), (1, 0), (1, 1), (0, 1)),))
    sizes = [(48, 64), (96, 128), (48, 64), (20, 16)]
    frames = list(viewed([Deliver(np.full((*size, 3), 255, np.uint8)) for size in sizes], everything))
    assert [frame.image.shape[:2] for frame in frames] == sizes
    assert not any(frame.image.any() for frame in frames)


@pytest.mark.parametrize(("live", "fault"), [(True, CameraLost), (False, SourceUnusable)])
def test_a_crop_that_leaves_nothing_closes_the_source(live: bool, fault: type[EdgedError]) -> None:
    inner = Script([Deliver(IMAGE)], SourceInfo(64, 48, 30.0, "script", live)).open("door", SourceSettings())
    with pytest.raises(fault, match=r"picture\.crop leaves 1x48 of 64x48") as caught:
        ViewedSource(inner, PictureSettings(crop=(0, 0, 0.02, 1)), "door", 0)
    assert "16" in caught.value.hint
    assert inner.read() is None


@pytest.mark.parametrize(("live", "fault"), [(True, CameraLost), (False, SourceUnusable)])
@pytest.mark.parametrize("announced", [True, False])
def test_a_picture_that_became_too_small_ends_no_camera(live: bool, fault: type[EdgedError], announced: bool) -> None:
    tiny = SourceInfo(16, 16, 30.0, "script", live)
    steps = [Deliver(IMAGE), *[Announce(tiny)] * announced, Deliver(np.zeros((16, 16, 3), np.uint8))]
    source = viewed(steps, PictureSettings(crop=(0, 0, 0.5, 1)), SourceInfo(64, 48, 30.0, "script", live))
    assert source.read() is not None
    with pytest.raises(fault, match=r"leaves 8x16 of 16x16") as caught:
        source.read()
    assert "16" in caught.value.hint
    assert getattr(caught.value, "fault", "unusable") == "unusable"


def test_closing_ends_a_read_that_hangs_in_the_source() -> None:
    script = Script([Stall()])
    source = ViewedSource(script.open("door", SourceSettings()), PictureSettings(max_fps=1), "door", 0)
    answers: list[object] = []
    reader = threading.Thread(target=lambda: answers.append(source.read()))
    reader.start()
    assert script.stalled.wait(timeout=60)
    source.close()
    reader.join(timeout=60)
    assert answers == [None]


def test_what_is_left_out_is_heard_while_the_read_goes_on() -> None:
    script = Script([Deliver(IMAGE), Deliver(IMAGE), Stall()], SourceInfo(64, 48, 0.0, "rate unknown", live=True))
    source = ViewedSource(script.open("door", SourceSettings()), PictureSettings(every=100), "door", 0)
    assert source.heard_ns == 0
    assert source.read() is not None
    first_ns = source.heard_ns
    reader = threading.Thread(target=source.read)
    reader.start()
    assert script.stalled.wait(timeout=60)
    assert 0 < first_ns < source.heard_ns
    source.close()
    reader.join(timeout=60)


def test_a_loss_comes_through() -> None:
    source = viewed([Deliver(IMAGE), Lose(CameraLost("unplugged"))], PictureSettings(mirror=True))
    assert source.read() is not None
    with pytest.raises(CameraLost, match="unplugged"):
        source.read()


@pytest.mark.parametrize("kind", ["synthetic", "pictures", "video"])
def test_every_kind_of_source_can_be_shown(kind: str, tmp_path: Path) -> None:
    if kind == "synthetic":
        settings = SourceSettings(synthetic=SyntheticSettings(pace="fast", frames=10, width=64, height=48, fps=10))
    elif kind == "pictures":
        for number in range(10):
            (tmp_path / f"{number}.png").write_bytes(cv2.imencode(".png", IMAGE)[1].tobytes())
        settings = SourceSettings(file=FileSettings(path=tmp_path, pace="fast", pictures_per_s=10))
    else:
        writer = cv2.VideoWriter(str(tmp_path / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
        for _ in range(10):
            writer.write(IMAGE)
        writer.release()
        settings = SourceSettings(file=FileSettings(path=tmp_path / "clip.avi", pace="fast"))
    shown = SourceSettings(file=settings.file, synthetic=settings.synthetic, picture=PictureSettings(rotate=270, max_fps=5))
    with open_source("door", settings) as plain, open_source("door", shown, 3) as turned:
        every, some = list(plain), list(turned)
    assert [frame.seq for frame in some] == [3, 4, 5, 6, 7]
    assert [frame.media_ns for frame in some] == [frame.media_ns for frame in every[::2]]
    for frame, original in zip(some, every[::2], strict=True):
        assert np.array_equal(frame.image, np.rot90(original.image))


# Layouts of pixels


def test_a_camera_that_turns_grey_goes_on() -> None:
    grey = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)
    steps = [Deliver(layout) for layout in (IMAGE, grey, grey[:, :, None], np.dstack([IMAGE, grey]))]
    frames = list(Script(steps).open("door", SourceSettings()))
    assert [frame.image.shape for frame in frames] == [(48, 64, 3)] * 4
    assert np.array_equal(frames[1].image, np.dstack([grey] * 3))
    assert np.array_equal(frames[2].image, frames[1].image)
    assert np.array_equal(frames[3].image, IMAGE)
    assert as_bgr(IMAGE) is IMAGE


def test_sixteen_bits_become_eight() -> None:
    assert np.array_equal(as_bgr(np.full((4, 4), 0xABCD, np.uint16)), np.full((4, 4, 3), 0xAB, np.uint8))


@pytest.mark.parametrize(
    "pixels",
    [np.zeros(12, np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 0, 3), np.uint8)],
)
def test_what_is_no_picture_is_named(pixels: np.ndarray) -> None:
    with pytest.raises(SourceUnusable, match=r"\(.*\) is no picture"):
        as_bgr(pixels)
