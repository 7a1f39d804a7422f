"""A daemon that runs: what it says of itself."""

from __future__ import annotations

from pathlib import Path

from edged.core.errors import DaemonAbsent, DaemonUnreachable
from edged.daemon.control import Look, Seen, ask
from edged.daemon.doctor.finding import Finding
from edged.daemon.doctor.table import trouble
from edged.daemon.doctor.troubles.daemon import code_of_problem
from edged.daemon.state import holder
from edged.mqtt.health import HealthPayload, ProblemPayload

NAME = "daemon"

ANSWER_S = 10.0
"""Its look at itself waits for the store's thread."""


def check_daemon(directory: Path) -> list[Finding]:
    """Ask the daemon whose state directory this is, if there is one; a finding for each problem that it knows of."""
    try:
        reply = ask(directory, Look(), ANSWER_S)
    except DaemonAbsent as error:
        if held_by := holder(directory):
            return [
                trouble(NAME, "daemon-unreachable", f"{directory} is in use by another edged{held_by}, which takes no questions")
            ]
        return [Finding(NAME, "skip", error.message)]
    except DaemonUnreachable as error:
        return [trouble(NAME, "daemon-unreachable", error.message, error.hint)]
    if not isinstance(reply, Seen):
        return [trouble(NAME, "daemon-unreachable", "a daemon runs that does not know the question: it is of another version")]
    if not reply.health.problems:
        return [Finding(NAME, "ok", _summary(reply.health))]
    return [_finding(problem) for problem in reply.health.problems]


def _finding(problem: ProblemPayload) -> Finding:
    subject = f"{problem.subject}: " if problem.subject else ""
    detail = f" ({problem.detail})" if problem.detail else ""
    what = f"{subject}{problem.meaning.rstrip('.')}{detail}, since {problem.since}"
    return trouble(NAME, code_of_problem(problem.code), what, problem.fix)


def _summary(health: HealthPayload) -> str:
    waiting = f"{health.outbox.queued} events wait for the broker" if health.outbox.queued else "no event waits for the broker"
    dropped = f", {health.outbox.dropped} were dropped" if health.outbox.dropped else ""
    restarts = f", {health.vision_restarts} vision restarts" if health.vision_restarts else ""
    return f"edged {health.edged} has been running for {health.uptime_s / 3600:.1f} h: {waiting}{dropped}{restarts}"
