"""The settings that the vision process serves, and the order to serve others.

No I/O: the supervisor asks here what to start a process with, what to send to it, and whether what it says can be true.
"""

from __future__ import annotations

import asyncio
import dataclasses
import secrets

from edged.config.problems import Problem
from edged.core.errors import ProtocolViolated
from edged.daemon.reload import SettingsRefused
from edged.vision import ipc
from edged.vision.settings import CameraSettings, VisionSettings


@dataclasses.dataclass(slots=True, eq=False)
class Order:
    """Settings that are to be served; ``sent`` once a process has them, which alone can judge them."""

    settings: VisionSettings
    answer: asyncio.Future[ipc.Reconfigured]
    sent: bool = False


class Serving:
    """``settings`` changes only with the answer to an order."""

    def __init__(self, settings: VisionSettings) -> None:
        self.settings = settings
        self._ended: set[str] = set()
        self._former: frozenset[str] = frozenset()
        self._order: Order | None = None

    def to_start(self) -> VisionSettings:
        """For a process that begins."""
        return self._drawn(self.settings)

    def identify(self, admitted: VisionSettings) -> None:
        """The models of a process that begins passed their probe as these."""
        self.settings = dataclasses.replace(self.settings, identities=admitted.identities)

    @property
    def unsent(self) -> VisionSettings | None:
        """What is ordered, as long as no process has got the order."""
        return self._order.settings if self._order and not self._order.sent else None

    def to_send(self) -> VisionSettings | None:
        """For the process that serves, if there is an order that it has not got."""
        if self._order is None or self._order.sent:
            return None
        self._order.sent = True
        return self._drawn(self._order.settings)

    def send_again(self) -> None:
        """The process that has the order leaves in good order without an answer: the next one gets it."""
        if self._order:
            self._order.sent = False

    def end(self, camera: str) -> None:
        """A recording was played. It is not played again, however often the process dies on the others, unless it is changed."""
        self._ended.add(camera)

    def order(self, settings: VisionSettings) -> asyncio.Future[ipc.Reconfigured]:
        """Settings to be served; the future raises SettingsRefused if they are not. One at a time."""
        assert self._order is None
        self._order = Order(settings, asyncio.get_running_loop().create_future())
        return self._order.answer

    def accept(self) -> asyncio.Future[ipc.Reconfigured]:
        """The order is obeyed; returns the future of its answer, for the caller to set. Raises ProtocolViolated without one."""
        order = self._settle()
        going_on = {name for name, camera in order.settings.cameras.items() if self.settings.cameras.get(name) == camera}
        self._ended &= going_on
        self._former = frozenset(self.settings.models)
        self.settings = order.settings
        return order.answer

    def refuse(self, report: ipc.Refused) -> None:
        """The order is refused; raises ProtocolViolated if there was none."""
        problems = tuple(Problem(problem.key, problem.text) for problem in report.problems)
        no_room = any(problem.fault == "does not fit memory" for problem in report.problems)
        _fail(self._settle(), SettingsRefused("the vision process cannot serve it", problems, no_room=no_room))

    def on_death(self, reason: str) -> None:
        """The process died. An order that it had is refused: it may be the cause."""
        if self._order and self._order.sent:
            self.abandon(f"the vision process died over it ({reason})", died=True)

    def abandon(self, why: str, problems: tuple[Problem, ...] = (), hint: str = "", *, died: bool = False) -> None:
        """Refuse the order, if there is one."""
        if self._order:
            _fail(self._settle(), SettingsRefused(why, problems, hint=hint, died=died))

    def checked(self, report: ipc.Report) -> ipc.Report:
        """What comes from the vision process is input: names that we did not give it must not become topics or rows.

        Raises ProtocolViolated. Until an order is answered what is said concerns the old settings; only the last word about the
        shadow of a model that was taken out comes after it. The heartbeat comes from another thread than the answer, so that it may
        be of the old cameras for a moment longer: what it says of others than ours is left out.
        """
        if isinstance(report, ipc.Stats):
            return ipc.Stats(tuple(camera for camera in report.cameras if camera.camera in self.settings.cameras))
        camera, model = getattr(report, "camera", None), getattr(report, "model_name", None)
        if camera is not None and camera not in self.settings.cameras:
            raise ProtocolViolated(f"{type(report).__name__} of a camera {camera!r} that is not there")
        models = self._former.union(self.settings.models) if isinstance(report, ipc.Agreement) else self.settings.models
        if model is not None and model not in models:
            raise ProtocolViolated(f"{type(report).__name__} of a model {model!r} that is not there")
        return report

    def _settle(self) -> Order:
        if self._order is None:
            raise ProtocolViolated("an answer without an order")
        order, self._order = self._order, None
        return order

    def _drawn(self, settings: VisionSettings) -> VisionSettings:
        cameras: dict[str, CameraSettings] = {
            name: camera
            for name, camera in settings.cameras.items()
            if name not in self._ended or camera != self.settings.cameras.get(name)
        }
        return dataclasses.replace(settings, cameras=cameras, run=secrets.token_hex(3))


def _fail(order: Order, error: SettingsRefused) -> None:
    if not order.answer.done():  # who waited may have been cancelled
        order.answer.set_exception(error)
