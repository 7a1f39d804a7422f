"""``edged mcu list`` says what runs behind each port, and opens none that is another's or that it is told to leave closed."""

from __future__ import annotations

import json
import os
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from boards import plugged_in, with_images

from edged.cli.main import main
from edged.mcu import asking, ports
from edged.mcu.opening import close_port, open_port
from edged.mcu.settings import BAUD
from edged.testing.mcu import FakeMcu
from edged.testing.mcu_board import FakeBoard

Listed = Callable[..., dict[str, Any]]

SILENT_S = 2.0
"""How long a port behind which nothing is gets asked."""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without ports; they are held by nobody, unless a test says so: the boards are processes of this test."""
    find = ports.list_ports
    monkeypatch.setattr(ports, "list_ports", lambda: find(tmp_path / "machine", lambda device: ()))
    monkeypatch.setattr(asking, "WITHIN_S", 30.0)
    return tmp_path / "machine"


def attach(tree: Path, name: str, port: Path) -> None:
    node = tree / "sys/class/tty" / name
    for directory in (node / "device", tree / "dev"):
        directory.mkdir(parents=True, exist_ok=True)
    (node / "type").write_text("4\n")
    (tree / "dev" / name).symlink_to(port)


@pytest.fixture
def listed(capsys: pytest.CaptureFixture[str]) -> Listed:
    """What runs behind each port, by its kernel name."""

    def listed(*words: str) -> dict[str, Any]:
        assert main(["mcu", "list", "--json", *words]) == 0
        return {Path(port["device"]).name: port["runs"] for port in json.loads(capsys.readouterr().out)["ports"]}

    return listed


@pytest.fixture
def dumb() -> Iterator[tuple[Path, int]]:
    """A port behind which nothing answers, and the other end of its line."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    yield Path(os.ttyname(slave)), master
    os.close(master)
    os.close(slave)


def test_what_runs_behind_each_port(tree: Path, listed: Listed, capsys: pytest.CaptureFixture[str]) -> None:
    loader = with_images(FakeBoard())
    loader.in_loader = True
    boards = [with_images(FakeBoard()), with_images(FakeBoard(ours=False)), loader]
    with plugged_in(FakeMcu(boards[0])) as ours, plugged_in(FakeMcu(boards[1])) as other, plugged_in(FakeMcu(loader)) as third:
        for name, port in (("ttyUSB0", ours.path), ("ttyUSB1", other.path), ("ttyUSB2", third.path)):
            attach(tree, name, port)
        found = listed()
        assert main(["mcu", "list"]) == 0
    assert (found["ttyUSB0"]["answers"], found["ttyUSB0"]["board"], found["ttyUSB0"]["model"]["name"]) == (
        "edged",
        "host",
        "person",
    )
    assert (found["ttyUSB1"]["answers"], found["ttyUSB1"]["versions"]) == ("mcuboot", ["1.0.0", "1.0.0"])
    assert (found["ttyUSB2"]["answers"], found["ttyUSB2"]["mode"]) == ("edged", "loader")
    text = capsys.readouterr().out
    for part in (
        "model person 1.0.0 (confirmed)",
        "host, its loader",
        "MCUboot with the firmware of others 1.0.0",
    ):
        assert part in text
    assert [board.resets for board in boards] == [0, 0, 0]


@pytest.mark.parametrize("unheard", [1, 2, 3])
def test_a_board_that_starts_when_its_port_is_opened_is_waited_for(tree: Path, listed: Listed, unheard: int) -> None:
    """It may be there in time for the second question of a round, which any MCUboot answers."""
    with plugged_in(FakeMcu(with_images(FakeBoard()))) as mcu:
        attach(tree, "ttyUSB0", mcu.path)
        mcu.faults.deaf = unheard
        assert listed()["ttyUSB0"]["answers"] == "edged"


def test_ports_that_say_nothing_are_asked_at_once(tree: Path, listed: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "WITHIN_S", SILENT_S)
    lines = [os.openpty() for _ in range(6)]
    try:
        for number, (_, slave) in enumerate(lines):
            tty.setraw(slave)
            attach(tree, f"ttyUSB{number}", Path(os.ttyname(slave)))
        begun_s = time.monotonic()
        found = listed()
        assert time.monotonic() - begun_s < 6 * SILENT_S, "one after the other"
    finally:
        for line in lines:
            for end in line:
                os.close(end)
    assert [runs["answers"] for runs in found.values()] == ["nothing"] * 6


def test_a_port_is_left_closed_if_that_is_wanted(
    tree: Path, listed: Listed, dumb: tuple[Path, int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(asking, "WITHIN_S", SILENT_S)
    attach(tree, "ttyUSB0", dumb[0])
    assert listed("--leave-closed") == {"ttyUSB0": None}
    with pytest.raises(BlockingIOError):
        os.read(dumb[1], 1)
    assert main(["mcu", "list"]) == 0
    assert "nothing answers at 115200 baud" in capsys.readouterr().out
    assert os.read(dumb[1], 1000) != b"", "it was asked"


def test_a_port_of_another_process_is_not_opened(
    tree: Path, listed: Listed, dumb: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    attach(tree, "ttyUSB0", dumb[0])
    find = ports.list_ports
    port = open_port(dumb[0], BAUD)
    try:  # of whom this user cannot see that he has it
        found = listed()["ttyUSB0"]
        assert (found["answers"], "is in use" in found["lost"]) == ("nothing", True)
    finally:
        close_port(port)
    (free,) = find()
    for changed in ({"held_by": ("minicom (pid 7)",)}, {"hint": "Only root may open it."}):
        monkeypatch.setattr(ports, "list_ports", lambda changed=changed: (replace(free, **changed),))
        assert listed() == {"ttyUSB0": None}
    with pytest.raises(BlockingIOError):
        os.read(dumb[1], 1)
