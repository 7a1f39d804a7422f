"""The device's voice on MQTT: availability, states, events, live tracks.

Rules: a broker that is away, silent or hostile holds up nothing else; events wait in the outbox, of states the newest is kept, live
tracks are dropped and counted; what goes wrong is said once, and once when it is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import random as random_source
from collections.abc import Callable, Collection

from edged.core.backoff import Backoff
from edged.core.clock import ClockReading
from edged.core.errors import BrokerUnreachable
from edged.core.mcu import McuState
from edged.core.tasks import run_together
from edged.mqtt.delivery import Delivery, Outbox
from edged.mqtt.endpoint import Endpoint, read_endpoint
from edged.mqtt.facts import CameraFacts, LiveFacts, ModelFacts, UpdateFacts
from edged.mqtt.health import HealthPayload
from edged.mqtt.link import Link
from edged.mqtt.mcu import encode_mcu
from edged.mqtt.payload import encode_camera, encode_live, encode_model
from edged.mqtt.requests import Handle, Requests
from edged.mqtt.retained import Retained
from edged.mqtt.session import Session
from edged.mqtt.settings import MqttSettings
from edged.mqtt.stats import Meter, PublisherStats
from edged.mqtt.suspicion import Suspicion
from edged.mqtt.timing import Timing
from edged.mqtt.topics import OFFLINE, ONLINE, Topics
from edged.mqtt.updates import encode_updates
from edged.mqtt.version import VersionChoice
from edged.mqtt.wire import encode


class Publisher:
    """Run by ``await publisher.run()``, ended by cancelling that. All methods belong to one event loop."""

    def __init__(
        self,
        settings: MqttSettings,
        fleet: str,
        device: str,
        outbox: Outbox,
        clock: Callable[[], ClockReading],
        *,
        timing: Timing = Timing(),  # noqa: B008 - frozen
        random: Callable[[], float] = random_source.random,
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        self._clock = clock
        self._timing = timing
        self._topics = Topics(settings.topic_prefix, fleet, device)
        self._client_id = f"edged-{fleet}-{device}"
        self._retained = Retained()
        self._retained.set(self._topics.availability, ONLINE)
        self._meter = Meter(clock().monotonic_ns)
        self._requests = Requests(self._topics, clock)
        self._session: Session | None = None
        self._settled = asyncio.Event()
        self._suspicion = Suspicion()
        self._link = Link(self._endpoint, VersionChoice(settings.protocol), timing, random, meanwhile="events wait in the store")
        self._offer_again = Backoff(timing.retry_min_s, timing.retry_max_s, random)

    @property
    def connected(self) -> bool:
        """Whether a broker has us."""
        return self._session is not None

    @property
    def stats(self) -> PublisherStats:
        """What was done so far."""
        return self._meter.stats

    def camera_state(self, camera: CameraFacts) -> None:
        """Make this the retained state of a camera."""
        self._retained.set(self._topics.camera(camera.camera), encode_camera(camera, self._clock()))

    def model_state(self, model: ModelFacts) -> None:
        """Make this the retained state of a model."""
        self._retained.set(self._topics.model(model.model_name), encode_model(model, self._clock()))

    def mcu_state(self, mcu: McuState) -> None:
        """Make this the retained state of a microcontroller."""
        self._retained.set(self._topics.mcu(mcu.mcu), encode_mcu(mcu, self._clock()))

    def listen(self, mcus: Collection[str], handle: Handle) -> None:
        """Have ``handle`` do what these microcontrollers are told."""
        self._requests.listen(mcus, handle)

    def health_state(self, health: HealthPayload) -> None:
        """Make this the retained state of the whole device."""
        self._retained.set(self._topics.health, encode(health))

    def updates_state(self, updates: Collection[UpdateFacts]) -> None:
        """Make this the retained state of all updates; none lets the broker forget it."""
        if updates:
            self._retained.set(self._topics.updates, encode_updates(updates, self._clock()))
        else:
            self._retained.clear(self._topics.updates)

    @property
    def health_interval_s(self) -> float:
        """How often that is wanted."""
        return self._settings.health_interval_s

    @property
    def retained_waiting(self) -> int:
        """States that the broker does not have yet."""
        return self._retained.waiting

    def forget_camera(self, camera: str) -> None:
        """There is no such camera any more: its state goes."""
        self._retained.clear(self._topics.camera(camera))

    def forget_model(self, model: str) -> None:
        """No such model serves any more: its state goes."""
        self._retained.clear(self._topics.model(model))

    def forget_mcu(self, mcu: str) -> None:
        """There is no such microcontroller any more: its state goes."""
        self._retained.clear(self._topics.mcu(mcu))

    def live(self, live: LiveFacts) -> None:
        """Publish what a camera sees, if that is wanted and possible now."""
        if not self._settings.live:
            return
        published = False
        if self._session is not None:
            published = self._session.offer(self._topics.live(live.camera), encode_live(live, self._clock()))
        self._meter.on_live(published=published)

    async def drained(self) -> None:
        """Wait until the broker has acknowledged every event in the outbox. The caller sets the deadline."""
        while True:
            self._settled.clear()
            if not await self._outbox.pending(0, 1):
                return
            await self._settled.wait()

    async def check(self) -> None:
        """Read what a connection needs, as ``run`` will; raises SecretUnreadable."""
        await self._endpoint()

    async def run(self) -> None:
        """Keep connected and publish, for ever; raises StoreFailed if the outbox fails.

        When cancelled it says "offline" itself, within a deadline: the broker need not find out by silence.
        """
        await self._link.keep(self._serve)

    async def _endpoint(self) -> Endpoint:
        return await asyncio.to_thread(read_endpoint, self._settings, self._client_id, self._topics.availability, OFFLINE)

    async def _serve(self, session: Session) -> None:
        self._session = session
        self._meter.on_connected(session.version, self._clock().monotonic_ns)
        delivery = Delivery(
            self._outbox,
            self._topics,
            session,
            self._meter,
            backoff=self._offer_again,
            suspicion=self._suspicion,
            settled=self._settled,
        )
        try:
            await run_together(self._retained.publish(session), delivery.run(), self._requests.serve(session), session.lost())
        except asyncio.CancelledError:
            await self._farewell(session)
            raise
        finally:
            self._session = None
            self._meter.on_lost(self._clock().monotonic_ns)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._timing.farewell_s):
                    await delivery.flush()

    async def _farewell(self, session: Session) -> None:
        with contextlib.suppress(TimeoutError, BrokerUnreachable):
            async with asyncio.timeout(self._timing.farewell_s):
                await (await session.publish(self._topics.availability, OFFLINE, retain=True))
                await session.disconnect()
