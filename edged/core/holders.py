"""Who has a device open, as far as /proc lets us see."""

from __future__ import annotations

from pathlib import Path

DAEMON = "edged"
"""What ``holders`` calls a daemon of ours."""


def holders(device: Path, proc: Path = Path("/proc")) -> tuple[str, ...]:
    """The processes that have ``device`` open, as "name (pid 812)", as far as this user may see; a daemon of ours is "edged"."""
    target = str(device.resolve())
    found = []
    for process in proc.glob("[0-9]*"):
        try:
            if any(_leads_to(fd, target) for fd in (process / "fd").iterdir()):
                found.append(f"{_process_name(process)} (pid {process.name})")
        except OSError:  # ended meanwhile, or another user's
            continue
    return tuple(found)


def _leads_to(fd: Path, target: str) -> bool:
    try:
        return str(fd.readlink()) == target
    except OSError:  # closed meanwhile: the process may hold the device by another
        return False


def _process_name(process: Path) -> str:
    words = (process / "cmdline").read_bytes().split(b"\0")
    if b"edged.vision" in words or {b"edged", b"run"} <= {*words}:  # to the kernel it is a "python3"
        return DAEMON
    return (process / "comm").read_text().strip()
