"""How updates come to this device: announced and carried by the broker, verified here; or, without one, by persons alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from edged.config.schema import DeviceSettings
from edged.core.errors import UpdateFailed
from edged.daemon.clock import read_clock
from edged.daemon.gate import Gate
from edged.daemon.time_floor import keep_time
from edged.mqtt.carrier import MqttCarrier
from edged.mqtt.settings import MqttSettings
from edged.ota.announcement import announced
from edged.ota.channel import Trusted
from edged.ota.download import download
from edged.ota.settings import OtaSettings
from edged.ota.topics import UpdateTopics
from edged.ota.trust.floors import FloorFile
from edged.ota.trust.keeper import verify
from edged.ota.trust.records import Verify
from edged.ota.updater import Ways


class BrokerWays:
    """Of one device and channel, trusted from the file ``root`` on; ``directory`` keeps what was trusted last."""

    def __init__(self, mqtt: MqttSettings, device: DeviceSettings, ota: OtaSettings, root: Path, directory: Path) -> None:
        self._device = device
        self._ota = ota
        self._root = root
        self._directory = directory
        self._floors = FloorFile(directory / "floor")
        self._topics = UpdateTopics(mqtt.topic_prefix, device.fleet)
        self._carrier = MqttCarrier(mqtt, f"edged-{device.fleet}-{device.name}", self._topics.reply(device.name))

    def ways(self, parts: Path, gate: Gate) -> Ways:
        """Parts of what comes are kept in ``parts``; ``gate`` holds it up while cameras need the disk."""
        fetch = partial(download, self._carrier, self._topics, parts=parts, gate=gate)
        return Ways(
            partial(announced, self._carrier, self._topics, self._ota.channel),
            self._verify,
            lambda signed, progress: fetch(signed, progress=progress),
        )

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """To be run for as long as these ways are used."""
        kept = keep_time(self._floors, self._device.fleet, self._ota.channel, read_clock, asyncio.sleep)
        return [self._carrier.run(), kept]

    async def _verify(self, bundle: bytes) -> Trusted:
        now = read_clock()
        try:
            given = await asyncio.to_thread(self._root.read_bytes)
        except OSError as error:
            raise UpdateFailed("interrupted", f"{self._root}: {error.strerror}", hint="[ota] root names it.") from error
        verified = await verify(
            Verify(
                fleet=self._device.fleet,
                channel=self._ota.channel,
                root=given,
                bundle=bundle,
                floor=await asyncio.to_thread(self._floors.read, self._device.fleet, self._ota.channel),
                directory=str(self._directory / "tuf"),
                clock_unix_s=now.unix_ns // 10**9,
                synchronised=now.quality == "synchronised",
            )
        )
        await asyncio.to_thread(self._floors.keep, self._device.fleet, self._ota.channel, verified.floor)
        return Trusted(verified.targets, verified.expires_unix_s, verified.floor.time_unix_s, verified.numbering)


@asynccontextmanager
async def _silence() -> AsyncIterator[AsyncIterator[bytes]]:
    """No channel is followed."""

    async def nothing() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    yield nothing()


async def _unheard(*_: object) -> Any:
    raise AssertionError("nothing comes without a channel")


NO_WAYS = Ways(_silence, _unheard, _unheard)
