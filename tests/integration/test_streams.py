"""The stream source against real servers: RTSP by GStreamer, MJPEG and HLS over HTTP."""

from __future__ import annotations

import gc
import itertools
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from authority import Authority
from cameras import barcode
from cameras.http_camera import Auth, HttpCamera, jpeg
from cameras.rtsp import RtspCamera
from support import PATIENCE_S, require_rtsp_server, wait_until

from edged.core.errors import CameraLost
from edged.core.frame import Frame
from edged.sources.base import FrameSource
from edged.sources.open import open_source
from edged.sources.picture_settings import PictureSettings
from edged.sources.settings import SourceSettings
from edged.sources.stream_settings import HwAccel, StreamSettings
from edged.testing.broker import ReservedPort

PASSWORD = "p:@/% ü"
"""Everything that an address would take for something else."""

PATIENT = SourceSettings(stall_after_s=40)


@pytest.fixture(scope="module")
def camera() -> Iterator[RtspCamera]:
    """One that no test disturbs."""
    require_rtsp_server()
    with RtspCamera() as camera:
        yield camera


@pytest.fixture
def own_camera() -> Iterator[RtspCamera]:
    """One to disturb."""
    require_rtsp_server()
    with RtspCamera() as camera:
        yield camera


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(PASSWORD)
    path.chmod(0o600)
    return path


def watching(url: str, settings: SourceSettings = PATIENT, **stream: object) -> FrameSource:
    given = {"open_timeout_s": 20, **stream}
    return open_source("door", replace(settings, stream=StreamSettings(url=url, **given)))  # type: ignore[arg-type]


def frames_until(source: FrameSource, condition: Callable[[Frame], bool]) -> list[Frame]:
    """Frames up to and with the first for which ``condition`` holds."""
    frames = []
    for frame in source:
        frames.append(frame)
        if condition(frame):
            break
    return frames


