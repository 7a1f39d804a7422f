"""Which models stay off their accelerator, and when to try it again.

Pure: reports, deaths and times go in, decisions come out. Models on the same device fall together: most of the time it is the
device that fails, and each of them would find out by another death of the vision process; for that reason a model that comes to
a device which has fallen stays off it from the start. What falls is tried in a process of its own (``edged.infer.trial``), so that
an accelerator that stays dead costs the cameras nothing.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edged.core.backoff import Backoff
from edged.infer.edgetpu import EdgeTpu, matching
from edged.infer.settings import ModelSettings

RETRY_MIN_S = 2.0
RETRY_MAX_S = 600.0

HELD_S = 60.0
"""An accelerator that served for so long is sound: when it falls the waits begin small again. One that flaps waits ever longer."""

CRASHES = 2
CRASH_WINDOW_S = 60.0
"""So many crashes within this time while an accelerator served, none of them seen inside it: its own threads are suspected."""

SETTLE_S = 10.0
"""A device that shows up so soon after a trial was only reset by it: an Edge TPU changes its USB id when it gets its firmware.
Twice as long after each fall, for a cable with a loose contact."""

CRASH_SIGNALS = frozenset({signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE})
"""How native code dies of itself. SIGKILL is somebody else's doing, out of memory included."""


@dataclass(frozen=True, slots=True)
class Death:
    """How a vision process ended: ``how`` in words, by which ``signal`` if by one, whether we ended it because it ``hung``.

    ``inside`` are the models in whose accelerator it was then.
    """

    how: str
    signal: int | None
    hung: bool
    inside: tuple[str, ...]


@dataclass(slots=True)
class _Model:
    """``lost`` says why it is off its accelerator; ``essential``, that the daemon is to end if it falls.

    That is what was demanded at the start and never seen to work. A reload makes nothing essential: the daemon goes on with
    whatever it took on while it ran.
    """

    device: _Device
    demanded: bool = False
    essential: bool = False
    running: bool = False
    lost: str = ""


@dataclass(slots=True, eq=False)
class _Device:
    """``index`` is the Edge TPU as the settings name it, ``None`` for one that cannot be looked for.

    ``fallen`` says how it failed; empty again once one of its models is seen to run on it.
    """

    index: str | None
    backoff: Backoff
    present: bool | None = None
    due_s: float = 0.0
    tried_s: float = -RETRY_MAX_S
    settle_s: float = SETTLE_S
    served_since_s: float = 0.0
    fallen: str = ""
    models: list[str] = field(default_factory=list)


