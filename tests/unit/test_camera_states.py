"""Lost and back come in pairs, whatever the vision process says and however often it is started."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edged.core.event import SourceBack, SourceLost
from edged.daemon.cameras import Cameras
from edged.vision import ipc


def up(at_ns: int) -> ipc.CameraUp:
    return ipc.CameraUp("door", 640, 480, 30.0, "USB", at_ns)


def down(at_ns: int) -> ipc.CameraDown:
    return ipc.CameraDown("door", "unplugged", at_ns)


@given(st.lists(st.booleans(), max_size=40))
def test_lost_and_back_alternate(story: list[bool]) -> None:
    cameras = Cameras(["door"], 0)
    happened = [cameras.up(up(at)) if delivers else cameras.down(down(at)) for at, delivers in enumerate(story)]
    kinds = [type(occurrence) for occurrence in happened if occurrence]
    assert kinds == [SourceLost, SourceBack] * (len(kinds) // 2) + [SourceLost] * (len(kinds) % 2)
    assert cameras["door"].state == ("starting" if not story else "online" if story[-1] else "lost")


def test_outage_runs_from_the_loss() -> None:
    cameras = Cameras(["door"], 0)
    assert cameras.down(down(1_000_000_000)) == SourceLost("door", "unplugged", 1_000_000_000)
    assert cameras.down(down(2_000_000_000)) is None
    assert cameras.up(up(4_000_000_000)) == SourceBack("door", 3.0, 4_000_000_000)
    assert (cameras["door"].width, cameras["door"].description) == (640, "USB")


def test_while_nobody_looks_no_camera_is_online() -> None:
    cameras = Cameras(["door", "gate"], 0)
    cameras.up(up(1))
    cameras.vision_lost(2)
    assert [state.state for state in cameras] == ["starting", "starting"]
    assert cameras.up(up(3)) is None  # the camera itself was never lost


def test_latest_reason_of_a_loss_is_kept() -> None:
    cameras = Cameras(["door"], 0)
    cameras.down(down(1))
    assert cameras.down(ipc.CameraDown("door", "busy", 5)) is None
    assert (cameras["door"].reason, cameras["door"].since_ns) == ("busy", 1)


def test_other_cameras_are_taken_on_and_the_rest_keep_their_state() -> None:
    cameras = Cameras(["door", "gate", "yard", "attic"], 0)
    cameras.up(up(1))
    for name in ("gate", "attic"):
        cameras.down(ipc.CameraDown(name, "unplugged", 2))
    cameras.ended(ipc.CameraEnded("yard", 3))
    cameras.reconfigure(["door", "gate", "yard", "new"], ["gate", "yard", "new"], 9)
    assert [(it.camera, it.state, it.since_ns) for it in cameras] == [
        ("door", "online", 1),
        ("gate", "lost", 2),  # said to be lost, it is lost until a frame shows otherwise
        ("yard", "starting", 9),
        ("new", "starting", 9),
    ]
    cameras.reconfigure(["door"], ["door"], 10)
    assert [(it.camera, it.state) for it in cameras] == [("door", "starting")]
