"""Who has a device open, told from a /proc whose processes open, close and end while it is read."""

from __future__ import annotations

from pathlib import Path

from edged.core.holders import DAEMON, holders


def process(proc: Path, pid: int, name: str, command: bytes, **fds: Path | None) -> None:
    folder = proc / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "comm").write_text(f"{name}\n")
    (folder / "cmdline").write_bytes(command)
    for fd, target in fds.items():
        if target is None:
            (folder / "fd" / fd.removeprefix("fd")).touch()  # says no target any more, as one that was closed a moment ago
        else:
            (folder / "fd" / fd.removeprefix("fd")).symlink_to(target)


def test_who_holds_a_device_is_named_with_its_pid(tmp_path: Path) -> None:
    device, other = tmp_path / "ttyUSB0", tmp_path / "ttyUSB1"
    device.touch()
    proc = tmp_path / "proc"
    process(proc, 812, "minicom", b"minicom\0-D\0/dev/ttyUSB0\0", fd0=other, fd3=device)
    process(proc, 813, "screen", b"screen\0", fd0=other)
    process(proc, 900, "edged", b"/usr/bin/python3\0/usr/bin/edged\0run\0", fd7=device)
    process(proc, 901, "python3", b"python3\0-m\0edged\0run\0", fd7=device)
    (proc / "904").mkdir()  # ended before its descriptors were read
    assert sorted(holders(device, proc)) == [f"{DAEMON} (pid 900)", f"{DAEMON} (pid 901)", "minicom (pid 812)"]


def test_a_descriptor_closed_meanwhile_does_not_hide_the_others(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch()
    process(tmp_path / "proc", 812, "ffmpeg", b"ffmpeg\0", fd0=None, fd1=device, fd2=None)
    assert holders(device, tmp_path / "proc") == ("ffmpeg (pid 812)",)


def test_a_link_to_a_device_is_followed(tmp_path: Path) -> None:
    device = tmp_path / "ttyACM0"
    device.touch()
    by_id = tmp_path / "usb-Acme_Board_1"
    by_id.symlink_to(device)
    process(tmp_path / "proc", 812, "picocom", b"picocom\0", fd3=device)
    assert holders(by_id, tmp_path / "proc") == ("picocom (pid 812)",)
