"""This device as updates see it: where a bundle is tried, and put to use in the place of what a model began with.

Rules: ``serving`` says which bundle each followed thing is to have, and whoever sends settings to the vision process asks it;
what it says changes before the vision process is asked, and back again if that refuses.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from edged.config.schema import Settings
from edged.core.errors import DelegateFailed, EdgedError, ModelFault, ModelRejected, UpdateCode, UpdateFailed, UpdateRefused
from edged.daemon.admission import Admission
from edged.daemon.agreement import check, describe
from edged.daemon.machine import read_process
from edged.daemon.performance import Performance
from edged.daemon.reload import SettingsRefused
from edged.infer.bundle import identify
from edged.infer.graph import Form
from edged.infer.probe.records import Stated
from edged.infer.settings import ModelSettings
from edged.ota.judgement import Seen
from edged.ota.settings import ShadowSettings
from edged.ota.target import SignedTarget, Tensor
from edged.vision import ipc

KIND = "model"

CODES: dict[ModelFault, UpdateCode] = {
    "crashing": "crashed",
    "hanging": "hung",
    "not finite": "output_not_finite",
    "signature differs": "signature_differs",
    "golden differs": "golden_differs",
    "over memory": "over_memory",
    "does not fit memory": "over_memory",
    "over latency": "over_latency",
}
"""What a probe found, in the words of an update; anything else is ``model_refused``."""

CPU_DELEGATES = ("xnnpack", "none")

End = Literal["in order", "crashed", "hung"]
"""How a life of the vision process ended."""


class Exchange(Protocol):
    """Who makes the vision process serve what ``DeviceBench.applied`` says now."""

    async def exchange(self) -> None:
        """Raises SettingsRefused, or another EdgedError; then what served before does."""

    async def exchange_surely(self) -> None:
        """By another vision process if this one does not."""

    async def shadow(self, order: ipc.Shadow) -> ipc.Agreement:
        """Let a candidate look on until it is over; raises SettingsRefused if nothing serves now."""


def path_of(model: ModelSettings) -> str | None:
    """What a model follows, as ``<kind>/<id>``."""
    return f"{KIND}/{model.follow}" if model.follow else None


def followed(settings: Settings) -> dict[str, tuple[str, ...]]:
    """By what is followed: the names of the models that do, and that a camera uses."""
    used = {camera.model for camera in settings.cameras.values()}
    found: dict[str, tuple[str, ...]] = {}
    for name, model in settings.models.items():
        if name in used and (path := path_of(model)):
            found[path] = (*found.get(path, ()), name)
    return found


class DeviceBench:
    """``settings`` are those of the configuration that serves, ``delegate`` what a model runs on now."""

    def __init__(
        self,
        admission: Admission,
        exchange: Exchange,
        settings: Callable[[], Settings],
        delegate: Callable[[str], str],
        span_s: float,
    ) -> None:
        self._admission = admission
        self._exchange = exchange
        self._settings = settings
        self._delegate = delegate
        self._span_s = span_s
        self._performances: dict[str, Performance] = {}
        self._say: Callable[[str], None] | None = None
        self.serving: dict[str, Path | None] = {}
        self.turned = asyncio.Event()
        """Set each time that something goes back."""

    def applied(self, models: dict[str, ModelSettings]) -> dict[str, ModelSettings]:
        """The models as the vision process is to have them."""
        made = {}
        for name, model in models.items():
            bundle = self.serving.get(path_of(model) or "")
            made[name] = dataclasses.replace(model, bundle=str(bundle) if bundle else model.bundle, follow=None)
        return made

    async def probe(self, signed: SignedTarget, bundle: Path) -> str:
        """In a process of its own, with each set of settings that a model has that follows it; returns its identity."""
        identity = ""
        for name in self._names(signed.path):
            model = dataclasses.replace(self._settings().models[name], bundle=str(bundle), follow=None)
            try:
                identity = await self._admission.try_out(name, model, self._stated(name, signed))
            except ModelRejected as error:
                raise UpdateRefused(CODES.get(error.fault, "model_refused"), error.message, hint=error.hint) from error
            except DelegateFailed as error:
                raise UpdateRefused("model_refused", error.message, hint=error.hint) from error
            except EdgedError as error:
                raise UpdateFailed("interrupted", error.message, hint=error.hint) from error
        return identity

    def wants_shadow(self, path: str) -> bool:
        """Whether the configuration wants it."""
        return self._shadow is not None

    @property
    def _shadow(self) -> ShadowSettings | None:
        ota = self._settings().ota
        return ota.shadow if ota else None

    async def shadow(self, signed: SignedTarget, bundle: Path, say: Callable[[str], None]) -> None:
        """Beside the first of the models that follow; see ``edged.vision``."""
        wanted = self._shadow
        assert wanted
        name = self._names(signed.path)[0]
        candidate = dataclasses.replace(self._settings().models[name], bundle=str(bundle), follow=None)
        identity = await asyncio.to_thread(identify, bundle)
        memory_bytes = self._admission.measured_bytes(identity, candidate)
        order = ipc.Shadow(name, candidate, identity, wanted.share, wanted.frames, wanted.seconds, memory_bytes)
        self._say = say
        try:
            agreement = await self._exchange.shadow(order)
        except EdgedError as error:
            raise UpdateFailed("interrupted", error.message, hint=error.hint) from error
        finally:
            self._say = None
        say(describe(agreement))
        check(agreement, signed.target.limits, wanted.min_agreement)

    def note_agreement(self, agreement: ipc.Agreement) -> None:
        """Take in how far a candidate agrees until now."""
        if self._say and not agreement.ended:
            self._say(describe(agreement))

    async def swap(self, path: str, bundle: Path) -> None:
        """Between two frames; see ``edged.vision``."""
        before = self.serving.get(path)
        self.serving[path] = bundle
        self._performance(path).exchanged()
        try:
            await self._exchange.exchange()
        except EdgedError as error:
            self.serving[path] = before
            self._performance(path).went_back()
            self.turned.set()
            raise translated(error, "model_refused") from error

    async def go_back(self, path: str, bundle: Path | None) -> str:
        """Between two frames, or by a new process if this one is not able to."""
        self.serving[path] = bundle
        self._performance(path).went_back()
        await self._exchange.exchange_surely()
        self.turned.set()
        return ""

    async def confirm(self, path: str) -> None:
        """Its slot is all there is."""

    async def abandon(self, path: str) -> None:
        """What failed left nothing."""

    def usual(self, path: str) -> tuple[Seen, ...]:
        """Of what serves now."""
        return self._performance(path).usual

    def trial(self, path: str) -> Seen:
        """Since the last exchange."""
        return self._performance(path).trial

    def note(self, stats: ipc.Stats, vision_pid: int | None) -> None:
        """Take in a heartbeat."""
        settings = self._settings()
        things = followed(settings)
        if not things:
            return
        use = read_process(vision_pid) if vision_pid else None
        for path, names in things.items():
            cameras = [it for it in stats.cameras if it.camera in settings.cameras and settings.cameras[it.camera].model in names]
            self._performance(path).note(cameras, use.rss_bytes if use else 0, time.monotonic())

    def vision_ended(self, how: End) -> None:
        """A life of the vision process ended; models are suspected only if that was not wanted."""
        if how != "in order":
            for performance in self._performances.values():
                performance.died(hung=how == "hung")

    def _performance(self, path: str) -> Performance:
        return self._performances.setdefault(path, Performance(self._span_s))

    def _names(self, path: str) -> tuple[str, ...]:
        names = followed(self._settings()).get(path)
        if not names:
            raise UpdateFailed("interrupted", f"{path}: nothing follows it any more")
        return names

    def _stated(self, name: str, signed: SignedTarget) -> Stated:
        target = signed.target
        return Stated(
            inputs=_forms(target.inputs),
            outputs=_forms(target.outputs),
            memory_mb=target.limits.memory_mb,
            p95_ms=target.limits.p95_ms if self._delegate(name) in CPU_DELEGATES else None,  # a probe runs on the CPU
        )


def _forms(tensors: tuple[Tensor, ...]) -> tuple[Form, ...] | None:
    return tuple(Form(tensor.shape, tensor.dtype) for tensor in tensors) or None


def translated(error: EdgedError, code: UpdateCode) -> UpdateRefused | UpdateFailed:
    """A refusal that names a model or camera is the fault of what is new (``code``), since all of them served before.

    Memory is not: how much is free depends on what else runs, as with a disk.
    """
    if not isinstance(error, SettingsRefused):
        return UpdateFailed("interrupted", error.message, hint=error.hint)
    told = "; ".join(problem.text for problem in error.problems) or error.message
    if error.died:
        return UpdateRefused("crashed", told, hint=error.hint)
    if error.no_room:
        return UpdateFailed("does_not_fit_beside", told, hint=error.hint)
    if any(problem.path for problem in error.problems):
        return UpdateRefused(code, told, hint=error.hint)
    return UpdateFailed("interrupted", told, hint=error.hint)
