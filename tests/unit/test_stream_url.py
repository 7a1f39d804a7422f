"""Addresses of cameras: what is refused, and that a password never shows."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.sources.url import host_of, shown, url_problems, with_login


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://10.0.0.7/stream1",
        "rtsps://camera.lan:322/h264?channel=1&subtype=0",
        "http://[fe80::1]:8080/video",
        "https://camera.lan/live/index.m3u8",
        "http://camera.lan/flv?user={username}&password={password}",
    ],
)
def test_addresses_of_cameras_are_accepted(url: str) -> None:
    assert url_problems(url) == ()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "begin with rtsp://"),
        ("concat:rtsp://a/b", "begin with rtsp://"),
        ("rtsp:/a/b", "begin with rtsp://"),
        ("RTSP://camera/x", "begin with rtsp://"),
        ("/dev/video0", "begin with rtsp://"),
        ("rtsp:///x", "a host"),
        ("rtsp://camera:0/x", "1 to 65535"),
        ("rtsp://camera:99999/x", "range 0-65535"),
        ("rtsp://camera/a b", "without blanks"),
        ("rtsp://camera/\r\nTEARDOWN", "printable"),
        ("rtsp://camera/ü", "ASCII"),
        ("rtsp://camera/" + "x" * 3000, "at most 2048"),
        ("rtsp://{username}/x", "path and the query alone"),
        ("http://camera/x?user={user}&p={password}", "nothing in braces but"),
        ("http://camera/x?p={password", "nothing in braces but"),
        ("rtsp://{username}:{password}@camera/x", "use username and password_file"),
        ("rtsp://me:hunter2@camera/x", "use username and password_file"),
        ("http://camera/flv?user=me&password=hunter2", "put {password} in its place"),
        ("rtsp://camera/user=me&PWD=hunter2&channel=1", "put {password} in its place"),
    ],
)
def test_others_are_refused_without_repeating_them(url: str, why: str) -> None:
    (problem,) = url_problems(url)
    assert why in problem
    assert "hunter2" not in problem


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_login_survives_the_way_into_the_address(username: str, password: str) -> None:
    parts = urlsplit(with_login("rtsp://camera:554/x?a=1", username, password))
    assert unquote(parts.username or "") == username
    assert unquote(parts.password or "") == password
    assert (parts.hostname, parts.port, parts.path, parts.query) == ("camera", 554, "/x", "a=1")


@given(st.text(max_size=40), st.text(max_size=40))
def test_the_login_survives_where_the_camera_wants_it_in_the_query(username: str, password: str) -> None:
    url = with_login("http://camera/flv?user={username}&password={password}&channel=0", username, password)
    assert urlsplit(url).hostname == "camera"
    assert [unquote(pair.partition("=")[2]) for pair in urlsplit(url).query.split("&")] == [username, password, "0"]


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_user_name_in_the_path_leaves_the_password_to_the_camera(username: str, password: str) -> None:
    parts = urlsplit(with_login("rtsp://camera/{username}/live?who={username}", username, password))
    assert [unquote(parts.path[1:-5]), unquote(parts.query[4:])] == [username, username]
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (username, password)


def test_a_password_alone_is_filled_in() -> None:
    assert with_login("http://camera/x?p={password}", None, "{username}&") == "http://camera/x?p=%7Busername%7D%26"


def test_without_a_login_nothing_is_added() -> None:
    assert with_login("rtsp://camera/x", None, None) == "rtsp://camera/x"


def test_neither_path_nor_query_is_shown() -> None:
    assert shown("rtsps://camera:7441/SeCrEtToKeN?enableSrtp") == "rtsps://camera:7441"


@given(st.text())
def test_any_text_is_judged_and_what_passes_has_a_host(url: str) -> None:
    if not url_problems(url):
        assert host_of(url)
        assert shown(url)