class Accelerators:
    """What is known of the accelerators of ``models``. ``random`` gives numbers in 0..1."""

    def __init__(self, models: Mapping[str, ModelSettings], random: Callable[[], float]) -> None:
        self._random = random
        self._devices: dict[tuple[str, ...], _Device] = {}
        self._models: dict[str, _Model] = {}
        self._coming: dict[str, _Device] = {}
        self._crashes_s: list[float] = []
        self.reconfigure(models)
        for model in self._models.values():
            model.essential = model.demanded

    def reconfigure(self, models: Mapping[str, ModelSettings]) -> None:
        """Other models from now on; what is known of a model that stays on its device is kept, and a device that has fallen."""
        before, self._models, self._coming = self._models, {}, {}
        for device in self._devices.values():
            device.models.clear()
        for name, device in self._devices_of(models).items():
            device.models.append(name)
            model = before.get(name)
            if model is None or model.device is not device:
                model = _Model(device, lost=device.fallen)
            model.demanded = models[name].delegate != "auto"
            model.essential &= model.demanded
            self._models[name] = model
        self._devices = {key: device for key, device in self._devices.items() if device.models or device.fallen}

    def unmet(self, models: Mapping[str, ModelSettings]) -> dict[str, str]:
        """Which of other ``models`` demand, as they did not before, an accelerator that is known not to work; each with the reason.

        Who asks may have mended it: it is tried soon.
        """
        unmet = {}
        for name, device in self._devices_of(models).items():
            now = self._models.get(name)
            demanded = now is not None and now.device is device and now.demanded
            if models[name].delegate != "auto" and not demanded and (why := self._why_avoided(models[name], name, device)):
                unmet[name] = why
                device.due_s = 0.0
        return unmet

    def expect(self, models: Mapping[str, ModelSettings]) -> dict[str, str]:
        """The process that serves gets an order to serve ``models``: which of them to keep off their accelerator, with the reason.

        If it dies while it loads one of the others, that one's device has fallen.
        """
        self._coming = self._devices_of(models)
        reasons = {name: self._why_avoided(models[name], name, device) for name, device in self._coming.items()}
        return {name: why for name, why in reasons.items() if why}

    def _why_avoided(self, settings: ModelSettings, name: str, device: _Device) -> str:
        """Empty as well where a model demands a device that has none which waits to go back: nobody tries it but for this one."""
        model = self._models.get(name)
        if model and model.device is device and model.lost:
            return model.lost
        tried = settings.delegate == "auto" or any(self._models[other].lost for other in device.models)
        return device.fallen if tried else ""

    def _devices_of(self, models: Mapping[str, ModelSettings]) -> dict[str, _Device]:
        return {name: device for name, settings in models.items() if (device := self._device(settings))}

    def _device(self, settings: ModelSettings) -> _Device | None:
        key = _device_key(settings)
        if key is None:
            return None
        index = settings.edgetpu.device if key[0] == "edgetpu" else None
        return self._devices.setdefault(key, _Device(index, Backoff(RETRY_MIN_S, RETRY_MAX_S, self._random)))

    @property
    def avoid(self) -> dict[str, str]:
        """The models that are not to be tried on their accelerator by the vision process, each with the reason."""
        return {name: model.lost for name, model in self._models.items() if model.lost}

    def is_hopeless(self, name: str) -> bool:
        """Whether the daemon was started to demand an accelerator for the model, on which it never ran."""
        model = self._models.get(name)
        return model is not None and model.essential

    def on_serves(self, name: str, delegate: str, fallback: str, now_s: float) -> None:
        """A model serves on ``delegate``; ``fallback`` says why that is not the accelerator that it is to have, if so."""
        model = self._models.get(name)
        if model is None:
            return
        model.running = delegate in {"edgetpu", "external"}
        if model.running:
            model.essential, model.lost = False, ""
            model.device.served_since_s, model.device.fallen = now_s, ""
        elif not fallback:  # its bundle has nothing for the accelerator
            model.lost = ""
        elif not model.lost:
            model.lost = fallback
            model.device.due_s = now_s + model.device.backoff.next_delay_s()

    def on_failed(self, name: str, why: str, now_s: float) -> tuple[str, ...]:
        """The accelerator of a model failed: the models that leave it for that, this one first."""
        failed = self._models.get(name)
        if failed is None:
            return ()
        running = [other for other in failed.device.models if other != name and self._models[other].running]
        return self._fall(failed.device, (name, *running), why, now_s)

    def _fall(self, device: _Device, names: tuple[str, ...], why: str, now_s: float) -> tuple[str, ...]:
        device.fallen = why
        device.settle_s = min(2 * device.settle_s, RETRY_MAX_S)
        if any(self._models[name].running for name in names) and now_s - device.served_since_s >= HELD_S:
            device.backoff.reset()
            device.settle_s = SETTLE_S
        for name in names:
            self._models[name].lost, self._models[name].running = why, False
        device.due_s = now_s + device.backoff.next_delay_s()
        return names

    def on_death(self, death: Death, now_s: float) -> tuple[str, ...]:
        """The vision process died: the models that leave their accelerator because it is the cause, or is likely to be.

        A device that it was to begin with falls as well, though none of the models that are there may be on it.
        """
        inside = death.inside if death.hung or death.signal in CRASH_SIGNALS else ()
        suspects = [name for name in inside if name in self._models]
        coming = {self._coming[name] for name in inside if name in self._coming}
        running = [name for name, model in self._models.items() if model.running]
        if not suspects and not coming and running and death.signal in CRASH_SIGNALS:
            self._crashes_s = [at_s for at_s in self._crashes_s if now_s - at_s < CRASH_WINDOW_S] + [now_s]
            if len(self._crashes_s) >= CRASHES:
                suspects, self._crashes_s = running, []
        fallen: dict[str, None] = {}
        for name in suspects:
            if name not in fallen:
                fallen.update(dict.fromkeys(self.on_failed(name, death.how, now_s)))
        for device in coming - {self._models[name].device for name in fallen}:
            names = tuple(name for name in device.models if self._models[name].running)
            fallen.update(dict.fromkeys(self._fall(device, names, death.how, now_s)))
        self._coming = {}
        for model in self._models.values():
            model.running = False
        return tuple(fallen)

    def observe(self, found: tuple[EdgeTpu, ...], now_s: float) -> None:
        """Take in which Edge TPUs are connected. One that shows up is tried at once."""
        for device in self._devices.values():
            present = device.index is None or bool(matching(found, device.index))
            if present and device.present is False and now_s - device.tried_s >= device.settle_s:
                device.due_s = now_s
            device.present = present

    def due(self, now_s: float) -> tuple[str, ...]:
        """Models of one device that are to be tried on it now; none while it is gone, or while another model runs on it."""
        for device in self._devices.values():
            lost = tuple(name for name in device.models if self._models[name].lost)
            busy = any(self._models[name].running for name in device.models)
            if lost and device.present and not busy and now_s >= device.due_s:
                return lost
        return ()

    def on_tried(self, outcomes: Mapping[str, str], now_s: float) -> tuple[str, ...]:
        """The trials of what was ``due`` are over, each with what went wrong, "" if nothing: the models that may go back."""
        for device in {id(device): device for device in (self._models[name].device for name in outcomes)}.values():
            device.tried_s = now_s
            device.due_s = now_s + device.backoff.next_delay_s()
        back = tuple(name for name, failure in outcomes.items() if not failure)
        for name in back:
            self._models[name].lost = self._models[name].device.fallen = ""
        return back


def _device_key(settings: ModelSettings) -> tuple[str, ...] | None:
    """What models share that share a device; ``None`` for the CPU."""
    if settings.delegate in {"auto", "edgetpu"}:
        kind, _, number = settings.edgetpu.device.partition(":")
        return "edgetpu", settings.edgetpu.library, kind, number or "0"
    if settings.delegate == "external" and settings.external is not None:
        return (
            "external",
            settings.external.library,
            *(f"{key}={value}" for key, value in sorted(settings.external.options.items())),
        )
    return None
