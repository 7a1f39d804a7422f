"""Pictures and CSI cameras in a configuration: what is refused and how it is said, and the way to the vision process."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edged.config.load import load
from edged.core.errors import ConfigInvalid
from edged.sources.picture_settings import PictureSettings
from edged.sources.settings import LibcameraSettings, describe_source
from edged.vision.settings import CameraSettings, decode_path, encode_path

HEAD = '[models.m]\nbundle = "./m"\n[cameras.door]\nmodel = "m"\n'


def camera(tmp_path: Path, text: str) -> CameraSettings:
    path = tmp_path / "edged.toml"
    path.write_text(HEAD + text)
    return load(path).cameras["door"]


def problem(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        camera(tmp_path, text)
    (found,) = caught.value.problems
    return found.split(": ", 1)[1]


def test_a_picture_is_read_and_crosses_to_the_vision_process(tmp_path: Path) -> None:
    text = """libcamera = { camera = "/base/imx708@1a", focus = 2, awb = "indoor", sensor_mode = [2304, 1296] }
        [cameras.door.picture]
        rotate = 270
        mirror = true
        crop = [0, 0.1, 1, 0.9]
        max_fps = 5
        every = 2
        masks = [[[0, 0], [1, 0], [0, 1]]]
        """
    found = camera(tmp_path, text)
    assert found.picture == PictureSettings(
        rotate=270, mirror=True, crop=(0, 0.1, 1, 0.9), max_fps=5, every=2, masks=(((0, 0), (1, 0), (0, 1)),)
    )
    assert found.libcamera == LibcameraSettings(camera="/base/imx708@1a", focus=2.0, awb="indoor", sensor_mode=(2304, 1296))
    assert describe_source(found) == "libcamera /base/imx708@1a"
    data = msgspec.msgpack.encode(found, enc_hook=encode_path)
    assert msgspec.msgpack.decode(data, type=CameraSettings, dec_hook=decode_path) == found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rotate = 45", "picture.rotate: got 45, expected 0, 90, 180 or 270"),
        ("crop = [0, 0, 1]", "picture.crop: got [0, 0, 1], expected more items"),
        ("crop = [0, 0, 1, 1, 1]", "picture.crop: got [0, 0, 1, 1, 1], expected at most 4 items"),
        ("crop = [0, 0, 640, 480]", "picture.crop: got [0, 0, 640, 480], expected at most 1"),
        ("crop = [0.5, 0, 0.5, 1]", "picture.crop: [0.5, 0.0, 0.5, 1.0] is empty, expected left, top, right, bottom"),
        ("masks = [[[0, 0], [1, 1]]]", "picture.masks: got [[[0, 0], [1, 1]]], expected at least 3 items"),
        ("masks = [[[0, 0], [1, 1], [1]]]", "picture.masks: got [[[0, 0], [1, 1], [1]]], expected more items"),
        ("masks = [[[0, 0], [1, 1], [1, 0], [0, 1]]]", "mask 1: its sides cross"),
        ('masks = "all"', 'picture.masks: got "all", expected a list in brackets'),
        ("max_fps = 0", "picture.max_fps: got 0, expected more than 0"),
        ("every = 101", "picture.every: got 101, expected at most 100"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, line: str, expected: str) -> None:
    assert expected in problem(tmp_path, f"synthetic = {{}}\n[cameras.door.picture]\n{line}")


def test_one_csi_camera_serves_one_camera(tmp_path: Path) -> None:
    text = 'libcamera = { camera = 1 }\n[cameras.back]\nmodel = "m"\nlibcamera = { camera = 1 }'
    assert "libcamera camera 1 is already used by cameras.door.libcamera.camera" in problem(tmp_path, text)
