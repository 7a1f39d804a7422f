"""One model in the place of another while cameras run: nothing that is followed is lost, and no frame is lost or seen twice."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support import PATIENCE_S
from vision import check_frames, serving

from edged.core.event import ObjectAppeared, ObjectLeft
from edged.infer.bundle import identify
from edged.infer.settings import ModelSettings
from edged.sources.settings import SyntheticSettings
from edged.testing.detector import write_bundle
from edged.testing.source import Deliver, Script, Stall, Step
from edged.tracking.settings import TrackerSettings
from edged.vision import ipc, reconfiguration
from edged.vision.settings import CameraSettings, VisionSettings

LIGHT = Deliver(np.full((48, 64, 3), 230, np.uint8))
ENDLESS = 1_000_000


@pytest.fixture
def bundles(tmp_path: Path) -> dict[str, Path]:
    """``first`` and ``second`` know light under different numbers, ``other`` calls it by another name."""
    labels = {"first": ("light",), "second": ("shadow", "light"), "other": ("lamp",)}
    return {name: write_bundle(tmp_path / name, 2, labels=known) for name, known in labels.items()}


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Without the garbage collector, which would free what is kept by accident, though too late for large models."""
    gc.disable()
    yield
    gc.enable()


MB = 1 << 20


def mapped(bundle: Path) -> bool:
    """Whether an interpreter has the model of this bundle, which it maps."""
    return f"{bundle}/" in Path("/proc/self/maps").read_text()


def settings(bundle: Path, run: str, annotated: Path | None = None, stall_after_s: float = 2.0, **model: object) -> VisionSettings:
    camera = CameraSettings(
        model="m",
        synthetic=SyntheticSettings(pace="fast"),
        live_max_hz=1e9,  # frames may come microseconds after each other when a thread had to wait for its turn
        annotated=annotated,
        stall_after_s=stall_after_s,
    )
    return VisionSettings(
        cameras={"door": camera},
        models={"m": ModelSettings(bundle=str(bundle), **model)},  # type: ignore[arg-type]
        tracking=TrackerSettings(appear_after_s=0),
        identities={"m": identify(bundle)},
        run=run,
    )


def test_objects_keep_their_ids_where_the_new_model_knows_their_label(bundles: dict[str, Path]) -> None:
    with serving(settings(bundles["first"], "a"), {"door": Script([LIGHT] * ENDLESS)}) as process:
        process.until(ObjectAppeared)
        process.until(ObjectAppeared)
        for run, name in enumerate(["second", "first", "second"]):
            assert process.reconfigure(settings(bundles[name], f"b{run}")) == ipc.Reconfigured((), ("m",))
            serves = process.until(ipc.ModelServes)
            live = process.until(ipc.Live)
            assert {it.object_id for it in live.objects} == {"door-a-1", "door-a-2"}
            assert {it.label for it in live.objects} == {"light"}
    check_frames(process, "door")
    assert {it.object_id for it in process.of(ObjectAppeared, "door")} == {"door-a-1", "door-a-2"}
    left = process.of(ObjectLeft, "door")
    assert [(it.object_id, it.label, it.reason) for it in left] == [(f"door-a-{n}", "light", "stopped") for n in (1, 2)]
    assert all(isinstance(report, ipc.Stats | ipc.Finished) for report in process.reports[process.reports.index(left[-1]) + 1 :])
    assert {it.model for it in left} == {serves.digest}
    assert all(it.dwell_s > 0 for it in left)


def test_objects_of_an_unknown_label_are_closed_before_the_new_model_speaks(bundles: dict[str, Path]) -> None:
    with serving(settings(bundles["first"], "a"), {"door": Script([LIGHT] * ENDLESS)}) as process:
        first = process.until(ipc.ModelServes)
        process.until(ObjectAppeared)
        process.until(ObjectAppeared)
        process.reconfigure(settings(bundles["other"], "b"))
        closed = process.of(ObjectLeft, "door")
        assert [(it.label, it.reason, it.model) for it in closed] == [("light", "stopped", first.digest)] * 2
        appeared = [process.until(ObjectAppeared), process.until(ObjectAppeared)]
        assert [(it.object_id, it.label) for it in appeared] == [("door-a-3", "lamp"), ("door-a-4", "lamp")]
    check_frames(process, "door")


