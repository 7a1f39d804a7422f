"""A Debian with its own systemd, booted in a container; what a test changes in it is gone with it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

BOOT_S = 120
COMMAND_S = 120
BOOTED = {"running", "degraded"}
"""What `systemctl is-system-running` says when starting is over; a container has units that fail."""


class Machine:
    """A booted container, by the process that is its init."""

    def __init__(self, init: int) -> None:
        self._init = init

    def run(self, *command: str, check: bool = True, text: str | None = None) -> str:
        """Run a command inside as root; its output. ``text`` is its standard input."""
        entered = ["nsenter", "--target", str(self._init), "--all", "--wdns=/", *command]
        done = subprocess.run(
            entered, input=text, capture_output=True, text=True, check=False, timeout=COMMAND_S, start_new_session=True
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def start(self, unit: str) -> None:
        """Start a unit and wait until it says that it is ready; fails with its journal."""
        self.run("systemctl", "start", unit, check=False)
        assert self.show(unit, "ActiveState") == "active", self.journal(unit)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file inside."""
        self.run("install", "-D", "-m", f"{mode:o}", "/dev/stdin", path, text=text)

    def show(self, unit: str, key: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--property", key, "--value", unit)

    def journal(self, unit: str = "edged") -> str:
        """What a unit logged."""
        return self.run("journalctl", "--unit", unit, "--no-pager", "--output", "cat")

    def wait_until(self, what: str, holds: Callable[[], bool], deadline_s: float = 90) -> None:
        """Ask until it holds; fails with the journal."""
        end = time.monotonic() + deadline_s
        while not holds():
            if time.monotonic() > end:
                raise AssertionError(f"not within {deadline_s:g} s: {what}\n{self.journal()}")
            time.sleep(0.1)


@contextmanager
def booted(tree: Path, binds: dict[Path, str]) -> Iterator[Machine]:
    """Boot ``tree`` under a throw-away overlay; ``binds`` are shown read-only at the paths inside."""
    command = [
        "systemd-nspawn", "--quiet", "--console=pipe", "--register=no", "--keep-unit", "--boot", "--volatile=overlay",
        "--private-network", f"--directory={tree}", f"--machine=edged-{os.getpid()}",
        *(f"--bind-ro={outside}:{inside}" for outside, inside in binds.items()),
    ]  # fmt: skip
    container = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        machine = Machine(_init_of(container))
        _wait_for_boot(machine, container)
        yield machine
        machine.run("systemctl", "poweroff", check=False)
        container.communicate(timeout=BOOT_S)
    finally:
        if container.poll() is None:
            os.killpg(container.pid, signal.SIGKILL)
            container.communicate()


def _init_of(container: subprocess.Popen[bytes]) -> int:
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children")
    end = time.monotonic() + BOOT_S
    while time.monotonic() < end and container.poll() is None:
        if found := children.read_text().split():
            return int(found[-1])
        time.sleep(0.05)
    raise AssertionError(f"systemd-nspawn did not start: {container.communicate()[0].decode(errors='replace')}")


def _wait_for_boot(machine: Machine, container: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + BOOT_S
    state = ""
    while time.monotonic() < end and container.poll() is None:
        state = machine.run("systemctl", "is-system-running", check=False)
        if state in BOOTED:
            return
        time.sleep(0.1)
    raise AssertionError(f"it did not boot: {state!r}")
