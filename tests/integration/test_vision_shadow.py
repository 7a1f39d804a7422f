"""A candidate looks at live frames beside the model that serves: what both made of them is compared, and nobody is disturbed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from vision import Process, check_frames, check_no_thread, serving

from edged.core.event import ObjectAppeared
from edged.infer.bundle import identify
from edged.infer.settings import ModelSettings
from edged.sources.settings import SyntheticSettings
from edged.testing.detector import write_bundle
from edged.testing.source import Deliver, Script
from edged.tracking.settings import TrackerSettings
from edged.vision import ipc
from edged.vision.settings import CameraSettings, VisionSettings

ENDLESS = 1_000_000
LIGHT, DARK, WHITE = (Deliver(np.full((48, 64, 3), grey, np.uint8)) for grey in (230, 10, 255))


@pytest.fixture
def serving_bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "serving", 2)


def settings(bundle: Path, labels: tuple[str, ...] = ()) -> VisionSettings:
    camera = CameraSettings(model="m", synthetic=SyntheticSettings(pace="fast"), live_max_hz=1e9, labels=labels)
    return VisionSettings(
        cameras={"door": camera},
        models={"m": ModelSettings(bundle=str(bundle))},
        tracking=TrackerSettings(appear_after_s=0),
        identities={"m": identify(bundle)},
        run="a",
    )


def order(candidate: Path, **changes: Any) -> ipc.Shadow:
    fields = {"model_name": "m", "share": 1.0, "frames": 20, "seconds": 60.0, "identity": identify(candidate)}
    return ipc.Shadow(**{**fields, "candidate": ModelSettings(bundle=str(candidate)), **changes})


def end_of(process: Process, shadow: ipc.Shadow) -> ipc.Agreement:
    process.order(shadow)
    return ended(process)


def ended(process: Process) -> ipc.Agreement:
    while not (report := process.until(ipc.Agreement)).ended:
        pass
    return report


def check_undisturbed(process: Process) -> None:
    check_frames(process, "door")
    check_no_thread("shadow".__eq__)


@pytest.mark.parametrize(("labels", "agrees"), [(("light",), True), (("shadow", "light"), True), (("lamp",), False)])
def test_candidate_is_compared_by_label_and_place(
    serving_bundle: Path, tmp_path: Path, labels: tuple[str, ...], agrees: bool
) -> None:
    candidate = write_bundle(tmp_path / "candidate", 2, labels=labels)
    with serving(settings(serving_bundle), {"door": Script([LIGHT] * ENDLESS)}) as process:
        process.until(ObjectAppeared)
        found = end_of(process, order(candidate, number=7))
        process.until(ipc.Stats)
    assert (found.ended, found.message, found.frames, found.not_finite, found.number) == ("done", "", 20, 0, 7)
    alone = 0 if agrees else 40
    assert (found.matched, found.only_serving, found.only_candidate) == (40 - alone, alone, alone)
    assert found.score_drift == (pytest.approx(0) if agrees else None)
    assert found.latency_ratio == 1, "both are below a millisecond"
    assert len(found.digest) == 64
    check_undisturbed(process)


def test_what_a_camera_does_not_follow_is_not_compared(serving_bundle: Path, tmp_path: Path) -> None:
    candidate = write_bundle(tmp_path / "candidate", 2, labels=("light", "lamp"))
    with serving(settings(serving_bundle, ("light",)), {"door": Script([LIGHT] * ENDLESS)}) as process:
        found = end_of(process, order(candidate))
    assert (found.ended, found.only_serving, found.only_candidate) == ("done", 40, 0)
    check_undisturbed(process)


def test_outputs_that_are_not_finite_are_counted(serving_bundle: Path, tmp_path: Path) -> None:
    candidate = write_bundle(tmp_path / "candidate", 2, fault="nan")
    with serving(settings(serving_bundle), {"door": Script([DARK] * ENDLESS)}) as process:
        found = end_of(process, order(candidate))
    assert (found.ended, found.frames, found.not_finite) == ("done", 20, 20)
    check_undisturbed(process)


def test_candidate_that_fails_is_reported_and_the_cameras_are_served_on(serving_bundle: Path, tmp_path: Path) -> None:
    candidate = write_bundle(tmp_path / "candidate", 2, fault="error")
    with serving(settings(serving_bundle), {"door": Script([WHITE] * ENDLESS)}) as process:
        process.until(ipc.Live)
        found = end_of(process, order(candidate))
        assert (found.ended, found.frames) == ("failed", 0)
        assert "gather index out of bounds" in found.message
        for _ in range(5):
            process.until(ipc.Live)
        assert end_of(process, order(serving_bundle)).ended == "done"  # another may come
    check_undisturbed(process)


def test_error_that_nobody_foresaw_ends_the_shadow_and_nothing_else(serving_bundle: Path) -> None:
    def unreadable() -> int:
        raise OSError("no /proc here")

    with serving(settings(serving_bundle), {"door": Script([LIGHT] * ENDLESS)}, unreadable) as process:
        process.until(ipc.Live)
        found = end_of(process, order(serving_bundle))
        assert (found.ended, found.message) == ("failed", "OSError: no /proc here")
        process.until(ipc.Live)
    check_undisturbed(process)


@pytest.mark.parametrize(
    ("changes", "free_mb", "end", "words"),
    [
        ({"memory_bytes": 100 << 20}, 99, "no_room", "needs 100 MB"),
        ({"identity": "another"}, 99, "failed", "changed after it was tried"),
        ({"model_name": "n"}, 99, "failed", "no model n serves"),
        ({"seconds": 0.01, "frames": 10**9}, 99, "done", ""),
        ({"share": 1e-9, "seconds": 0.3}, 99, "done", ""),
    ],
)
def test_every_shadow_ends_with_its_reason(
    serving_bundle: Path, changes: dict[str, Any], free_mb: int, end: str, words: str
) -> None:
    with serving(settings(serving_bundle), {"door": Script([LIGHT] * ENDLESS)}, lambda: free_mb << 20) as process:
        found = end_of(process, order(serving_bundle, **changes))
        assert found.ended == end
        assert words in found.message
        process.until(ipc.Live)
    check_undisturbed(process)


def test_shadow_ends_when_it_is_stopped_replaced_or_the_model_is_exchanged(serving_bundle: Path, tmp_path: Path) -> None:
    endless = {"frames": 10**9, "seconds": 600.0}
    with serving(settings(serving_bundle), {"door": Script([LIGHT] * ENDLESS)}) as process:
        process.order(order(serving_bundle, **endless, number=1))
        process.until(ipc.Agreement)
        process.order(order(serving_bundle, **endless, number=2))
        found = ended(process)
        assert (found.ended, found.number) == ("stopped", 1)
        process.until(ipc.Agreement, number=2)
        process.order(ipc.StopShadow())
        found = ended(process)
        assert (found.ended, found.number) == ("stopped", 2)
        process.order(order(serving_bundle, **endless, number=3))
        process.until(ipc.Agreement, number=3)
        other = write_bundle(tmp_path / "other", 2, labels=("lamp",))
        process.reconfigure(settings(other))
        found = ended(process)
        assert (found.ended, found.message, found.number) == ("stopped", "the model that serves was exchanged", 3)
        process.order(order(other, **endless, number=4))  # and one that is there at the end
        process.until(ipc.Agreement, number=4)