def test_thresholds_of_the_new_settings_apply_at_once(bundles: dict[str, Path]) -> None:
    """What is seen is 0.9; a label that counts from 0.95 on is continued by it, as a weak detection, and not begun."""
    with serving(settings(bundles["first"], "a"), {"door": Script([LIGHT] * ENDLESS)}) as process:
        process.until(ObjectAppeared)
        process.until(ObjectAppeared)
        (before,) = process.until(ipc.Stats).cameras
        process.reconfigure(settings(bundles["second"], "b", label_thresholds={"light": 0.95}))
        (first,), (second,) = process.until(ipc.Stats).cameras, process.until(ipc.Stats).cameras
        assert before.detections > 0
        assert second.inferred > first.inferred
        assert second.detections == first.detections  # none counts any more
        assert len(process.until(ipc.Live).objects) == 2
    check_frames(process, "door")
    assert {it.object_id for it in process.of(ObjectAppeared, "door")} == {"door-a-1", "door-a-2"}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("steps", [[LIGHT] * ENDLESS, [LIGHT] * 5 + [Stall()]], ids=["frames go on", "no frame comes any more"])
def test_old_engine_is_freed(bundles: dict[str, Path], steps: list[Step]) -> None:
    with serving(settings(bundles["first"], "a", stall_after_s=300), {"door": Script(steps)}) as process:
        process.until(ObjectAppeared)
        process.reconfigure(settings(bundles["second"], "b", stall_after_s=300))
        for _ in range(30):
            process.until(ipc.Stats)
            if not mapped(bundles["first"]):
                return
        pytest.fail("the engine of the first model is kept")


def test_drawn_video_goes_on(bundles: dict[str, Path], tmp_path: Path) -> None:
    import cv2

    video = tmp_path / "drawn.avi"
    script = Script([LIGHT] * 400)
    with serving(settings(bundles["first"], "a", video), {"door": script}) as process:
        process.until(ObjectAppeared)
        process.reconfigure(settings(bundles["second"], "b", video))
        process.until(ipc.CameraEnded)
    reader, frames = cv2.VideoCapture(str(video)), 0
    while reader.read()[0]:
        frames += 1
    assert frames == 400


def test_outputs_that_are_not_finite_are_counted_and_followed_by_nobody(tmp_path: Path) -> None:
    blind = write_bundle(tmp_path / "blind", 2, fault="nan")
    dark = Deliver(np.full((48, 64, 3), 10, np.uint8))
    with serving(settings(blind, "a"), {"door": Script([LIGHT] * 5 + [dark] * 7 + [LIGHT] * 5)}) as process:
        process.until(ipc.CameraEnded)
    *_, last = (report for report in process.reports if isinstance(report, ipc.Stats))
    (stats,) = last.cameras
    assert (stats.inferred, stats.not_finite, stats.detections) == (17, 7, 20)
    assert {live.seq for live in process.of(ipc.Live, "door") if live.objects} == {*range(1, 5), *range(12, 17)}


def two_models(first: Path, run: str, needs_mb: int) -> VisionSettings:
    """``door`` looks with a model that may be exchanged, ``gate`` with another one."""
    made = settings(first, run)
    gate = first.parent / "gate"
    if not gate.exists():
        write_bundle(gate, 1)
    return replace(
        made,
        cameras={**made.cameras, "gate": replace(made.cameras["door"], model="other")},
        models={**made.models, "other": ModelSettings(bundle=str(gate))},
        identities={**made.identities, "other": identify(gate)},
        memory_bytes={"m": needs_mb * MB, "other": MB},
    )


