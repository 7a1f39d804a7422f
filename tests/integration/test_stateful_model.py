"""A model that remembers, through the real interpreter: what it knows belongs to a camera, and ends with its source."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from edged.core.errors import CameraLost, ModelRejected
from edged.core.event import ObjectAppeared
from edged.infer.bundle import identify, load_bundle
from edged.infer.engine import Engine
from edged.infer.settings import ModelSettings
from edged.sources.base import FrameSource
from edged.sources.settings import SourceSettings, SyntheticSettings
from edged.testing.network import Network
from edged.testing.source import Deliver, Lose, Script, Step
from edged.tracking.settings import TrackerSettings
from edged.vision import datagrams, ipc
from edged.vision.process import Vision
from edged.vision.report import Reporter
from edged.vision.settings import CameraSettings, VisionSettings

MANIFEST = """
name = "counter"
labels = ["red", "green", "blue"]
[files]
cpu = "counter.tflite"
[input]
mean = [0]
std = [2550]                        # a picture of full colour adds a tenth
[decoder]
name = "classification"
"""
STATE = '[[state]]\ninput = "t1"\noutput = 1\n'


def counter() -> bytes:
    """Adds the mean colour of each picture to its state; scores and the next state are both that sum."""
    network = Network((1, 4, 4, 3))
    before = network.further_input((1, 3))
    colour = network.reshape(network.average(network.input, 4), (1, 3))
    return network.build([network.sum(colour, before), network.sum(colour, before)])


def bundle(at: Path, manifest: str = MANIFEST + STATE) -> Path:
    (at / "counter.tflite").write_bytes(counter())
    (at / "model.toml").write_text(manifest)
    return at


def test_two_cameras_share_an_engine_and_not_what_it_remembers(tmp_path: Path) -> None:
    engine = Engine(load_bundle(bundle(tmp_path)), threads=1)
    assert engine.input.shape == (1, 4, 4, 3)
    assert len(engine.outputs) == 1
    door, hall = engine.new_state(), engine.new_state()

    def sees(value: float, state: object) -> float:
        (scores,) = engine.infer(lambda tensor: tensor.fill(value), state)  # type: ignore[arg-type]
        assert (scores.data == scores.data[0, 0]).all() or np.isnan(value)  # what nonsense becomes is the kernel's affair
        return float(scores.data[0, 0])

    assert [sees(1, door), sees(10, hall), sees(2, door), sees(20, hall), sees(3, door)] == [1, 10, 3, 30, 6]
    assert sees(5, engine.new_state()) == 5
    assert sees(5, None) == 5
    assert door.values[0].tolist() == [[6, 6, 6]]
    assert not np.isfinite(sees(float("nan"), door))
    assert [sees(7, door), sees(3, hall)] == [7, 33]  # one camera's nonsense ends its own memory


def test_states_begin_as_the_manifest_says(tmp_path: Path) -> None:
    engine = Engine(load_bundle(bundle(tmp_path, MANIFEST + STATE + "initial = -2.5\n")), threads=1)
    (scores,) = engine.infer(lambda tensor: tensor.fill(1), engine.new_state())
    assert scores.data.tolist() == [[-1.5, -1.5, -1.5]]


def test_a_second_input_that_nothing_comes_back_to_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ModelRejected, match=r"2 inputs for one picture: t0.*t1.*\[\[state\]\]"):
        Engine(load_bundle(bundle(tmp_path, MANIFEST)), threads=1)


RED = np.zeros((48, 64, 3), np.uint8)
RED[:, :, 2] = 255


def scores_seen(directory: Path, scripts: dict[str, Script]) -> dict[str, list[float]]:
    """By camera, the scores with which red appeared."""
    ours, theirs = datagrams.pair()
    seen: dict[str, list[float]] = defaultdict(list)

    def listen() -> None:
        while not isinstance(report := datagrams.decode_report(ours.recv(datagrams.MAX_MESSAGE_BYTES)), ipc.Finished):
            if isinstance(report, ObjectAppeared):
                assert report.label == "red"
                seen[report.camera].append(round(report.score, 3))

    def open_script(name: str, source: SourceSettings, *, first_seq: int) -> FrameSource:
        return scripts[name].open(name, source, first_seq)

    camera = CameraSettings(
        model="counter", synthetic=SyntheticSettings(pace="fast"), reopen_min_s=0.001, reopen_max_s=0.002, live_max_hz=0
    )
    settings = VisionSettings(
        cameras=dict.fromkeys(scripts, camera),
        models={"counter": ModelSettings(bundle=str(directory))},
        tracking=TrackerSettings(appear_after_s=0),
        identities={"counter": identify(directory)},
        run="r",
    )
    listener = threading.Thread(target=listen)
    with ours, theirs:
        vision = Vision(settings, Reporter(theirs), open_script)
        listener.start()
        assert vision.run(theirs) == 0
        listener.join(60)
    return seen


@pytest.mark.parametrize(
    ("steps", "appearances"),
    [
        ([Deliver(RED)] * 9, [0.6]),
        ([*[Deliver(RED)] * 4, Lose(CameraLost("unplugged")), *[Deliver(RED)] * 9], [0.6]),
        ([*[Deliver(RED)] * 7, Lose(CameraLost("unplugged")), *[Deliver(RED)] * 7], [0.6, 0.6]),
        ([*[Deliver(RED, n * 10**9) for n in range(7)], *[Deliver(RED, n * 10**9) for n in range(7)]], [0.6, 0.6]),
    ],
    ids=["counts on", "lost before it was sure", "lost", "begun again"],
)
def test_what_a_camera_knows_ends_with_its_source(tmp_path: Path, steps: Sequence[Step], appearances: list[float]) -> None:
    """Red is confirmed in the second frame at 0.5 or more: in the sixth since the source was opened, at 0.6."""
    scripts = {"door": Script(steps), "hall": Script([Deliver(RED)] * 8)}
    assert scores_seen(bundle(tmp_path), scripts) == {"door": appearances, "hall": [0.6]}
