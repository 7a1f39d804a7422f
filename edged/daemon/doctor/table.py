"""Every trouble that the doctor recognises, and findings of them."""

from __future__ import annotations

from edged.daemon.doctor.finding import Finding, Status
from edged.daemon.doctor.troubles.accelerators import ACCELERATORS
from edged.daemon.doctor.troubles.broker import BROKER
from edged.daemon.doctor.troubles.cameras import CAMERAS
from edged.daemon.doctor.troubles.daemon import DAEMON
from edged.daemon.doctor.troubles.machine import MACHINE
from edged.daemon.doctor.troubles.mcus import MCUS
from edged.daemon.doctor.troubles.models import MODELS
from edged.daemon.doctor.troubles.storage import STORAGE
from edged.daemon.doctor.troubles.streams import STREAMS

SECTIONS = {
    "The machine": MACHINE,
    "Configuration, state directory, disk": STORAGE,
    "Cameras, recordings, secrets": CAMERAS,
    "Network cameras": STREAMS,
    "Models": MODELS,
    "Accelerators": ACCELERATORS,
    "Microcontrollers": MCUS,
    "The broker": BROKER,
    "The running daemon": DAEMON,
}

TABLE = {trouble.code: trouble for troubles in SECTIONS.values() for trouble in troubles}


def trouble(name: str, code: str, what: str, fix: str = "", status: Status | None = None) -> Finding:
    """The finding of check ``name`` that the trouble ``code`` is there; ``fix``, if given, says the table's more exactly.

    ``status`` is for a trouble whose severity depends on the configuration.
    """
    row = TABLE[code]
    if status is None:
        assert row.severity != "warn or fail", code
        status = row.severity
    return Finding(name, status, what, fix or row.fix, code)


def code_of(kind: str, fault: str) -> str:
    """The code of a fault of ``edged.core.errors``."""
    return f"{kind}-{fault.replace(' ', '-')}"
