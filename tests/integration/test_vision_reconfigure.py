"""Other settings while the vision process serves: what stays the same goes on as if nothing had happened."""

from __future__ import annotations

import dataclasses
import gc
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
from vision import Process, check_frames, check_no_thread, serving

from edged.core.errors import SourceUnusable
from edged.core.event import ObjectAppeared, ObjectLeft
from edged.infer.bundle import identify
from edged.infer.settings import ModelSettings
from edged.sources.base import FrameSource
from edged.sources.settings import FileSettings, SourceSettings, SyntheticSettings
from edged.testing.source import Deliver, Refuse, Script
from edged.tracking.settings import TrackerSettings
from edged.vision import ipc
from edged.vision.settings import CameraSettings, VisionSettings

ENDLESS = 1_000_000
EVERY_FRAME_HZ = 1e9
"""Frames may come microseconds after each other when a thread had to wait for its turn."""


@pytest.fixture(scope="module")
def cat(test_data: Path) -> Deliver:
    return Deliver(cv2.imread(str(test_data / "media/cat.bmp")))


@pytest.fixture
def model(test_data: Path, tmp_path: Path) -> Path:
    """A file of our own, to be replaced."""
    path = tmp_path / "model.tflite"
    shutil.copy(test_data / "models/ssd_mobilenet_v1_coco_quant.tflite", path)
    return path


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Without the garbage collector, which would free what is kept by accident, though too late for large models."""
    gc.disable()
    yield
    gc.enable()


def camera(**changes: Any) -> CameraSettings:
    fields = {"model": "ssd", "synthetic": SyntheticSettings(pace="fast"), "live_max_hz": 100, "reopen_min_s": 0.001}
    return CameraSettings(**{**fields, **changes})


def settings(model: Path, run: str, /, tracking: dict[str, float] | None = None, **cameras: CameraSettings) -> VisionSettings:
    return VisionSettings(
        cameras=cameras,
        models={"ssd": ModelSettings(bundle=str(model))},
        tracking=TrackerSettings(appear_after_s=0, **(tracking or {})),  # type: ignore[arg-type]
        identities={"ssd": identify(model)},
        run=run,
    )


def check_undisturbed(process: Process, camera: str) -> None:
    """Every frame of the camera was inferred in order by one line, and what appeared stayed until the end."""
    check_frames(process, camera)
    assert len(process.of(ipc.CameraUp, camera)) == 1
    (appeared,) = process.of(ObjectAppeared, camera)
    assert [left.object_id for left in process.of(ObjectLeft, camera)] == [appeared.object_id]


def endless(cat: Deliver) -> Script:
    """Frames that never end."""
    return Script([cat] * ENDLESS)


def test_cameras_come_and_go_while_another_goes_on(model: Path, cat: Deliver) -> None:
    scripts = {name: endless(cat) for name in ("door", "gate", "yard")}
    door, gate, yard = (camera(live_max_hz=EVERY_FRAME_HZ if name == "door" else 100) for name in scripts)
    with serving(settings(model, "a", door=door, gate=gate), scripts) as process:
        process.until(ipc.Live, camera="gate")
        process.until(ipc.Live, camera="door")
        assert process.reconfigure(settings(model, "b", door=door, yard=yard)) == ipc.Reconfigured(("yard",), ())
        said = len(process.reports)
        process.until(ObjectAppeared, camera="yard")
        for _ in range(5):
            process.until(ipc.Live, camera="door")
        assert not [report for report in process.reports[said:] if getattr(report, "camera", "") == "gate"]
        assert {stats.camera for stats in process.until(ipc.Stats).cameras} == {"door", "yard"}
    check_undisturbed(process, "door")
    assert [left.reason for left in process.of(ObjectLeft, "gate")] == ["stopped"]
    ids = {camera: process.of(ObjectAppeared, camera)[0].object_id for camera in scripts}
    assert (ids["door"], ids["yard"]) == ("door-a-1", "yard-b-1")
    assert scripts["door"].opened == scripts["gate"].opened == 1
    ours = {"prepare", *(f"capture-{name}" for name in scripts)}
    check_no_thread(ours.__contains__)


def test_source_that_changes_is_closed_before_it_is_opened_again(model: Path, cat: Deliver) -> None:
    scripts = {"door": endless(cat), "gate": endless(cat)}
    open_now: dict[str, FrameSource] = {}
    clashes: list[str] = []

    def open_alone(name: str, source: SourceSettings, *, first_seq: int) -> FrameSource:
        if name in open_now and open_now[name].read() is not None:  # a closed source gives None
            clashes.append(name)
        open_now[name] = scripts[name].open(name, source, first_seq)
        return open_now[name]

    process = Process(settings(model, "a", door=camera(), gate=camera()), open_alone)
    process.until(ipc.Live, camera="gate")
    wide = camera(synthetic=SyntheticSettings(pace="fast", width=1280))
    assert process.reconfigure(settings(model, "b", door=camera(), gate=wide)) == ipc.Reconfigured(("gate",), ())
    process.until(ipc.CameraUp, camera="gate")
    process.until(ObjectAppeared, camera="gate")
    process.stop()
    assert clashes == []
    assert [appeared.object_id for appeared in process.of(ObjectAppeared, "gate")] == ["gate-a-1", "gate-b-1"]


def test_what_is_done_with_frames_changes_without_a_gap_in_them(model: Path, cat: Deliver) -> None:
    scripts = {"door": endless(cat)}
    eager = {"live_max_hz": EVERY_FRAME_HZ}
    with serving(settings(model, "a", door=camera(**eager)), scripts) as process:
        process.until(ObjectAppeared)
        answer = process.reconfigure(settings(model, "b", {"score_low": 0.1}, door=camera(**eager, labels=("cat",))))
        assert answer == ipc.Reconfigured((), ())  # neither opened nor loaded
        process.until(ObjectAppeared)
        process.until(ipc.Stats)
        (stats,) = process.until(ipc.Stats).cameras
        assert stats.captured - stats.inferred - stats.dropped in range(4)  # the counters went on
    check_frames(process, "door")
    assert [left.reason for left in process.of(ObjectLeft, "door")] == ["stopped", "stopped"]
    assert scripts["door"].opened == 1


def await_unmapped(process: Process, name: str) -> None:
    """Wait until no interpreter has this file, which each maps."""
    for _ in range(30):
        process.until(ipc.Stats)
        if f"{name}\n" not in Path("/proc/self/maps").read_text():
            return
    pytest.fail(f"an engine of {name} is kept")


@pytest.mark.usefixtures("no_collector")
def test_replaced_model_file_is_loaded_and_the_old_engine_freed(model: Path, test_data: Path, cat: Deliver) -> None:
    scripts = {"door": endless(cat)}
    with serving(settings(model, "a", door=camera()), scripts) as process:
        first = process.until(ipc.ModelServes)
        process.until(ipc.Live)
        assert process.reconfigure(settings(model, "b", door=camera())) == ipc.Reconfigured((), ())
        another = test_data / "models/ssd_mobilenet_v1_coco_quant_no_metadata.tflite"
        model.unlink()
        shutil.copy(another, model)
        assert f"{model} (deleted)" in Path("/proc/self/maps").read_text()  # the interpreter maps its file
        assert process.reconfigure(settings(model, "c", door=camera())) == ipc.Reconfigured((), ("ssd",))
        second = process.until(ipc.ModelServes)
        assert first.digest != second.digest
        appeared = process.until(ObjectAppeared)
        assert (appeared.model, appeared.object_id) == (second.digest, "door-a-2")  # it has no labels, and so knows no cat
        await_unmapped(process, f"{model} (deleted)")
    assert scripts["door"].opened == 1


@pytest.mark.usefixtures("no_collector")
def test_models_of_a_refused_order_are_freed(model: Path, tmp_path: Path, cat: Deliver) -> None:
    other = tmp_path / "other.tflite"
    shutil.copy(model, other)
    bad = VisionSettings(
        cameras={"door": camera(), "gate": camera(model="other", labels=("persn",))},
        models={"ssd": ModelSettings(bundle=str(model)), "other": ModelSettings(bundle=str(other))},
        tracking=TrackerSettings(),
        identities={"ssd": identify(model), "other": identify(other)},
        run="b",
    )
    with serving(settings(model, "a", door=camera()), {"door": endless(cat), "gate": endless(cat)}) as process:
        process.until(ipc.Live)
        assert isinstance(process.reconfigure(bad), ipc.Refused)
        await_unmapped(process, str(other))


def test_settings_that_cannot_be_served_are_refused_whole_with_every_problem(model: Path, tmp_path: Path, cat: Deliver) -> None:
    scripts = {name: endless(cat) for name in ("door", "gate")}
    scripts["attic"] = Script([Refuse(SourceUnusable("attic.mp4: no such file", hint="look again"))])
    door = camera(live_max_hz=EVERY_FRAME_HZ)
    bad = VisionSettings(
        cameras={
            "door": door,
            "gate": camera(labels=("persn",)),
            "attic": camera(synthetic=None, file=FileSettings(path=Path("attic.mp4"))),
            "yard": camera(model="other"),
        },
        models={"ssd": ModelSettings(bundle=str(model)), "other": ModelSettings(bundle=str(tmp_path / "none.tflite"))},
        tracking=TrackerSettings(appear_after_s=0),
        identities={"ssd": identify(model), "other": "never probed"},
        run="b",
    )
    with serving(settings(model, "a", door=door), scripts) as process:
        process.until(ObjectAppeared)
        answer = process.reconfigure(bad)
        assert isinstance(answer, ipc.Refused)
        assert [problem.key for problem in answer.problems] == [("models", "other"), ("cameras", "gate"), ("cameras", "attic")]
        for problem, words in zip(answer.problems, ("none.tflite", "did you mean 'person'", "look again"), strict=True):
            assert words in problem.text
        process.until(ipc.Live)
        assert process.reconfigure(settings(model, "c", door=door, gate=camera())) == ipc.Reconfigured(("gate",), ())
        process.until(ObjectAppeared, camera="gate")
    check_undisturbed(process, "door")


def test_refused_model_leaves_no_mark_that_a_later_death_would_be_put_down_to(model: Path, cat: Deliver) -> None:
    first = settings(model, "a", door=camera())
    demanding = ModelSettings(bundle=str(model), delegate="edgetpu")
    bad = dataclasses.replace(
        first,
        cameras={"door": camera(), "gate": camera(model="other")},
        models={**first.models, "other": demanding},
        identities=dict.fromkeys(("ssd", "other"), identify(model)),
    )
    with serving(first, {"door": endless(cat), "gate": endless(cat)}) as process:
        answer = process.reconfigure(bad)
        assert isinstance(answer, ipc.Refused)
        assert "no variant for the Edge TPU" in answer.problems[0].text
        assert process.note.inside() == ()


def test_order_while_the_last_recording_ends_is_obeyed_or_the_process_finishes(model: Path, cat: Deliver) -> None:
    scripts = {"door": Script([cat] * 2), "gate": Script([cat] * 2)}
    process = Process(settings(model, "a", door=camera()), lambda name, s, *, first_seq: scripts[name].open(name, s, first_seq))
    process.order(ipc.Reconfigure(settings(model, "b", door=camera(), gate=camera())))
    process.finish()
    ended = [report.camera for report in process.reports if isinstance(report, ipc.CameraEnded)]
    assert ended == (["door", "gate"] if any(isinstance(report, ipc.Reconfigured) for report in process.reports) else ["door"])


def test_stop_right_after_an_exchange_leaves_no_camera_running(model: Path, cat: Deliver) -> None:
    with serving(settings(model, "a", door=camera()), {"door": endless(cat), "gate": endless(cat)}) as process:
        process.until(ipc.Live)
        process.reconfigure(settings(model, "b", gate=camera()))
    check_no_thread(lambda name: name.startswith("capture-"))


def test_stop_while_models_are_loaded_is_obeyed(model: Path, test_data: Path, cat: Deliver) -> None:
    with serving(settings(model, "a", door=camera()), {"door": endless(cat), "gate": endless(cat)}) as process:
        process.until(ipc.Live)
        process.order(ipc.Reconfigure(settings(test_data / "models/ssd_mobilenet_v1_coco_quant.tflite", "b", gate=camera())))
    assert isinstance(process.reports[-1], ipc.Finished)
