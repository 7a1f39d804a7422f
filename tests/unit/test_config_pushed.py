"""What may be pushed, and how it is laid over the file of a device."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from edged.config.load import check_pushed, read, settle
from edged.config.pushed import DEVICE_KEYS, laid_over, not_to_be_pushed
from edged.config.schema import Settings
from edged.core.errors import ConfigInvalid
from edged.vision.settings import CameraSettings

LOCAL = """
[models.m]
bundle = "models/m"
key_file = "/etc/key"
label_thresholds = { person = 0.5, dog = 0.6 }
[cameras.door]
model = "m"
labels = ["person"]
annotated = "door.mp4"
[cameras.door.stream]
url = "rtsp://camera/"
username = "edged"
password_file = "/etc/edged/camera"
[cameras.yard]
model = "m"
v4l2 = { device = 0, width = 1280 }
[mqtt]
host = "broker"
[ota]
root = "root.json"
follow_config = "site"
"""


def over(local: str, pushed: str) -> dict[str, Any]:
    return laid_over(tomllib.loads(local), tomllib.loads(pushed))


@pytest.fixture
def settled(tmp_path: Path) -> Any:
    def settled(pushed: str, local: str = LOCAL) -> Settings:
        (tmp_path / "edged.toml").write_text(local)
        (tmp_path / "config.toml").write_text(pushed)
        return settle(read(tmp_path / "edged.toml"), {"config/site": tmp_path / "config.toml"})

    return settled


def problems(settled: Any, pushed: str, local: str = LOCAL) -> list[str]:
    with pytest.raises(ConfigInvalid) as caught:
        settled(pushed, local)
    return list(caught.value.problems)


def test_what_is_named_is_replaced_key_by_key_and_the_rest_stays(settled: Any) -> None:
    before = settled("")
    after = settled(
        "[models.m]\nscore_threshold = 0.4\nlabel_thresholds = { cat = 0.7 }\n[cameras.door]\nlabels = []\n"
        "[tracking]\nleave_after_s = 9\n"
    )
    assert after.models["m"] == dataclasses.replace(before.models["m"], score_threshold=0.4, label_thresholds={"cat": 0.7})
    assert after.cameras == {**before.cameras, "door": dataclasses.replace(before.cameras["door"], labels=())}
    assert after.tracking == dataclasses.replace(before.tracking, leave_after_s=9)
    assert dataclasses.replace(after, models=before.models, cameras=before.cameras, tracking=before.tracking) == before


def test_a_camera_gets_another_source_as_a_whole_and_no_login_goes_to_it(settled: Any) -> None:
    after = settled('[cameras.door]\nstream = { url = "rtsp://elsewhere/" }\n[cameras.yard]\nsynthetic = {}\n')
    assert after.cameras["door"].stream.password_file is None
    assert after.cameras["door"].labels == ("person",)
    assert (after.cameras["yard"].v4l2, after.cameras["yard"].synthetic is not None) == (None, True)
    found = problems(settled, '[cameras.door]\nstream = { url = "rtsp://elsewhere/?p={password}" }\n')
    assert "password" in found[0], "the password of the old address is not there any more"


def test_masks_are_not_taken_away_by_the_way(settled: Any) -> None:
    local = LOCAL.replace("[cameras.yard]", "[cameras.yard]\npicture = { masks = [[[0, 0], [1, 0], [1, 1]]], rotate = 90 }")
    after = settled("[cameras.yard]\nsynthetic = {}\npicture = { rotate = 180, max_fps = 5 }\n", local).cameras["yard"]
    assert (len(after.picture.masks), after.picture.rotate, after.picture.max_fps) == (1, 180, 5)
    assert settled("[cameras.yard]\npicture = { masks = [] }\n", local).cameras["yard"].picture.masks == ()


def test_cameras_are_added(settled: Any) -> None:
    after = settled('[cameras.new]\nmodel = "m"\nsynthetic = {}\n')
    assert set(after.cameras) == {"door", "yard", "new"}


def test_neither_document_is_changed() -> None:
    local, pushed = tomllib.loads(LOCAL), tomllib.loads("[cameras.yard]\nsynthetic = {}\n[models.m]\nthreads = 2\n")
    laid_over(local, pushed)
    assert local == tomllib.loads(LOCAL)


@pytest.mark.parametrize(
    ("pushed", "key"),
    [
        *((f"[{section}]\n", section) for section in ("device", "mqtt", "ota", "metrics", "sinks", "store", "camera")),
        *(
            (f"[models.m]\n{key} = 1\n", f"models.m.{key}")
            for key in (
                "bundle",
                "follow",
                "key_file",
                "key_credential",
                "external",
                "edgetpu",
                "custom_ops",
                "runtime",
                "delegate",
            )
        ),
        ("[models.other]\nthreads = 1\n", "models.other"),
        ('[cameras.door]\nannotated = "/etc/passwd"\n', "cameras.door.annotated"),
        ('[cameras.door]\nfile = { path = "/etc/passwd" }\n', "cameras.door.file"),
        ('[cameras.door.stream]\npassword_file = "/etc/shadow"\n', "cameras.door.stream.password_file"),
        ('[cameras.door.stream]\npassword_credential = "x"\n', "cameras.door.stream.password_credential"),
        ('[cameras.door.stream]\nca_file = "x"\n', "cameras.door.stream.ca_file"),
        ("[cameras.door]\nsynthetic = { frames = 9 }\n", "cameras.door.synthetic.frames"),
        ('[cameras.yard]\nv4l2 = { device = "/dev/watchdog" }\n', "cameras.yard.v4l2.device"),
        ('[cameras.yard]\nv4l2 = { device = "/dev/v4l/../sda" }\n', "cameras.yard.v4l2.device"),
    ],
)
def test_what_is_the_devices_own_is_refused(settled: Any, pushed: str, key: str) -> None:
    (problem,) = problems(settled, pushed)
    assert problem.startswith("config/site:")
    assert f": {key}: " in problem


def paths(record: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every key below a settings record that is a path, or names a secret or a library."""
    found = []
    for name, hint in get_type_hints(record).items():
        members = {hint, *get_args(hint)}
        if Path in members or "password" in name or "credential" in name or "library" in name:
            found.append((*at, name))
        for member in members:
            if dataclasses.is_dataclass(member):
                found += paths(member, (*at, name))
    return found


