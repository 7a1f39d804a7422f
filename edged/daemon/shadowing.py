"""The shadow that a candidate looks on from: who asked for it, and what became of it. No I/O."""

from __future__ import annotations

import asyncio
import dataclasses

from edged.vision import ipc


class Shadowing:
    """At most one order at a time that waits for its end."""

    def __init__(self) -> None:
        self._number = 0
        self._order: ipc.Shadow | None = None
        self._answer: asyncio.Future[ipc.Agreement]

    def begin(self, order: ipc.Shadow) -> tuple[ipc.Shadow, asyncio.Future[ipc.Agreement]]:
        """The order as it is to be sent, and the future of its last agreement."""
        assert self._order is None
        self._number += 1
        self._order = dataclasses.replace(order, number=self._number)
        self._answer = asyncio.get_running_loop().create_future()
        return self._order, self._answer

    def heed(self, report: ipc.Agreement) -> None:
        """Take in what the vision process says; of an order that was given up nobody wants to know."""
        if self._order and report.number == self._order.number and report.ended:
            self._settle(report)

    def on_end(self, death: str) -> None:
        """The process is gone that the candidate was in: it left in good order, or died, maybe of the candidate."""
        if self._order:
            message = f"the vision process died meanwhile ({death})" if death else "the vision process was stopped"
            self._settle(ipc.no_agreement(self._order, "failed" if death else "stopped", message))

    def give_up(self) -> bool:
        """Nobody waits any more; whether an order was under way, which the process is to be told."""
        under_way, self._order = self._order is not None, None
        return under_way

    def _settle(self, report: ipc.Agreement) -> None:
        self._order = None
        if not self._answer.done():  # who waited may have been cancelled
            self._answer.set_result(report)
