"""Troubles of the machine and of the installation."""

from __future__ import annotations

from edged.core.problem import PROBLEMS
from edged.daemon.doctor.troubles.trouble import Trouble

MACHINE = (
    Trouble(
        "python-unsupported", "python", "fail",
        "`pip install` finds no version that suits, or edged ends with an ImportError.",
        "This Python is not one that edged is tested on.",
        "Use Python 3.11, 3.12 or 3.13: `uv tool install --python 3.13 .` brings one along.",
    ),
    Trouble(
        "runtime-broken", "runtime", "fail",
        "ImportError, `cannot open shared object file`, `GLIBCXX not found`.",
        "LiteRT or something that it needs is missing, damaged or of the wrong kind.",
        "Install edged anew, in a new virtual environment; there is no LiteRT for 32-bit systems: use the 64-bit one.",
    ),
    Trouble(
        "runtime-crashes", "runtime", "fail",
        "`the vision process ended (signal 4)` (or 11) again and again, right after the start.",
        "LiteRT's build uses instructions that this processor does not have.",
        "Its build does not suit this CPU: install the 64-bit system, and edged in it anew.",
    ),
    Trouble(
        "runtime-hangs", "runtime", "fail",
        "The start takes minutes; everything on this machine is slow.",
        "A tiny model did not run within two minutes: the card or the memory is at its end.",
        "Look for a failing SD card in `dmesg`, and for a full memory with `free -h`.",
    ),
    Trouble(
        "runtime-without-xnnpack", "runtime", "warn",
        "Everything works, many times slower than on other machines like this one.",
        "XNNPACK has switched itself off, because it cannot read `/proc/cpuinfo`.",
        "Take `ProcSubset=pid` out of the unit, and whatever else hides `/proc/cpuinfo`.",
    ),
    Trouble(
        "clock-unsynchronised", "clock", "warn",
        'Events carry the wrong time and `"clock": "unsynchronised"`.',
        PROBLEMS["clock_unsynchronised"].meaning,
        PROBLEMS["clock_unsynchronised"].fix,
    ),
    Trouble(
        "clock-unreadable", "clock", "warn",
        'Every event says `"clock": "unsynchronised"`, although the time is right.',
        "The kernel, or a container around edged, does not tell whether the clock is synchronised.",
        "Allow the system call adjtimex in the container.",
    ),
    Trouble(
        "power-under-voltage", "power", "warn",
        "Cameras come and go, the machine restarts, a lightning bolt on the screen; `dmesg`: `Undervoltage detected`.",
        PROBLEMS["undervoltage"].meaning,
        PROBLEMS["undervoltage"].fix,
    ),
    Trouble(
        "power-throttled", "power", "warn",
        "The frame rate drops after some minutes, in summer more than in winter.",
        PROBLEMS["throttled"].meaning,
        PROBLEMS["throttled"].fix,
    ),
    Trouble(
        "power-unreadable", "power", "warn",
        "Only this finding.",
        "The Pi's firmware answers with what is no number.",
        "Update the kernel and the firmware: `sudo apt full-upgrade`.",
    ),
    Trouble(
        "service-broken", "service", "fail",
        "`systemctl status edged`: `status=203/EXEC`.",
        "The unit starts an edged that is no longer where it was: its virtual environment was moved or removed.",
        "Install the service again from the edged that you have, as root: `edged service install`.",
    ),
    Trouble(
        "check-hangs", "any", "fail",
        "Commands hang that touch the same file, disk or host.",
        "What this check asked did not answer: a network drive whose server is away, a name server, a failing disk.",
        "Find out what hangs: `dmesg` for disks, `mount` for network drives, `getent hosts NAME` for names.",
    ),
)  # fmt: skip