def test_no_path_and_no_secret_of_a_camera_is_left_out_of_the_rules() -> None:
    found = paths(CameraSettings)
    assert ("stream", "password_file") in found
    for key in found:
        camera: Any = "x"
        for step in reversed(key):
            camera = {step: camera}
        assert list(not_to_be_pushed({"cameras": {"a": camera}})), f"{key} can be pushed"
    assert {key[0] for key in DEVICE_KEYS} <= {field.name for field in dataclasses.fields(CameraSettings)}


def test_every_problem_is_told_with_its_place_in_the_document_that_has_it(settled: Any) -> None:
    found = problems(settled, '[tracking]\nleave_after_s = -1\n[cameras.door]\nmodel = "n"\n[cameras.new]\nsynthetic = {}\n')
    assert [problem.partition(" ")[0] for problem in found] == ["config/site:2:", "config/site:4:", "config/site:5:"]
    assert "cameras.new.model: missing" in found[2]
    assert problems(settled, "cameras = 1\n")[0].startswith("config/site:1: cameras: got 1")
    (problem,) = problems(settled, "[cameras\n")
    assert problem.startswith("config/site:1:9:")


def test_the_file_has_to_be_sound_by_itself(settled: Any, tmp_path: Path) -> None:
    (problem,) = problems(settled, "[models.m]\nthreads = 2\n", LOCAL.replace("[mqtt]", "[models.m.edgetpu]\ndevice = 1\n[mqtt]"))
    assert problem.startswith(str(tmp_path / "edged.toml"))


def test_what_is_not_followed_is_not_laid_over(settled: Any) -> None:
    assert settled("[tracking]\nleave_after_s = 9\n", LOCAL.replace('follow_config = "site"', "")).tracking.leave_after_s != 9


@pytest.mark.parametrize(
    ("pushed", "expected"),
    [
        ('[models.any]\nscore_threshold = 0.3\n[cameras.any]\nlabels = ["person"]\n', ""),
        ('[cameras.any]\nmodel = "any"\nv4l2 = { device = 1 }\n[tracking]\nleave_after_s = 3\n', ""),
        ("[models.any]\nscore_threshold = 3\n", "models.any.score_threshold: got 3, expected at most 1"),
        ("[cameras.any]\nlabel = 1\n", "cameras.any.label: unknown key"),
        ("[mqtt]\n", "mqtt: is the device's own"),
        ("cameras = 1\n", "cameras: got 1"),
        ("[cameras]\nany = 1\n", "cameras.any: got 1"),
        ("[", ""),
    ],
)
def test_what_can_be_checked_without_a_device_is(tmp_path: Path, pushed: str, expected: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(pushed)
    if not expected and pushed != "[":
        check_pushed(path)
        return
    with pytest.raises(ConfigInvalid) as caught:
        check_pushed(path)
    assert expected in "; ".join(caught.value.problems)
