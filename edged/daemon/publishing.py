"""What is said over MQTT, by the publisher that serves now: it may be replaced, or there may be none."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from edged.core.mcu import McuState
from edged.core.tasks import run_together
from edged.daemon.cameras import CameraState
from edged.mqtt.health import HealthPayload
from edged.mqtt.publisher import Publisher
from edged.mqtt.requests import Handle
from edged.ota.status import UpdateStatus
from edged.vision import ipc


class Replaced(Exception):
    """Ends the work of a publisher; never leaves this file."""


class Publishing:
    """Keeps the states that are to be retained, so that another publisher can say them again."""

    def __init__(self, publisher: Publisher | None) -> None:
        self._publisher = publisher
        self._cameras: dict[str, CameraState] = {}
        self._models: dict[str, ipc.ModelServes] = {}
        self._mcus: dict[str, McuState] = {}
        self._commands: tuple[Collection[str], Handle] | None = None
        self._health: HealthPayload | None = None
        self._updates: tuple[UpdateStatus, ...] = ()
        self._replaced = asyncio.Event()

    @property
    def publisher(self) -> Publisher | None:
        """The one that serves now."""
        return self._publisher

    def camera(self, state: CameraState) -> None:
        """Make this the state of a camera."""
        self._cameras[state.camera] = state
        if self._publisher:
            self._publisher.camera_state(state)

    def model(self, model: ipc.ModelServes) -> None:
        """Make this the state of a model."""
        self._models[model.model_name] = model
        if self._publisher:
            self._publisher.model_state(model)

    def mcu(self, state: McuState) -> None:
        """Make this the state of a microcontroller."""
        self._mcus[state.mcu] = state
        if self._publisher:
            self._publisher.mcu_state(state)

    def keep_mcus(self, mcus: Collection[str]) -> None:
        """Let the broker forget the states of all others."""
        for mcu in [name for name in self._mcus if name not in mcus]:
            del self._mcus[mcu]
            if self._publisher:
                self._publisher.forget_mcu(mcu)

    def listen(self, mcus: Collection[str], handle: Handle) -> None:
        """Have ``handle`` do what these microcontrollers are told over MQTT."""
        self._commands = (mcus, handle)
        if self._publisher:
            self._publisher.listen(mcus, handle)

    def health(self, health: HealthPayload) -> None:
        """Make this what is known of the whole device."""
        self._health = health
        if self._publisher:
            self._publisher.health_state(health)

    def updates(self, updates: tuple[UpdateStatus, ...]) -> None:
        """Make this how far all updates are."""
        if updates != self._updates:
            self._updates = updates
            if self._publisher:
                self._publisher.updates_state(updates)

    @property
    def models(self) -> tuple[ipc.ModelServes, ...]:
        """Those that serve."""
        return tuple(self._models.values())

    def live(self, live: ipc.Live) -> None:
        """Publish what a camera sees now, if that is wanted."""
        if self._publisher:
            self._publisher.live(live)

    def keep(self, cameras: Collection[str], models: Collection[str]) -> None:
        """Let the broker forget the states of all others."""
        for camera in [name for name in self._cameras if name not in cameras]:
            del self._cameras[camera]
            if self._publisher:
                self._publisher.forget_camera(camera)
        for model in [name for name in self._models if name not in models]:
            del self._models[model]
            if self._publisher:
                self._publisher.forget_model(model)

    def replace(self, publisher: Publisher | None) -> None:
        """Let another publisher serve, once the one that does has taken leave; what waits in the outbox waits for the new one."""
        if publisher is self._publisher:
            return
        self._publisher = publisher
        self._replaced.set()
        if publisher:
            for camera in self._cameras.values():
                publisher.camera_state(camera)
            for model in self._models.values():
                publisher.model_state(model)
            for mcu in self._mcus.values():
                publisher.mcu_state(mcu)
            if self._commands:
                publisher.listen(*self._commands)
            if self._health:
                publisher.health_state(self._health)
            if self._updates:
                publisher.updates_state(self._updates)

    async def run(self) -> None:
        """Publish, for ever; raises StoreFailed if the outbox fails."""
        while True:
            self._replaced.clear()
            serving = [self._publisher.run()] if self._publisher else []
            try:
                await run_together(*serving, self._until_replaced())
            except Replaced:
                continue

    async def _until_replaced(self) -> None:
        await self._replaced.wait()
        raise Replaced
