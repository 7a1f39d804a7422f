"""Which serial ports there are, read from a tree like /sys and /dev."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edged.mcu.boards import GUESSES, guess
from edged.mcu.ports import list_ports, stable_name


def add_usb(root: Path, name: str, ids: tuple[str, str], *, by_id: str = "") -> None:
    usb = root / "sys/devices/usb1/1-1"
    interface = usb / "1-1:1.0"
    node = root / "sys/class/tty" / name
    port = interface / name if name.startswith("ttyUSB") else interface
    for directory in (port, node, root / "dev/serial/by-id"):
        directory.mkdir(parents=True, exist_ok=True)
    texts = {"idVendor": ids[0], "idProduct": ids[1], "manufacturer": "Maker", "product": "Board", "serial": "0042"}
    for file, text in texts.items():
        (usb / file).write_text(f"{text}\n")
    (node / "device").symlink_to(port)
    (root / "dev" / name).touch()
    if by_id:
        (root / "dev/serial/by-id" / by_id).symlink_to(f"../../{name}")


def add_built_in(root: Path, name: str, kind: str) -> None:
    node = root / "sys/class/tty" / name
    (node / "device").mkdir(parents=True)
    (node / "type").write_text(f"{kind}\n")
    (root / "dev").mkdir(exist_ok=True)
    (root / "dev" / name).touch()


def none(device: Path) -> tuple[str, ...]:
    return ()


@pytest.mark.parametrize("name", ["ttyUSB0", "ttyACM0"])
def test_a_usb_port_with_what_may_be_behind_it(tmp_path: Path, name: str) -> None:
    add_usb(tmp_path, name, ("2e8a", "000a"), by_id="usb-Maker_Board_0042-if00")
    (port,) = list_ports(tmp_path, lambda device: ("minicom (pid 7)",))
    assert port.device == tmp_path / "dev" / name
    assert port.by_id == tmp_path / "dev/serial/by-id/usb-Maker_Board_0042-if00"
    assert (port.usb, port.product, port.serial_number) == ((0x2E8A, 0x000A), "Maker Board", "0042")
    assert port.guess is not None
    assert (port.guess.tool, port.guess.sure) == ("uf2", True)
    assert port.held_by == ("minicom (pid 7)",)


def test_ports_of_the_machine_itself_that_are_there(tmp_path: Path) -> None:
    add_built_in(tmp_path, "ttyS0", "4")
    add_built_in(tmp_path, "ttyS1", "0")  # a name without hardware
    add_built_in(tmp_path, "ttyAMA0", "32")
    add_built_in(tmp_path, "tty1", "4")  # a screen
    found = list_ports(tmp_path, none)
    assert [port.device.name for port in found] == ["ttyAMA0", "ttyS0"]
    assert all(port.usb is None and port.guess is None for port in found)


def test_a_port_that_is_not_ours_to_open(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may open everything")
    add_usb(tmp_path, "ttyUSB0", ("0403", "6001"))
    (tmp_path / "dev/ttyUSB0").chmod(0)
    (port,) = list_ports(tmp_path, none)
    assert "adduser" in port.hint or "root" in port.hint


def test_nothing_there_at_all(tmp_path: Path) -> None:
    assert list_ports(tmp_path, none) == ()


def test_what_only_turns_usb_into_a_line_is_no_sure_guess() -> None:
    assert all(not it.sure for it in GUESSES.values() if "bridge" in it.what)
    assert guess(0x0000, 0x0000) is None


def test_a_port_is_found_again_by_the_name_that_udev_gave_it(tmp_path: Path) -> None:
    add_usb(tmp_path, "ttyACM0", ("2e8a", "000a"), by_id="usb-Maker_Board_0042-if00")
    add_usb(tmp_path, "ttyACM1", ("2e8a", "000a"))
    by_id = tmp_path / "dev/serial/by-id/usb-Maker_Board_0042-if00"
    assert stable_name(tmp_path / "dev/ttyACM0", tmp_path) == by_id
    for chosen in (by_id, tmp_path / "dev/ttyACM1", tmp_path / "dev/absent"):
        assert stable_name(chosen, tmp_path) == chosen
