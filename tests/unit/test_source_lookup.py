"""A resolver that hangs or knows nothing does not hold a camera up."""

from __future__ import annotations

import socket
import threading

import pytest

from edged.core.errors import CameraLost
from edged.sources.lookup import require_address


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_what_has_an_address_is_found(host: str) -> None:
    require_address(host, 30)


@pytest.mark.parametrize("host", ["camera.invalid", "x" * 70 + ".lan"], ids=["unknown", "no name"])
def test_what_has_none_is_lost_with_its_name(host: str) -> None:
    with pytest.raises(CameraLost, match=f"{host} cannot be found") as caught:
        require_address(host, 30)
    assert "check the name" in caught.value.hint


def test_a_hanging_resolver_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, asked = threading.Event(), []

    def hang(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        answer.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    for _ in range(3):
        with pytest.raises(CameraLost, match=r"no name server tells the address of camera.lan within 0.05 s"):
            require_address("camera.lan", 0.05)
    assert asked == ["camera.lan"]
    answer.set()
    for thread in threading.enumerate():
        if thread.name == "lookup-camera.lan":
            thread.join(60)
    require_address("camera.lan", 60)
    assert asked == ["camera.lan"] * 2
