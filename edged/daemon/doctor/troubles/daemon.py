"""Troubles that a running daemon tells of itself: a row for each problem of the health topic, in its own words."""

from __future__ import annotations

from edged.core.problem import PROBLEMS
from edged.daemon.doctor.troubles.trouble import Trouble

UNKNOWN = "daemon-unknown-problem"


def code_of_problem(code: str) -> str:
    """The code of a problem of ``edged.core.problem``; a newer daemon may know more of them."""
    return f"daemon-{code.replace('_', '-')}" if code in PROBLEMS else UNKNOWN


DAEMON = (
    *(
        Trouble(
            code_of_problem(code), "daemon", "fail" if explained.severity == "failing" else "warn",
            f"The topic `health`, and `/healthz`, have the problem `{code}`.",
            explained.meaning,
            explained.fix,
        )
        for code, explained in PROBLEMS.items()
    ),
    Trouble(
        UNKNOWN, "daemon", "warn",
        "The topic `health` has a problem that this table does not have.",
        "The daemon that runs is newer than the edged that was asked, and knows more.",
        "Do as it says; ask with the edged that the service runs.",
    ),
    Trouble(
        "daemon-unreachable", "daemon", "warn",
        "`edged reload` does not get through to the daemon; `edged run` ends with `... is in use by another edged (pid 812)`.",
        "A daemon runs on this state directory that belongs to another user, is of another version, or hangs.",
        "Ask as the user that it runs as or as root, with the same edged; `journalctl -u edged` says more.",
    ),
)  # fmt: skip
