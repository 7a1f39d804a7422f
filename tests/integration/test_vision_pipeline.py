"""The vision process's threads on a real model: order, completeness, and what happens when a camera is lost."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import PATIENCE_S

from edged.core.errors import CameraLost, ConfigInvalid, SourceUnusable
from edged.core.event import ObjectAppeared, ObjectLeft
from edged.core.tensor import RawOutput
from edged.infer.bundle import identify
from edged.infer.settings import ModelSettings
from edged.sources.base import FrameSource
from edged.sources.info import SourceInfo
from edged.sources.settings import SourceSettings, SyntheticSettings
from edged.testing.source import Announce, Deliver, Lose, Refuse, Script, Stall, Step
from edged.testing.tflite import make_tflite
from edged.tracking.settings import TrackerSettings
from edged.vision import datagrams, ipc
from edged.vision.assembly import Unfit
from edged.vision.loader import load
from edged.vision.note import Note, shared
from edged.vision.process import Vision, serve
from edged.vision.report import Reporter
from edged.vision.settings import CameraSettings, VisionSettings

NO_GRAPH = b"\x1c\0\0\0TFL3" + bytes(100)
EVERY_FRAME = SyntheticSettings(pace="fast")  # only its pace matters here: the script is what is opened


def settings(test_data: Path, cameras: dict[str, CameraSettings]) -> VisionSettings:
    model = ModelSettings(bundle=str(test_data / "models/ssd_mobilenet_v1_coco_quant.tflite"))
    tracking, identities = TrackerSettings(appear_after_s=0), {"ssd": identify(Path(model.bundle))}
    return VisionSettings(cameras=cameras, models={"ssd": model}, tracking=tracking, identities=identities, run="r")


def camera(**changes: object) -> CameraSettings:
    fields = {"model": "ssd", "synthetic": EVERY_FRAME, "reopen_min_s": 0.001, "reopen_max_s": 0.002, "live_max_hz": 0}
    return CameraSettings(**{**fields, **changes})  # type: ignore[arg-type]


def reports_of(
    test_data: Path, scripts: dict[str, Script], cameras: dict[str, CameraSettings], whole: VisionSettings | None = None
) -> list[ipc.Report]:
    """Everything that is reported until the scripts are over."""
    ours, theirs = datagrams.pair()
    reports: list[ipc.Report] = []

    def listen() -> None:
        while not isinstance(report := datagrams.decode_report(ours.recv(datagrams.MAX_MESSAGE_BYTES)), ipc.Finished):
            reports.append(report)  # type: ignore[arg-type]

    def open_script(name: str, source: SourceSettings, *, first_seq: int) -> FrameSource:
        return scripts[name].open(name, source, first_seq)

    listener = threading.Thread(target=listen)
    with ours, theirs:
        vision = Vision(whole or settings(test_data, cameras), Reporter(theirs), open_script)
        listener.start()
        assert vision.run(theirs) == 0
        listener.join(PATIENCE_S)
    return reports


@pytest.fixture(scope="module")
def cat(test_data: Path) -> Deliver:
    return Deliver(cv2.imread(str(test_data / "media/cat.bmp")))


def test_lost_camera_closes_its_objects_before_it_is_reported(test_data: Path, cat: Deliver) -> None:
    steps: Sequence[Step] = [cat] * 4 + [Lose(CameraLost("unplugged"))] + [cat] * 4
    reports = reports_of(test_data, {"door": Script(steps)}, {"door": camera()})
    story = [report for report in reports if not isinstance(report, ipc.Stats | ipc.ModelServes)]
    kinds = [type(report) for report in story]
    life = [ipc.CameraUp, ObjectAppeared, ObjectLeft]
    assert kinds == [*life, ipc.CameraDown, *life, ipc.CameraEnded]
    first, second = (report for report in story if isinstance(report, ObjectLeft))
    assert (first.label, first.reason, second.reason) == ("cat", "source_lost", "stopped")
    assert first.best_score > 0.7
    assert first.object_id != second.object_id


def test_objects_of_another_resolution_are_others(test_data: Path, cat: Deliver) -> None:
    small = SourceInfo(width=256, height=170, fps=30.0, description="small", live=True)
    smaller = Deliver(cv2.resize(cat.image, (small.width, small.height)))
    steps: Sequence[Step] = [cat] * 4 + [Announce(small)] + [smaller] * 4
    reports = reports_of(test_data, {"door": Script(steps)}, {"door": camera()})
    story = [report for report in reports if not isinstance(report, ipc.Stats | ipc.ModelServes)]
    appeared = [report for report in story if isinstance(report, ObjectAppeared)]
    left = [report for report in story if isinstance(report, ObjectLeft)]
    ups = [report for report in story if isinstance(report, ipc.CameraUp)]
    assert [up.width for up in ups] == [64, 256]
    assert story.index(left[0]) < story.index(ups[1]) < story.index(appeared[1])
    assert [report.reason for report in left] == ["source_lost", "stopped"]
    assert appeared[0].box[2] > small.width > appeared[1].box[2]


def test_only_wanted_labels_are_followed(test_data: Path, cat: Deliver) -> None:
    def labels_seen(*labels: str) -> set[str]:
        reports = reports_of(test_data, {"door": Script([cat] * 4)}, {"door": camera(labels=labels)})
        return {report.label for report in reports if isinstance(report, ObjectAppeared)}

    assert labels_seen() == labels_seen("dog", "cat") == {"cat"}
    assert labels_seen("dog") == set()


def test_a_label_may_count_from_a_score_of_its_own(test_data: Path, cat: Deliver) -> None:
    """The cat scores about 0.75: every other label may be at rest while it has to be surer, and the other way round."""

    def labels_seen(everything: float, **thresholds: float) -> set[str]:
        whole = settings(test_data, {"door": camera()})
        model = dataclasses.replace(whole.models["ssd"], score_threshold=everything, label_thresholds=thresholds)
        wanted = dataclasses.replace(whole, models={"ssd": model})
        reports = reports_of(test_data, {"door": Script([cat] * 4)}, wanted.cameras, wanted)
        return {report.label for report in reports if isinstance(report, ObjectAppeared)}

    assert labels_seen(0.5) == labels_seen(0.5, dog=0.9) == labels_seen(0.95, cat=0.5) == {"cat"}
    assert labels_seen(0.5, cat=0.95) == labels_seen(0.95, dog=0.5) == set()


def test_threshold_of_a_label_that_the_model_does_not_have_offers_the_nearest(test_data: Path) -> None:
    model = ModelSettings(bundle=str(test_data / "models/ssd_mobilenet_v1_coco_quant.tflite"), label_thresholds={"persn": 0.5})
    with pytest.raises(ConfigInvalid, match=r"'persn'.*did you mean 'person'"):
        load("ssd", model, TrackerSettings(), identity=identify(Path(model.bundle)))


@pytest.mark.parametrize(
    ("stated", "labels", "low", "expected"),
    [
        (None, {}, 0.2, (0.5, 0.2, 0.2)),
        (0.6, {"cat": 0.8}, 0.2, (0.6, 0.2, 0.2)),
        (0.6, {"cat": 0.1}, 0.2, (0.6, 0.2, 0.1)),
        (0.1, {"cat": 0.4}, 0.2, (0.1, 0.1, 0.1)),
    ],
)
def test_the_decoder_reports_from_the_lowest_score_that_anyone_asks_for(
    test_data: Path, stated: float | None, labels: dict[str, float], low: float, expected: tuple[float, float, float]
) -> None:
    """What the tracker counts from, what continues a track, and the weakest detection of the model among noise."""
    bundle = str(test_data / "models/ssd_mobilenet_v1_coco_quant.tflite")
    settings = ModelSettings(bundle=bundle, score_threshold=stated, label_thresholds=labels)
    served = load("ssd", settings, TrackerSettings(score_low=low), identity=identify(Path(bundle)))
    model, tracking = served.model, served.tracking
    assert (tracking.score_high, tracking.score_low) == expected[:2]
    assert set(model.label_thresholds.values()) == set(labels.values())
    scores = np.linspace(0.05, 0.95, 10, dtype=np.float32)
    values = {"boxes": np.tile(np.array([0.1, 0.1, 0.2, 0.2], np.float32), (10, 1))[None], "classes": np.arange(10.0)[None]}
    arrays = [values["boxes"], values["classes"].astype(np.float32), scores[None], np.array([10], np.float32)]
    found = model.decoder([RawOutput(spec, array) for spec, array in zip(model.engine.outputs, arrays, strict=True)])
    assert found.score.min() == pytest.approx(scores[scores >= expected[2]].min())


def test_label_that_the_model_does_not_have_is_a_fault_that_offers_the_nearest(test_data: Path) -> None:
    with pytest.raises(Unfit, match=r"cameras\.door.*'persn'.*did you mean 'person'"):
        reports_of(test_data, {}, {"door": camera(labels=("persn",))})


def test_every_frame_of_a_recording_is_inferred_once_in_order(test_data: Path, cat: Deliver) -> None:
    empty = Deliver(np.zeros((48, 64, 3), np.uint8))
    reports = reports_of(test_data, {"door": Script([cat, empty] * 15)}, {"door": camera(live_max_hz=1e9)})
    assert [report.seq for report in reports if isinstance(report, ipc.Live)] == list(range(30))
    (stats,) = [report for report in reports if isinstance(report, ipc.Stats)][-1].cameras
    assert (stats.captured, stats.inferred, stats.dropped) == (30, 30, 0)
    for cost in (stats.prepare_cpu_ms, stats.decode_cpu_ms, stats.track_cpu_ms, stats.invoke_ms, stats.invoke_cpu_ms):
        assert cost > 0


def test_cameras_take_turns(test_data: Path, cat: Deliver) -> None:
    scripts = {name: Script([cat] * 12) for name in ("left", "right")}
    reports = reports_of(test_data, scripts, dict.fromkeys(scripts, camera(live_max_hz=1e9)))
    order = [report.camera for report in reports if isinstance(report, ipc.Live)]
    changes = sum(one != other for one, other in pairwise(order))
    assert changes > len(order) / 2 > 4  # one after the other would be a single change; a capture thread may miss its turn


def test_required_camera_that_nothing_mends_is_a_fault_but_an_optional_one_is_not(test_data: Path, cat: Deliver) -> None:
    broken = Refuse(SourceUnusable("clip.mp4: no such file", hint="look again"))
    scripts = {"door": Script([cat]), "attic": Script([broken])}
    both = {"door": camera(), "attic": camera(required=True)}
    assert ipc.Fault("clip.mp4: no such file", "look again") in reports_of(test_data, scripts, both)
    scripts = {"door": Script([cat]), "attic": Script([broken])}
    reports = reports_of(test_data, scripts, {"door": camera(), "attic": camera(required=False)})
    assert not [report for report in reports if isinstance(report, ipc.Fault)]
    assert [report.camera for report in reports if isinstance(report, ipc.CameraDown)] == ["attic"]


def test_nothing_left_to_look_at_is_a_fault_and_no_end_of_a_recording(test_data: Path) -> None:
    scripts = {"attic": Script([Refuse(SourceUnusable("no such file"))])}
    reports = reports_of(test_data, scripts, {"attic": camera(required=False)})
    assert [report.message for report in reports if isinstance(report, ipc.Fault)] == ["no camera is left that could deliver"]


def test_objects_of_two_cameras_are_told_apart(test_data: Path, cat: Deliver) -> None:
    scripts = {name: Script([cat] * 4) for name in ("left", "right")}
    reports = reports_of(test_data, scripts, dict.fromkeys(scripts, camera()))
    ids = [report.object_id for report in reports if isinstance(report, ObjectAppeared)]
    assert len(set(ids)) == len(ids) == 2


def test_hung_driver_does_not_cut_off_the_other_camera(test_data: Path, cat: Deliver) -> None:
    scripts = {"good": Script([cat] * 40), "hung": Script([Stall()])}
    entered = threading.Event()
    never = threading.Event()

    def open_script(name: str, source: SourceSettings, *, first_seq: int) -> FrameSource:
        if name == "hung":
            entered.set()
            never.wait()
        return scripts[name].open(name, source, first_seq)

    ours, theirs = datagrams.pair()
    with ours, theirs:
        cameras = {"good": camera(), "hung": camera(required=False, stall_after_s=0.05)}
        vision = Vision(settings(test_data, cameras), Reporter(theirs), open_script)
        thread = threading.Thread(target=vision.run, args=(theirs,))
        thread.start()
        reports: list[ipc.Report] = []
        while not any(isinstance(report, ipc.CameraEnded) for report in reports):
            reports.append(datagrams.decode_report(ours.recv(datagrams.MAX_MESSAGE_BYTES)))
        thread.join(PATIENCE_S)  # with the good camera gone, the hung one is beyond hope
        assert not thread.is_alive()
        never.set()
    (left,) = [report for report in reports if isinstance(report, ObjectLeft)]
    assert left.camera == "good"
    assert any(isinstance(report, ipc.CameraDown) and report.camera == "hung" for report in reports)


@pytest.mark.parametrize(
    ("content", "tried", "kind", "says"),
    [
        (NO_GRAPH, True, ipc.Fault, "has no graph"),
        (NO_GRAPH, False, ipc.BundlesChanged, "has no graph"),
        (make_tflite(custom_operator="TFLite_Detection_PostProcess"), False, ipc.BundlesChanged, "changed"),
    ],
)
def test_model_that_is_none_is_a_fault_that_names_it_and_another_is_to_be_tried(
    tmp_path: Path, content: bytes, tried: bool, kind: type[ipc.Fault | ipc.BundlesChanged], says: str
) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(content)
    ours, theirs = datagrams.pair()
    identities = {"ssd": identify(path) if tried else "of what was tried"}
    broken = VisionSettings(
        cameras={"door": camera()},
        models={"ssd": ModelSettings(bundle=str(path))},
        tracking=TrackerSettings(),
        identities=identities,
        run="r",
    )
    ours.send(datagrams.encode(broken))
    assert serve(theirs, Reporter(theirs), Note()) == 1
    fault = datagrams.decode_report(ours.recv(datagrams.MAX_MESSAGE_BYTES))
    assert isinstance(fault, kind)
    assert str(path) in fault.message
    assert says in fault.message
    ours.close()
    theirs.close()


def test_orders_from_main_stop_the_process_in_good_order(test_data: Path, cat: Deliver) -> None:
    ours, theirs = datagrams.pair()
    endless = Script([cat] * 100_000)
    vision = Vision(
        settings(test_data, {"door": camera(live_max_hz=100)}),
        Reporter(theirs),
        endless.open,
    )
    thread = threading.Thread(target=vision.run, args=(theirs,))
    thread.start()
    reports: list[ipc.Report | ipc.Order] = []
    while not isinstance(reports[-1] if reports else None, ipc.Finished):
        reports.append(datagrams.decode_report(ours.recv(datagrams.MAX_MESSAGE_BYTES)))
        if isinstance(reports[-1], ObjectAppeared):
            ours.send(datagrams.encode(ipc.Stop()))
    thread.join(PATIENCE_S)
    (left,) = [report for report in reports if isinstance(report, ObjectLeft)]
    assert left.reason == "stopped"
    ours.close()
    theirs.close()


def test_process_leaves_when_the_main_process_is_gone(test_data: Path) -> None:
    ours, theirs = datagrams.pair()
    note, note_fd = shared()
    fds = [theirs.fileno(), note_fd]
    child = subprocess.Popen([sys.executable, "-P", "-m", "edged.vision", *map(str, fds)], pass_fds=fds, stderr=subprocess.DEVNULL)
    theirs.close()
    os.close(note_fd)
    note.close()
    ours.send(datagrams.encode(settings(test_data, {"door": CameraSettings(model="ssd", synthetic=SyntheticSettings())})))
    while not isinstance(datagrams.decode_report(ours.recv(datagrams.MAX_MESSAGE_BYTES)), ipc.Live):
        pass
    ours.close()
    assert child.wait(PATIENCE_S) == 0