def check_clock(frames: list[Frame]) -> None:
    """The bar codes are read, and each frame says that it was taken after it was drawn and before now."""
    for frame in frames:
        stamp = barcode.stamp_of(frame.image)
        assert 0 <= barcode.age_ms(stamp, frame.captured_ns // 1_000_000 & 0xFFFFFFFF) < 30_000
        assert barcode.age_ms(stamp, barcode.now()) < 60_000
    stamps = [barcode.stamp_of(frame.image) for frame in frames]
    assert sorted(set(stamps)) == stamps  # none twice, none out of turn
    assert [frame.seq for frame in frames] == list(range(len(frames)))
    assert all(a.captured_ns < b.captured_ns for a, b in itertools.pairwise(frames))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_frames_carry_the_clock_of_the_camera(camera: RtspCamera, transport: str) -> None:
    with watching(camera.url, transport=transport) as source:
        frames = list(itertools.islice(source, 20))
        assert (source.info.width, source.info.height, source.info.live) == (640, 480, True)
        assert source.info.description == f"rtsp://{camera.host} h264"
        assert frames[0].image.shape == (480, 640, 3)
        assert not frames[0].image.flags.writeable
        check_clock(frames)


@pytest.mark.parametrize("codec", ["h265", "mjpeg"])
def test_other_codecs_of_cameras(codec: str) -> None:
    require_rtsp_server()
    with RtspCamera("--codec", codec) as camera, watching(camera.url) as source:
        check_clock(list(itertools.islice(source, 5)))
        assert source.info.description.endswith({"h265": "hevc", "mjpeg": "mjpeg"}[codec])


@pytest.mark.parametrize("hwaccel", ["v4l2m2m", "cuda", "vaapi"])
def test_hardware_that_is_not_there_is_done_without(camera: RtspCamera, hwaccel: HwAccel) -> None:
    with watching(camera.url, hwaccel=hwaccel) as source:
        check_clock(list(itertools.islice(source, 2)))
        assert "decoded by" in source.info.description or f"asked for {hwaccel}" in source.info.description


def test_a_camera_that_has_not_what_is_wanted_says_so(camera: RtspCamera) -> None:
    closed = ReservedPort()
    reasons = {
        camera.url + "/nothing": "404",
        f"rtsp://127.0.0.1:{closed.number}/cam": "refuses the connection",
        "rtsp://camera.invalid/cam": "cannot be found",
        f"http://{camera.host}/cam": "5xx",
    }
    for url, reason in reasons.items():
        with pytest.raises(CameraLost, match=reason) as caught:
            watching(url)
        assert caught.value.hint
    closed.release()


@pytest.mark.parametrize(("codec", "reason"), [("audio", "4xx|sends no video"), ("theora", "sends theora")])
def test_what_is_no_video_of_a_camera_is_refused(codec: str, reason: str) -> None:
    require_rtsp_server()
    with RtspCamera("--codec", codec) as camera, pytest.raises(CameraLost, match=reason):
        watching(camera.url)


@pytest.mark.parametrize("how", [["--digest"], []], ids=["digest", "basic"])
def test_rtsp_login(password: Path, how: list[str]) -> None:
    require_rtsp_server()
    with RtspCamera("--user", "me", "--password", PASSWORD, *how) as camera:
        with watching(camera.url, username="me", password_file=password) as source:
            check_clock(list(itertools.islice(source, 2)))
        check_refusals(camera.url, password)


@pytest.mark.parametrize("auth", ["digest", "basic"])
def test_http_login(password: Path, auth: Auth) -> None:
    with HttpCamera(auth=auth, user="me", password=PASSWORD) as camera:
        with watching(camera.url(), username="me", password_file=password) as source:
            check_clock(list(itertools.islice(source, 2)))
        check_refusals(camera.url(), password)


def check_refusals(url: str, password: Path) -> None:
    """Without the login, and with a wrong one that shows nowhere."""
    with pytest.raises(CameraLost, match="401"):
        watching(url)
    password.write_text("hunter2")
    with pytest.raises(CameraLost, match="401") as caught:
        watching(url, username="me", password_file=password)
    assert "username and password" in caught.value.hint
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    password.chmod(0o644)
    with pytest.raises(CameraLost, match="open to others") as caught:
        watching(url, username="me", password_file=password)
    assert "chmod 600" in caught.value.hint


def test_a_password_goes_into_the_query_where_the_camera_wants_it(password: Path) -> None:
    password.write_text("a&b")
    with HttpCamera() as camera:
        url = camera.url("/mjpeg?user={username}&password={password}")
        with watching(url, username="me", password_file=password) as source:
            check_clock(list(itertools.islice(source, 2)))
        assert camera.asked == ["/mjpeg?user=me&password=a%26b"]


def test_another_resolution_in_mid_stream(own_camera: RtspCamera) -> None:
    with watching(own_camera.url) as source:
        before = source.info
        frames = list(itertools.islice(source, 3))
        for width, height in ((1280, 704), (320, 256)):
            own_camera.order(f"size {width}x{height}")
            frames += frames_until(source, lambda frame, width=width: frame.width == width)
            assert (source.info.width, source.info.height) == (width, height) == (frames[-1].width, frames[-1].height)
            assert source.info is not before
        check_clock(frames)


def test_a_picture_is_shown_as_wanted_at_any_resolution(own_camera: RtspCamera) -> None:
    shown = PictureSettings(rotate=90, max_fps=5)
    with watching(own_camera.url, replace(PATIENT, picture=shown)) as source:
        frames = list(itertools.islice(source, 5))
        assert (source.info.width, source.info.height) == (480, 640) == (frames[0].width, frames[0].height)
        assert frames[-1].captured_ns - frames[0].captured_ns > 600_000_000
        own_camera.order("size 320x256")
        frames_until(source, lambda frame: frame.width == 256)
        assert (source.info.width, source.info.height) == (256, 320)


def test_damaged_pictures_are_passed_over_and_counted(own_camera: RtspCamera) -> None:
    with watching(own_camera.url) as source:
        list(itertools.islice(source, 5))
        own_camera.order("damage 60")  # at least one whole group of pictures
        frames = frames_until(source, lambda _: source.damaged > 0)
        frames += itertools.islice(source, 60)
        assert source.damaged > 0
        assert [frame.seq for frame in frames] == list(range(5, 5 + len(frames)))


def test_a_frozen_camera_ends_the_read_within_the_bound_and_leaves_nothing(own_camera: RtspCamera) -> None:
    impatient = SourceSettings(stall_after_s=2)
    gc.collect()  # what others left open is not to go meanwhile
    before = held()
    with watching(own_camera.url, impatient) as source:
        list(itertools.islice(source, 3))
        own_camera.freeze()
        began = time.monotonic()
        with pytest.raises(CameraLost, match=r"no picture within 1.6 s|is silent"):
            list(source)
        assert 1 < time.monotonic() - began < 30
    with pytest.raises(CameraLost, match="is silent for 1 s"):
        watching(own_camera.url, impatient, open_timeout_s=1)
    wait_until(lambda: held() == before, "threads or files are left behind")


def held() -> tuple[int, int]:
    """How many threads this process has and how many files it has open."""
    return sum(1 for _ in Path("/proc/self/task").iterdir()), sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_close_by_another_thread_ends_a_hanging_read(own_camera: RtspCamera) -> None:
    with watching(own_camera.url, SourceSettings(stall_after_s=3)) as source:
        next(iter(source))
        own_camera.freeze()

        def read() -> None:
            with suppress(CameraLost):
                list(source)

        reader = threading.Thread(target=read)
        reader.start()
        began = time.monotonic()
        source.close()  # at once, and the reader lets go when it comes out
        assert time.monotonic() - began < 3
        reader.join(PATIENCE_S)
        assert not reader.is_alive()
        assert source.read() is None


def test_a_killed_camera_is_lost_at_once(own_camera: RtspCamera) -> None:
    with watching(own_camera.url) as source:
        next(iter(source))
        own_camera.kill()
        with pytest.raises(CameraLost, match=r"ended the stream|cut the connection"):
            list(source)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def server_certificate(authority: Authority) -> Path:
    """A file with a certificate for 127.0.0.1 and its key."""
    certificate, key = authority.issue("camera", "127.0.0.1")
    both = authority.directory / "camera.both"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both


def test_who_answers_over_tls_is_checked(tmp_path: Path, authority: Authority) -> None:
    require_rtsp_server()
    with RtspCamera("--certificate", str(server_certificate(authority))) as camera:
        url = camera.url.replace("rtsp:", "rtsps:")
        with watching(url, ca_file=authority.certificate) as source:
            check_clock(list(itertools.islice(source, 2)))
        with watching(url, tls_verify=False) as source:
            next(iter(source))
        for wrong in (None, Authority(tmp_path / "stranger").certificate):
            with pytest.raises(CameraLost) as caught:
                watching(url, ca_file=wrong)
            assert "ca_file" in caught.value.hint
        with pytest.raises(CameraLost):
            watching(url.replace("127.0.0.1", "localhost"), ca_file=authority.certificate)
        with pytest.raises(CameraLost, match="No such file"):
            watching(url, ca_file=tmp_path / "missing.pem")


def test_mjpeg_over_http(tmp_path: Path) -> None:
    with HttpCamera() as camera, watching(camera.url(), SourceSettings(stall_after_s=3)) as source:
        check_clock(list(itertools.islice(source, 10)))
        assert source.info.fps == 0  # nobody knows
        camera.size = (320, 256)
        frames_until(source, lambda frame: frame.width == 320)
        assert (source.info.width, source.info.height) == (320, 256)
        camera.silent.set()
        with pytest.raises(CameraLost, match=r"is silent|no picture within"):
            list(source)


@pytest.mark.parametrize("container", ["mpegts", "flv"])
def test_other_containers_over_http(container: str) -> None:
    with HttpCamera() as camera, watching(camera.url(f"/{container}")) as source:
        check_clock(list(itertools.islice(source, 10)))
        assert source.info.description.endswith("h264")


@pytest.mark.parametrize("container", ["mpegts", "flv"])
def test_sound_holds_up_no_pictures(container: str) -> None:
    """Packets of it come at once before those of pictures, which were therefore not waited for and are new all the same."""
    with HttpCamera(sound=True) as camera, watching(camera.url(f"/{container}")) as source:
        frames = list(itertools.islice(source, 20))
        late = source.late
        frames += itertools.islice(source, 60)  # more than two seconds
        check_clock(frames)
        assert source.late - late < 30
        with av.open(camera.url(f"/{container}")) as heard:
            assert [track.type for track in heard.streams] == ["video", "audio"]


def test_pictures_that_are_too_large_are_not_decoded() -> None:
    with HttpCamera() as camera:
        camera.picture = jpeg(np.zeros((6016, 6016), np.uint8))
        with pytest.raises(CameraLost, match="were damaged"):
            watching(camera.url(), SourceSettings(stall_after_s=3)).read()


def test_who_is_slower_than_the_camera_sees_fewer_pictures_and_none_that_are_old() -> None:
    slow = threading.Event()
    with HttpCamera(fps=50) as camera, watching(camera.url()) as source:
        ages_ms = []
        for frame in itertools.islice(source, 60):
            ages_ms.append(barcode.age_ms(barcode.stamp_of(frame.image), barcode.now()))
            slow.wait(0.06)  # what a slow processor would take: three pictures' time
        assert source.late > 10
        assert min(ages_ms[-20:]) < 800  # else it would be 1.5 s by now


def make_playlist(directory: Path, seconds: int, *, ended: bool) -> None:
    """``live.m3u8`` of parts of one second, 10 pictures each, whose brightness grows by one a picture."""
    options = {"hls_time": "1", "hls_list_size": "0"} | ({} if ended else {"hls_flags": "omit_endlist"})
    with av.open(str(directory / "live.m3u8"), "w", format="hls", options=options) as out:
        video = out.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt, video.options = 320, 256, "yuv420p", {"g": "10", "tune": "zerolatency"}
        for number in range(10 * seconds):
            picture = av.VideoFrame.from_ndarray(np.full((256, 320, 3), number, np.uint8), format="bgr24")
            out.mux(video.encode(picture))
        out.mux(video.encode())


def test_hls_is_played_at_its_pace(tmp_path: Path) -> None:
    make_playlist(tmp_path, 8, ended=False)
    with HttpCamera(tmp_path) as camera, watching(camera.url("/live.m3u8")) as source:
        began = time.monotonic()
        frames = list(itertools.islice(source, 25))  # of the three parts that a viewer of a live playlist begins with
        assert time.monotonic() - began > 2
    gaps_ms = [(b.captured_ns - a.captured_ns) / 1e6 for a, b in itertools.pairwise(frames)]
    assert 80 < float(np.median(gaps_ms)) < 120
    assert source.info.description.endswith("h264")


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A directory to serve, and beside it a video of this machine that nobody may see."""
    served, own = tmp_path / "served", tmp_path / "own"
    served.mkdir()
    own.mkdir()
    make_playlist(own, 1, ended=True)
    part = own / "live0.ts"
    head = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n"
    (served / "file.m3u8").write_text(f"{head}#EXTINF:1,\nfile://{part}\n#EXT-X-ENDLIST\n")
    (served / "concat.m3u8").write_text(f"{head}#EXTINF:1,\nconcat:{part}\n#EXT-X-ENDLIST\n")
    (served / "subfile.m3u8").write_text(f"{head}#EXTINF:1,\nsubfile,,start,0,end,0,,:{part}\n#EXT-X-ENDLIST\n")
    (served / "key.m3u8").write_text(f'{head}#EXT-X-KEY:METHOD=AES-128,URI="file://{part}"\n#EXTINF:1,\npart.ts\n#EXT-X-ENDLIST\n')
    (served / "list.ffconcat").write_text(f"ffconcat version 1.0\nfile 'file://{part}'\n")
    (served / "parts.ffconcat").write_text("ffconcat version 1.0\nfile part.ts\n")
    (served / "part.ts").write_bytes(part.read_bytes())
    return served


@pytest.mark.parametrize("name", ["file.m3u8", "concat.m3u8", "subfile.m3u8", "key.m3u8", "list.ffconcat", "parts.ffconcat"])
def test_a_server_cannot_lead_us_to_our_own_files(trap: Path, name: str) -> None:
    impatient = SourceSettings(stall_after_s=2)
    with HttpCamera(trap) as camera, pytest.raises(CameraLost):
        watching(camera.url(f"/{name}"), impatient, open_timeout_s=2)


def test_hls_over_https_is_refused_while_its_parts_cannot_be_checked(tmp_path: Path, authority: Authority) -> None:
    make_playlist(tmp_path, 4, ended=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_certificate(authority))
    with HttpCamera(tmp_path, tls=context) as camera:
        (tmp_path / "live").write_bytes((tmp_path / "live.m3u8").read_bytes())
        with pytest.raises(CameraLost, match="leads to HLS") as caught:  # under a name that did not tell
            watching(camera.url("/live"), ca_file=authority.certificate)
        assert "tls_verify = false" in caught.value.hint
        assert "rtsps" in caught.value.hint
        assert camera.asked == ["/live"]
        with watching(camera.url("/live.m3u8"), tls_verify=False) as source:
            next(iter(source))
        with watching(camera.url(), ca_file=authority.certificate) as source:
            check_clock(list(itertools.islice(source, 2)))