def test_model_that_does_not_fit_beside_the_old_one_comes_after_it(bundles: dict[str, Path]) -> None:
    before: list[bool] = []

    def free() -> int:
        before.append(mapped(bundles["first"]))
        return 90 * MB

    scripts = {name: Script([LIGHT] * ENDLESS) for name in ("door", "gate")}
    with serving(two_models(bundles["first"], "a", 50), scripts, free) as process:
        process.until(ipc.Live, camera="door")
        process.until(ipc.Live, camera="gate")
        answer = process.reconfigure(two_models(bundles["second"], "b", 100))
        assert isinstance(answer, ipc.Reconfigured)
        assert answer.loaded == ("m",)
        assert answer.paused_ms > 0
        assert before == [True]
        assert not mapped(bundles["first"])
        process.until(ipc.Live, camera="door")
        process.until(ipc.Live, camera="gate")
    check_frames(process, "door")
    assert {it.object_id for it in process.of(ObjectAppeared, "door")} == {"door-a-1", "door-a-2"}
    assert len(process.of(ObjectLeft, "door")) == 2


def test_old_model_serves_again_if_the_new_one_cannot(bundles: dict[str, Path]) -> None:
    """What is refused is known only after the old model was let go of: a label that the new one does not have."""
    scripts = {name: Script([LIGHT] * ENDLESS) for name in ("door", "gate")}
    first = two_models(bundles["first"], "a", 50)
    labelled = {"door": replace(first.cameras["door"], labels=("light",)), "gate": first.cameras["gate"]}
    with serving(replace(first, cameras=labelled), scripts, lambda: 90 * MB) as process:
        process.until(ObjectAppeared, camera="door")
        refused = process.reconfigure(replace(two_models(bundles["other"], "b", 100), cameras=labelled))
        assert isinstance(refused, ipc.Refused)
        assert "has no label 'light'" in refused.problems[0].text
        assert mapped(bundles["first"])
        process.until(ipc.Live, camera="door")
        assert isinstance(process.reconfigure(replace(two_models(bundles["second"], "c", 100), cameras=labelled)), ipc.Reconfigured)
    check_frames(process, "door")
    assert {it.object_id for it in process.of(ObjectAppeared, "door")} == {"door-a-1", "door-a-2"}


def test_an_order_that_was_given_up_takes_no_model_away_any_more(
    bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It hangs before it looks at how little memory is free, is refused for that, and then goes on."""
    refused = threading.Event()

    def free() -> int:
        refused.wait(PATIENCE_S)
        return 90 * MB

    scripts = {name: Script([LIGHT] * ENDLESS) for name in ("door", "gate")}
    with serving(two_models(bundles["first"], "a", 50), scripts, free) as process:
        process.until(ipc.Live, camera="door")
        monkeypatch.setattr(reconfiguration, "PREPARE_S", 0.2)
        answer = process.reconfigure(two_models(bundles["second"], "b", 100))
        assert isinstance(answer, ipc.Refused)
        assert "takes longer than" in answer.problems[0].text
        monkeypatch.undo()
        refused.set()
        while isinstance(process.reconfigure(two_models(bundles["second"], "c", 100)), ipc.Refused):
            assert "still hangs" in process.reports[-1].problems[0].text  # type: ignore[union-attr]
        process.until(ipc.Live, camera="gate")
    assert "serves again" not in caplog.text, "it was let go of for nobody"
    check_frames(process, "door")


def test_model_for_which_there_is_never_room_is_refused_while_the_old_one_serves_on(bundles: dict[str, Path]) -> None:
    scripts = {name: Script([LIGHT] * ENDLESS) for name in ("door", "gate")}
    with serving(two_models(bundles["first"], "a", 5), scripts, lambda: 90 * MB) as process:
        process.until(ipc.Live, camera="door")
        refused = process.reconfigure(two_models(bundles["second"], "b", 100))
        assert isinstance(refused, ipc.Refused)
        assert refused.problems[0].key == ("models", "m")
        assert "needs 100 MB; 90 MB are free, and 5 MB more" in refused.problems[0].text
        assert refused.problems[0].fault == "does not fit memory"
        process.until(ipc.Live, camera="door")
    check_frames(process, "door")
