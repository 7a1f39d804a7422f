"""Which model serves under each name, as the main process knows it; outlives the vision process, and by the store the daemon.

Pure: reports go in, an occurrence comes out where something happened.
"""

from __future__ import annotations

from collections.abc import Mapping

from edged.core.event import ModelChanged
from edged.vision import ipc


class Models:
    """``serving`` has the digest and the delegate of what served last, by name."""

    def __init__(self, serving: Mapping[str, tuple[str, str]]) -> None:
        self._serving = dict(serving)

    def serves(self, report: ipc.ModelServes) -> ModelChanged | None:
        """It does; an occurrence if it is another model, or runs on something else."""
        name, now = report.model_name, (report.digest, report.delegate)
        before, self._serving[name] = self._serving.get(name, ("", "")), now
        if before == now:
            return None
        return ModelChanged(name, report.version, report.digest, before[0], report.delegate, report.at_ns, report.fallback)


def describe(report: ipc.ModelServes) -> str:
    """What serves, on what, for the log."""
    where = f"on {report.delegate}, {report.delegate_nodes} delegate nodes, {report.threads} threads"
    fallback = f"; not on an accelerator: {report.fallback}" if report.fallback else ""
    return f"{report.bundle} {report.version} {where}, self-test {report.self_test_ms:.0f} ms{fallback}"
