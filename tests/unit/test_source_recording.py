"""Videos and pictures, through ``open_source`` as the vision process uses it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import edged
from edged.core.cv import cv2
from edged.core.errors import SourceUnusable
from edged.core.frame import Frame
from edged.sources.base import FrameSource
from edged.sources.open import open_source
from edged.sources.settings import FileSettings, SourceSettings


def open_file(path: Path, first_seq: int = 0, **settings: object) -> FrameSource:
    file = FileSettings(path=path, **{"pace": "fast", **settings})  # type: ignore[arg-type]
    return open_source("door", SourceSettings(file=file), first_seq)


def take(source: FrameSource, count: int) -> list[Frame]:
    frames = [source.read() for _ in range(count)]
    assert None not in frames
    return frames  # type: ignore[return-value]


def grey(value: int, width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Five frames at 10 fps, each brighter than the one before."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    for value in range(0, 250, 50):
        writer.write(grey(value))
    writer.release()
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, value in (("b-2.png", 20), ("a-1.png", 10), ("c-3.PNG", 30)):
        encoded = cv2.imencode(".png", grey(value))[1]
        (folder / name).write_bytes(encoded.tobytes())
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_pipe_among_pictures_is_refused_and_not_waited_for(pictures: Path) -> None:
    os.mkfifo(pictures / "0-first.png")
    with pytest.raises(SourceUnusable, match=r"0-first\.png: no regular file"):
        open_file(pictures)


def test_video_delivers_every_frame_in_order_with_its_time(video: Path) -> None:
    with open_file(video, first_seq=7) as source:
        assert (source.info.width, source.info.height, source.info.fps, source.info.live) == (64, 48, 10.0, False)
        assert str(video) in source.info.description
        frames = list(source)
    assert [frame.seq for frame in frames] == [7, 8, 9, 10, 11]
    assert [frame.media_ns for frame in frames] == [0, 100_000_000, 200_000_000, 300_000_000, 400_000_000]
    assert [round(float(frame.image.mean()) / 50) for frame in frames] == [0, 1, 2, 3, 4]
    assert {frame.camera for frame in frames} == {"door"}


def test_real_video_ends_and_its_clock_grows(test_data: Path) -> None:
    with open_file(test_data / "media/bottle-detection.mp4") as source:
        times = [frame.media_ns for frame in source]
        assert source.read() is None
    assert len(times) == 1189
    assert all(later > earlier for earlier, later in pairwise(times))
    assert times[-1] == pytest.approx(39.8e9, rel=0.01)


@pytest.mark.parametrize("kind", ["video", "pictures"])
def test_loop_goes_on_with_a_clock_that_never_goes_back(kind: str, request: pytest.FixtureRequest) -> None:
    with open_file(request.getfixturevalue(kind), loop=True, pictures_per_s=10.0) as source:
        frames = take(source, 13)
    assert [frame.seq for frame in frames] == list(range(13))
    assert [frame.media_ns for frame in frames] == [index * 100_000_000 for index in range(13)]


def test_pictures_of_a_directory_by_name_and_pattern(pictures: Path) -> None:
    with open_file(pictures, pictures_per_s=4.0) as source:
        frames = list(source)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [10, 20, 30]
    assert [frame.media_ns for frame in frames] == [0, 250_000_000, 500_000_000]
    with open_file(pictures, pattern="b-*") as source:
        assert [int(frame.image[0, 0, 0]) for frame in source] == [20]


def test_one_picture_is_a_recording_of_one_frame(test_data: Path) -> None:
    with open_file(test_data / "media/pets.jpg") as source:
        (frame,) = source
    assert (frame.width, frame.height, frame.media_ns) == (512, 430, 0)


def test_frames_are_not_to_be_written_to(video: Path) -> None:
    with open_file(video) as source, pytest.raises(ValueError, match="read-only"):
        take(source, 1)[0].image[0, 0] = 0


def test_realtime_delivers_no_frame_before_it_is_due(video: Path) -> None:
    with open_file(video, pace="realtime") as source:
        frames = list(source)
    for frame in frames:
        assert frame.media_ns is not None
        assert frame.captured_ns - frames[0].captured_ns >= frame.media_ns - 1_000_000


def test_close_from_another_thread_ends_a_read_that_waits(pictures: Path) -> None:
    source = open_file(pictures, pace="realtime", pictures_per_s=0.001)
    take(source, 1)
    answers: list[Frame | None] = []
    reader = threading.Thread(target=lambda: answers.append(source.read()))
    reader.start()
    source.close()
    reader.join(timeout=60)
    assert answers == [None]


def test_closed_source_delivers_nothing_and_closes_again(video: Path) -> None:
    source = open_file(video)
    take(source, 2)
    source.close()
    assert source.read() is None
    source.close()


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceUnusable, match=r"gone\.mp4: no such file"):
        open_file(tmp_path / "gone.mp4")


@pytest.mark.parametrize("name", ["broken.mp4", "broken.jpg", "broken.png"])
@pytest.mark.parametrize("content", [b"", b"no media at all", bytes(range(256)) * 40])
def test_file_that_is_no_media_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceUnusable, match=name):
        open_file(path)


def test_cut_video_is_refused(tmp_path: Path, test_data: Path) -> None:
    path = tmp_path / "cut.mp4"
    path.write_bytes((test_data / "media/bottle-detection.mp4").read_bytes()[:100_000])
    with pytest.raises(SourceUnusable, match=r"cut\.mp4"):
        open_file(path)


def test_damaged_picture_among_good_ones_is_named(pictures: Path) -> None:
    (pictures / "b-2.png").write_bytes(b"damaged")
    with open_file(pictures) as source:
        take(source, 1)
        with pytest.raises(SourceUnusable, match=r"b-2\.png"):
            source.read()


OPENS = """
import sys
from pathlib import Path
from edged.core.errors import SourceUnusable
from edged.sources.open import open_source
from edged.sources.settings import FileSettings, SourceSettings
try:
    open_source("door", SourceSettings(file=FileSettings(path=Path(sys.argv[1]), pace="fast")), 0)
except SourceUnusable as error:
    print(error)
"""
"""In a process of its own, as edged opens it: the limit is OpenCV's at its import, and another test may have imported it before."""


@pytest.mark.parametrize("name", ["bomb.png", "bomb.mp4"])
def test_picture_bomb_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(cv2.imencode(".png", np.zeros((5800, 5800), np.uint8))[1].tobytes())  # just above 2**25 pixels
    assert path.stat().st_size < 200_000
    done = subprocess.run([sys.executable, "-c", OPENS, str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert name in done.stdout, done.stderr


def test_directory_without_pictures_is_refused(tmp_path: Path, pictures: Path) -> None:
    with pytest.raises(SourceUnusable, match="none of its 0 pictures"):
        open_file(tmp_path)
    with pytest.raises(SourceUnusable, match=r"none of its 3 pictures matches 'x\*'"):
        open_file(pictures, pattern="x*")


def test_device_is_no_recording() -> None:
    with pytest.raises(SourceUnusable, match="no regular file"):
        open_file(Path("/dev/null"))


def test_opencv_is_imported_in_one_place_only() -> None:
    package = Path(edged.__file__).parent
    found = [path for path in package.rglob("*.py") if "\nimport cv2" in path.read_text() or "\nfrom cv2" in path.read_text()]
    assert found == [package / "core/cv.py"]
