"""Troubles of microcontrollers: a row for each ``PortFault``, and for what a board tells of itself."""

from __future__ import annotations

from edged.core.problem import PROBLEMS, ProblemCode
from edged.daemon.doctor.troubles.trouble import Trouble

SEEN: dict[ProblemCode, str] = {
    "mcu_in_loader": "The board is heard, and there are no results.",
    "mcu_no_model": "The board reports its health, and no results.",
    "mcu_model_refused": "The state of the board has a diagnosis, and there are no results.",
    "mcu_self_test_failed": "Results are implausible; an update of the board is refused.",
}
"""What a daemon that runs tells as well, seen from outside."""

MCUS = (
    Trouble(
        "mcu-absent", "mcu NAME", "fail",
        "`mcu NAME: lost: there is no port ...`.",
        "The port that the configuration names is not there.",
        "Plug the board in, or name a port that `edged mcu list` shows; some cables carry power alone.",
    ),
    Trouble(
        "mcu-vanished", "mcu NAME", "fail",
        "`mcu NAME: lost: ... is gone`, again and again.",
        "The port was there and went while it was opened.",
        "Look at the cable and the power: a board that takes too much of a hub takes the port with it.",
    ),
    Trouble(
        "mcu-no-permission", "mcu NAME", "fail",
        "`mcu NAME: lost: ...: you may not open it`.",
        "The port is there, and this user may not open it.",
        "Add the user to the group dialout (`sudo usermod -aG dialout USER`) and log in again; a unit needs "
        "SupplementaryGroups=dialout.",
    ),
    Trouble(
        "mcu-busy", "mcu NAME", "fail",
        "`mcu NAME: lost: ... is in use`.",
        "Another program has the port open; what the board says would be torn between the two.",
        "End that program: a terminal, another daemon, ModemManager (`sudo systemctl disable --now ModemManager`).",
    ),
    Trouble(
        "mcu-not-serial", "mcu NAME", "fail",
        "`mcu NAME: lost: ... is no serial port`.",
        "What the configuration names is a file or another device.",
        "Name a port that `edged mcu list` shows.",
    ),
    Trouble(
        "mcu-unusable", "mcu NAME", "fail",
        "`mcu NAME: lost: ... does not run at ... baud`.",
        "The port does not take the settings, or fails.",
        "Set baud to a rate that port and board know; 115200 is what every one of them does.",
    ),
    Trouble(
        "mcu-no-answer", "mcu NAME", "fail",
        "`mcu NAME: lost: the board on ... does not answer at ... baud`.",
        "The port can be opened, and nothing behind it speaks with us: wrong baud, wires that are crossed, or no firmware.",
        "Check baud, and RX and TX; press the board's reset button while `edged mcu monitor --port PORT` runs: it shows "
        "whatever comes.",
    ),
    Trouble(
        "mcu-foreign", "mcu NAME", "fail",
        "`mcu NAME: lost: the board refuses Info`.",
        "A board answers that does not run edged's firmware.",
        "Put edged's firmware onto it, or name the port of the board that has it.",
    ),
    Trouble(
        "mcu-other-board", "mcu NAME", "fail",
        "`mcu NAME: lost: ... is a board ..., expected ...`.",
        "Another board than the one of the configuration is at this port.",
        "Use the board's name in /dev/serial/by-id as port, or correct board.",
    ),
    Trouble(
        "mcu-unstable-name", "mcu NAME", "warn",
        "After a start two boards have changed places.",
        "The port is named by the order in which the kernel found it.",
        "Use its name in /dev/serial/by-id, which `edged mcu list` shows.",
    ),
    *(
        Trouble(code.replace("_", "-"), "mcu NAME", "warn", seen, PROBLEMS[code].meaning, PROBLEMS[code].fix)
        for code, seen in SEEN.items()
    ),
)  # fmt: skip
