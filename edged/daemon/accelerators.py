"""Which models stay off their accelerator, and when to try it again.

Pure: reports, deaths and times go in, decisions come out. Models on the same device fall together: most of the time it is the
device that fails, and each of them would find out by another death of the vision process. What falls is tried in a process of
its own (``edged.infer.trial``), so that an accelerator that stays dead costs the cameras nothing.
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
    """``lost`` says why it is off its accelerator."""

    device: _Device
    required: bool
    running: bool = False
    worked: bool = False
    lost: str = ""


@dataclass(slots=True)
class _Device:
    """``index`` is the Edge TPU as the settings name it, ``None`` for one that cannot be looked for."""

    index: str | None
    backoff: Backoff
    present: bool | None = None
    due_s: float = 0.0
    tried_s: float = -RETRY_MAX_S
    settle_s: float = SETTLE_S
    served_since_s: float = 0.0
    models: list[str] = field(default_factory=list)


class Accelerators:
    """What is known of the accelerators of ``models``. ``random`` gives numbers in 0..1."""

    def __init__(self, models: Mapping[str, ModelSettings], random: Callable[[], float]) -> None:
        self._random = random
        self._devices: dict[tuple[str, ...], _Device] = {}
        self._models: dict[str, _Model] = {}
        self._crashes_s: list[float] = []
        self.reconfigure(models)

    def reconfigure(self, models: Mapping[str, ModelSettings]) -> None:
        """Other models from now on; what is known of a model that stays on its device is kept."""
        devices, before = self._devices, self._models
        self._devices, self._models = {}, {}
        for device in devices.values():
            device.models.clear()
        for name, settings in models.items():
            key = _device_key(settings)
            if key is None:
                continue
            index = settings.edgetpu.device if key[0] == "edgetpu" else None
            fresh = _Device(index, Backoff(RETRY_MIN_S, RETRY_MAX_S, self._random))
            device = self._devices.setdefault(key, devices.get(key, fresh))
            device.models.append(name)
            model = before.get(name)
            if model is None or model.device is not device:
                model = _Model(device, required=False)
            model.required = settings.delegate != "auto"
            self._models[name] = model

    @property
    def avoid(self) -> dict[str, str]:
        """The models that are not to be tried on their accelerator by the vision process, each with the reason."""
        return {name: model.lost for name, model in self._models.items() if model.lost}

    def is_hopeless(self, name: str) -> bool:
        """Whether the configuration demands an accelerator for the model on which it never ran."""
        model = self._models.get(name)
        return model is not None and model.required and not model.worked

    def on_serves(self, name: str, delegate: str, fallback: str, now_s: float) -> None:
        """A model serves on ``delegate``; ``fallback`` says why that is not the accelerator that it is to have, if so."""
        model = self._models.get(name)
        if model is None:
            return
        model.running = delegate in {"edgetpu", "external"}
        if model.running:
            model.worked, model.lost = True, ""
            model.device.served_since_s = now_s
        elif fallback and not model.lost:
            model.lost = fallback
            model.device.due_s = now_s + model.device.backoff.next_delay_s()

    def on_failed(self, name: str, why: str, now_s: float) -> tuple[str, ...]:
        """The accelerator of a model failed: the models that leave it for that, this one first."""
        failed = self._models.get(name)
        if failed is None:
            return ()
        device = failed.device
        fallen = (name, *(other for other in device.models if other != name and self._models[other].running))
        device.settle_s = min(2 * device.settle_s, RETRY_MAX_S)
        if failed.running and now_s - device.served_since_s >= HELD_S:
            device.backoff.reset()
            device.settle_s = SETTLE_S
        for other in fallen:
            self._models[other].lost, self._models[other].running = why, False
        device.due_s = now_s + device.backoff.next_delay_s()
        return fallen

    def on_death(self, death: Death, now_s: float) -> tuple[str, ...]:
        """The vision process died: the models that leave their accelerator because it is the cause, or is likely to be."""
        suspects = [name for name in death.inside if name in self._models] if death.hung or death.signal in CRASH_SIGNALS else []
        running = [name for name, model in self._models.items() if model.running]
        if not suspects and running and death.signal in CRASH_SIGNALS:
            self._crashes_s = [at_s for at_s in self._crashes_s if now_s - at_s < CRASH_WINDOW_S] + [now_s]
            if len(self._crashes_s) >= CRASHES:
                suspects, self._crashes_s = running, []
        fallen: dict[str, None] = {}
        for name in suspects:
            if name not in fallen:
                fallen.update(dict.fromkeys(self.on_failed(name, death.how, now_s)))
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
        outcomes = {name: failure for name, failure in outcomes.items() if name in self._models}  # a reload may take some away
        for device in {id(device): device for device in (self._models[name].device for name in outcomes)}.values():
            device.tried_s = now_s
            device.due_s = now_s + device.backoff.next_delay_s()
        back = tuple(name for name, failure in outcomes.items() if not failure)
        for name in back:
            self._models[name].lost = ""
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
