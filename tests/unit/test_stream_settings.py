"""What a configuration may say of a network camera."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edged.config.load import load
from edged.core.errors import ConfigInvalid
from edged.sources.open import open_source
from edged.sources.settings import FileSettings, LibcameraSettings, SourceSettings, V4l2Settings, describe_source
from edged.sources.stream_settings import StreamSettings, stream_problems

STREAM = StreamSettings(url="rtsp://camera/x")
FILE = Path("/secret")


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (replace(STREAM, url="file:///etc/passwd"), "stream.url"),
        (replace(STREAM, url="https://camera/x", transport="udp"), "rtsp:// alone"),
        (replace(STREAM, username="me", password_file=FILE, password_credential="x"), "keep one"),
        (replace(STREAM, url="https://camera/live/index.M3U8?token=1"), "names a playlist"),
        (replace(STREAM, password_file=FILE), "no username"),
        (replace(STREAM, url="http://camera/x?p={password}", username="me"), "no password_file"),
        (replace(STREAM, url="http://camera/x?u={username}"), "{username} in it, but no username"),
        (replace(STREAM, url="http://camera/x?u={username}", password_file=FILE), "{username} in it, but no username"),
        (replace(STREAM, url="http://camera/x?u={username}&p={password}", password_file=FILE), "{username} in it, but no username"),
        (replace(STREAM, url="http://camera/x?p={password}", username="me", password_file=FILE), "username is used nowhere"),
    ],
)
def test_combinations_that_make_no_sense_are_named(stream: StreamSettings, why: str) -> None:
    (problem,) = stream_problems(stream)
    assert why in problem
    with pytest.raises(ValueError, match="stream"):
        open_source("door", SourceSettings(stream=stream))


def test_a_playlist_is_accepted_where_nobody_is_to_be_checked() -> None:
    assert stream_problems(replace(STREAM, url="http://camera/live.m3u8")) == ()
    assert stream_problems(replace(STREAM, url="https://camera/live.m3u8", tls_verify=False)) == ()


def test_a_password_in_the_query_needs_no_user_name() -> None:
    assert stream_problems(replace(STREAM, url="http://camera/x?p={password}", password_file=FILE)) == ()


def test_a_user_name_in_the_path_needs_no_password_there() -> None:
    assert stream_problems(replace(STREAM, url="rtsp://camera/{username}/live", username="me", password_file=FILE)) == ()
    assert stream_problems(replace(STREAM, url="rtsp://camera/{username}/live", username="me")) == ()


def test_opening_may_take_longer_than_a_stall() -> None:
    assert SourceSettings(stream=replace(STREAM, open_timeout_s=4), stall_after_s=5).open_within_s == 12
    assert SourceSettings(stream=replace(STREAM, open_timeout_s=1), stall_after_s=5).open_within_s == 5


@pytest.mark.parametrize("camera", [SourceSettings(v4l2=V4l2Settings(device=0)), SourceSettings(libcamera=LibcameraSettings())])
def test_cameras_of_this_machine_open_slowly(camera: SourceSettings) -> None:
    assert replace(camera, stall_after_s=2).open_within_s == 10
    assert replace(camera, stall_after_s=15).open_within_s == 15


def test_what_is_opened_from_a_disk_takes_no_longer_than_a_read() -> None:
    assert SourceSettings(file=FileSettings(path=Path("clip.mp4")), stall_after_s=2).open_within_s == 2


def test_the_description_shows_no_path() -> None:
    assert describe_source(SourceSettings(stream=replace(STREAM, url="rtsp://camera/t0ken"))) == "stream rtsp://camera"


@pytest.mark.parametrize(
    "line",
    [
        'url = "rtsp://me:hunter2@camera/x"',
        'url = "rtsp://camera/x"\npassword = "hunter2"',
        'url = "http://camera/x?pwd=hunter2"',
        'url = ["hunter2"]',
    ],
)
def test_a_password_in_the_configuration_is_refused_and_not_repeated(tmp_path: Path, line: str) -> None:
    path = tmp_path / "edged.toml"
    path.write_text(f'[models.m]\nbundle = "/m"\n[cameras.door]\nmodel = "m"\n[cameras.door.stream]\n{line}\n')
    with pytest.raises(ConfigInvalid) as caught:
        load(path)
    told = "\n".join(caught.value.problems)
    assert "stream" in told
    if not line.endswith("]"):
        assert "hunter2" not in told
        assert "password_file" in told
