"""The systemd unit: whether it starts an edged that is still there."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.table import trouble

UNITS = (Path("etc/systemd/system/edged.service"), Path("usr/lib/systemd/system/edged.service"))
"""Below the root of the system, the first of them counts (systemd.unit(5))."""


def check_service(root: Path = Path("/")) -> Finding:
    """Read the unit, if there is one; homes are hidden from other users, so what lies in one may look absent."""
    unit = next((root / unit for unit in UNITS if (root / unit).exists()), None)
    if unit is None:
        return Finding("service", "skip", "edged is not installed as a service")
    try:
        lines = unit.read_text().splitlines()
    except OSError as error:
        return Finding("service", "skip", f"{unit}: {error.strerror}")
    command = next((line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart=")), "")
    program = Path(next(iter(shlex.split(command)), "").lstrip("-@:+!").replace("%%", "%"))
    try:
        program.stat()
    except PermissionError:
        return Finding("service", "skip", f"{program} is not for us to look at")
    except OSError as error:
        return trouble("service", "service-broken", f"{unit} starts {program}: {error.strerror}")
    if not os.access(program, os.X_OK):
        return trouble("service", "service-broken", f"{unit} starts {program}, which cannot be executed")
    return Finding("service", "ok", f"{unit} starts {program}")
